"""Clips of single people, cut out of a dataset exactly as the runner cuts them.

A model that answers for each person has to learn from what it will see: the square around one
person, found and followed by the same network and the same tracker. `cut_people` makes a dataset
of such crops, at the model's rate and size and without loss, so that all else (training,
calibration, evaluation, `explore`, benchmarks) reads it like any other. It can be looked at, and
crops that show the wrong person can be deleted.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path

from PIL import Image

from har_edge.arrays import Pixels
from har_edge.datasets import Sample
from har_edge.files import write_whole
from har_edge.frames.frame import Frame, Person
from har_edge.model.spec import ClipSpec, CropSpec
from har_edge.people.choose import PeopleRule
from har_edge.people.follow import Follower, person_crop
from har_edge.people.locate import Locator
from har_edge.sources.clips import span_frames
from har_train.people.lossless import SUFFIX, LosslessVideo
from har_train.people.making import (
    Product,
    choose_stretches,
    follow_people,
    make_dataset,
    stem_of,
)
from har_train.watch import Say, Tick, silent, uncounted

CROPS = Product("crops", mark="-p")
PARTIAL = ".partial"


@dataclass(frozen=True)
class CropConfig:
    """How people are cut out.

    Attributes:
        clip: Rate, size and resize rule of the model to come.
        crop: Rule of the square around a person.
        rule: How often people are looked for, and how many are followed.
        everyone: Whether all people of a file are kept, or the one who is largest for longest.
        least_frames: Shorter clips of a person are left out, unless nobody has a longer one.
        network: Checksum of what finds people.
    """

    clip: ClipSpec
    crop: CropSpec = field(default_factory=CropSpec)
    rule: PeopleRule = field(default_factory=PeopleRule)
    everyone: bool = False
    least_frames: int = 8
    network: str = ""


class _Stretch:
    """The crops of one person, from when they are first looked at until they are lost."""

    def __init__(self, video: LosslessVideo, config: CropConfig) -> None:
        self.video, self._config = video, config
        self.areas: list[float] = []

    def add(self, frame: Frame, person: Person) -> None:
        """Write the next crop."""
        self.video.write(person_crop(frame.pixels, person, self._config.crop, self._config.clip))


def cut_people(
    samples: Sequence[Sample],
    locator: Locator,
    config: CropConfig,
    out: Path,
    *,
    progress: Tick = uncounted,
    skipped: Say = silent,
) -> list[Sample]:
    """Cut people out of stills and clips, and write them as a dataset.

    Args:
        samples: What to cut them out of; labels, groups and splits are carried over.
        locator: What finds people.
        config: How.
        out: Folder of the dataset; one that was begun with the same settings is gone on with.
        progress: Called with 1 for every sample.
        skipped: Takes a line for every file that cannot be decoded.

    Returns:
        The crops, as `crops.csv` in the folder lists them.

    Raises:
        DataError: if the folder was made with other settings.
        OutputError: if it cannot be written.
    """
    cut = partial(_cut, locator, config)
    return make_dataset(
        samples, CROPS, asdict(config), out, cut, progress=progress, skipped=skipped
    )


def _cut(locator: Locator, config: CropConfig, sample: Sample, folder: Path) -> list[str]:
    """Cut people out of one file; gives the names of what is kept."""
    if sample.is_still:
        return _cut_still(sample, locator, config, folder)
    rate, size = config.clip.frame_rate_hz, config.clip.frame_shape[:2]
    with contextlib.ExitStack() as cleaning:

        def begin(number: int) -> _Stretch:
            path = folder / f"{stem_of(sample)}{CROPS.mark}{number}{SUFFIX}{PARTIAL}"
            cleaning.callback(path.unlink, missing_ok=True)
            return _Stretch(LosslessVideo(path, rate, size), config)

        frames = cleaning.enter_context(
            contextlib.closing(span_frames(sample.path, rate, *sample.span))
        )
        ended = follow_people(frames, locator, config.rule, begin)
        for stretch in ended:
            stretch.video.close()
        kept = choose_stretches(ended, everyone=config.everyone, least_frames=config.least_frames)
        return sorted(_keep(stretch.video.path) for stretch in kept)


def _keep(path: Path) -> str:
    return path.rename(path.with_suffix("")).name


def _cut_still(sample: Sample, locator: Locator, config: CropConfig, folder: Path) -> list[str]:
    (frame,) = span_frames(sample.path, config.clip.frame_rate_hz)
    chosen = Follower(locator, config.rule, still=True).follow(frame).chosen
    names = []
    for number, person in enumerate(chosen if config.everyone else chosen[:1], 1):
        crop = person_crop(frame.pixels, person, config.crop, config.clip)
        names.append(f"{stem_of(sample)}{CROPS.mark}{number}.png")
        write_whole(folder / names[-1], _png(crop))
    return names


def _png(pixels: Pixels) -> bytes:
    content = io.BytesIO()
    Image.fromarray(pixels).save(content, "PNG", compress_level=3)
    return content.getvalue()
