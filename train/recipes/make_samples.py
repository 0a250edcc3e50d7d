"""Render the samples of `har-edge run --demo` from a few generated clips (CC BY 4.0).

    python train/recipes/make_samples.py DATA

DATA holds the folder `bed_fall`. The people in these clips do not exist: they are AI-generated.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click
import numpy as np
from PIL import Image

from har_edge.arrays import Pixels
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
# Two people: one clip beside another, each cut to its middle. Both are from the test part, too.
SIDE_BY_SIDE = ("fall/mage_fall_021.mp4", "non_fall/mage_geton_030.mp4")
SIDE_SIZE, PROPORTION = (528, 240), 1.1


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
    for name, (clip, number) in STILLS.items():
        Image.fromarray(read(data / clip)[number]).resize(SIZE).save(out / name, quality=85)
    write(read(data / CLIP), out / "falling.mp4", SIZE)
    pairs = zip(*(read(data / clip) for clip in SIDE_BY_SIDE), strict=True)
    film = [np.hstack([middle(picture) for picture in pair]) for pair in pairs]
    write(film, out / "two_people.mp4", SIDE_SIZE)


def read(clip: Path) -> list[Pixels]:
    """All frames of a clip."""
    every_frame = 1000.0
    return [frame.pixels for frame in open_source(clip).frames(FrameSampler(every_frame))]


def middle(picture: Pixels) -> Pixels:
    """Cut a picture to `PROPORTION` of its height."""
    width = int(picture.shape[0] * PROPORTION)
    left = (picture.shape[1] - width) // 2
    return picture[:, left : left + width]


def write(frames: Sequence[Pixels], path: Path, size: tuple[int, int]) -> None:
    """Encode frames as a video of 24 a second."""
    cv2 = import_cv2()
    encoder = open_encoder(path, 24.0, size)
    for frame in frames:
        encoder.write(rgb_to_bgr(cv2.resize(frame, size, interpolation=cv2.INTER_AREA)))
    encoder.close()


if __name__ == "__main__":
    main()
