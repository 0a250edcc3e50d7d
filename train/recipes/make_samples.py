"""Render the samples of `har-edge run --demo` from two generated clips (CC BY 4.0).

    python train/recipes/make_samples.py DATA

DATA holds the folder `bed_fall`. The people in these clips do not exist: they are AI-generated.
"""

from __future__ import annotations

import sys
from pathlib import Path

from PIL import Image

from har_edge.frames.opencv import import_cv2
from har_edge.frames.sampling import FrameSampler
from har_edge.sources.open import open_source

SAMPLES = Path(__file__).parents[2] / "edge" / "har_edge" / "samples"
# All from the test part of the clip model's split.
CLIP = "fall/mage_fall_003.mp4"
STILLS = {
    "lying.jpg": ("non_fall/mage_roll_011.mp4", 0),
    "seated.jpg": ("non_fall/mage_geton_004.mp4", 45),
}
SIZE = (384, 220)


def main() -> None:
    """Write the samples."""
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    data = Path(sys.argv[1]) / "bed_fall"
    SAMPLES.mkdir(exist_ok=True)
    every_frame = 1000.0
    for name, (clip, number) in STILLS.items():
        frames = list(open_source(data / clip).frames(FrameSampler(every_frame)))
        Image.fromarray(frames[number].pixels).resize(SIZE).save(SAMPLES / name, quality=85)
    cv2 = import_cv2()
    codec = cv2.VideoWriter_fourcc(*"mp4v")
    writer = cv2.VideoWriter(str(SAMPLES / "falling.mp4"), codec, 24.0, SIZE)
    for frame in open_source(data / CLIP).frames(FrameSampler(every_frame)):
        pixels = cv2.resize(frame.pixels, SIZE, interpolation=cv2.INTER_AREA)
        writer.write(cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR))
    writer.release()


if __name__ == "__main__":
    main()
