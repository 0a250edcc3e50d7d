"""Render the samples of `har-edge run --demo` from two generated clips (CC BY 4.0).

    python train/recipes/make_samples.py DATA

DATA holds the folder `bed_fall`. The people in these clips do not exist: they are AI-generated.
"""

from __future__ import annotations

from pathlib import Path

import click
from PIL import Image

from har_edge.frames.encode import open_encoder
from har_edge.frames.opencv import import_cv2, rgb_to_bgr
from har_edge.frames.sampling import FrameSampler
from har_edge.sources.open import open_source

SAMPLES = Path(__file__).parents[2] / "edge" / "har_edge" / "samples"
# The clip is from the test part of the clip model's split; no bundled model of pictures saw any.
CLIP = "fall/mage_fall_003.mp4"
STILLS = {
    "lying.jpg": ("non_fall/mage_roll_011.mp4", 0),
    "seated.jpg": ("non_fall/mage_geton_024.mp4", 45),
}
SIZE = (384, 220)


@click.command()
@click.argument("data", type=click.Path(path_type=Path))
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=SAMPLES,
    metavar="DIR",
    help="Folder to write to. [default: that of har-edge]",
)
def main(data: Path, out: Path) -> None:
    """Write the samples, from the clips of DATA/bed_fall."""
    data /= "bed_fall"
    out.mkdir(parents=True, exist_ok=True)
    every_frame = 1000.0
    for name, (clip, number) in STILLS.items():
        frames = list(open_source(data / clip).frames(FrameSampler(every_frame)))
        Image.fromarray(frames[number].pixels).resize(SIZE).save(out / name, quality=85)
    cv2 = import_cv2()
    encoder = open_encoder(out / "falling.mp4", 24.0, SIZE)
    for frame in open_source(data / CLIP).frames(FrameSampler(every_frame)):
        pixels = cv2.resize(frame.pixels, SIZE, interpolation=cv2.INTER_AREA)
        encoder.write(rgb_to_bgr(pixels))
    encoder.close()


if __name__ == "__main__":
    main()
