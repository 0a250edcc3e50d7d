"""Tracks of people in a dataset's clips: what the runner sees of them but for pixels.

A model of poses has to learn from what it will see: keypoints and boxes as the same network and
the same tracker give them. `track_people` makes a pose set of every clip, and a manifest of them
that trains (`har-train fit --head-input pose,motion`).
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path

import numpy as np

from har_edge.datasets import Sample
from har_edge.frames.frame import KEYPOINTS, Frame, Person
from har_edge.people.choose import PeopleRule
from har_edge.people.locate import Locator
from har_edge.recognition.tracks_file import PoseTrack, write_tracks
from har_edge.sources.clips import span_frames
from har_train.people.making import (
    Product,
    choose_stretches,
    follow_people,
    make_dataset,
    stem_of,
)
from har_train.watch import Say, Tick, silent, uncounted

POSES = Product("poses", mark=".npz#", folder="tracks")


@dataclass(frozen=True)
class PoseConfig:
    """How people are followed.

    Attributes:
        frame_rate_hz: Rate at which frames are looked at, that of the model to come.
        rule: How often people are looked for, and how many are followed.
        everyone: Whether all people of a file are kept, or the one who is largest for longest.
        least_frames: Shorter tracks are left out, unless nobody has a longer one.
        network: Checksum of what finds people.
    """

    frame_rate_hz: float = 8.0
    rule: PeopleRule = field(default_factory=lambda: PeopleRule(locate_every=1))
    everyone: bool = False
    least_frames: int = 8
    network: str = ""


class _Stretch:
    """What was seen of one person, from when they are first looked at until they are lost."""

    def __init__(self) -> None:
        self.areas: list[float] = []
        self._people: list[Person] = []
        self._times: list[float] = []
        self._aspect = 1.0

    def add(self, frame: Frame, person: Person) -> None:
        """Take keypoints and box."""
        rows, columns = frame.pixels.shape[:2]
        self._aspect = columns / rows
        self._people.append(person)
        self._times.append(frame.timestamp_s)

    def track(self, sample: Sample, frame_rate_hz: float) -> PoseTrack:
        """What a pose set keeps of it."""
        unknown = np.zeros((len(KEYPOINTS), 3), np.float32)
        keypoints = [unknown if p.keypoints is None else p.keypoints for p in self._people]
        return PoseTrack(
            keypoints=np.stack(keypoints).astype(np.float32),
            boxes=np.array([person.box for person in self._people]),
            aspect=self._aspect,
            fps=frame_rate_hz,
            label=sample.label,
            group=sample.group,
            times=np.array(self._times),
        )


def track_people(
    samples: Sequence[Sample],
    locator: Locator,
    config: PoseConfig,
    out: Path,
    *,
    progress: Tick = uncounted,
    skipped: Say = silent,
) -> list[Sample]:
    """Follow people through stills and clips, and write what was seen of them as a dataset.

    Args:
        samples: Where to follow them; labels, groups and splits are carried over.
        locator: What finds people.
        config: How.
        out: Folder of the dataset; one that was begun with the same settings is gone on with.
        progress: Called with 1 for every sample.
        skipped: Takes a line for every file that cannot be decoded.

    Returns:
        The tracks, as `poses.csv` in the folder lists them.

    Raises:
        DataError: if the folder was made with other settings.
        OutputError: if it cannot be written.
    """
    follow = partial(_follow, locator, config)
    return make_dataset(
        samples, POSES, asdict(config), out, follow, progress=progress, skipped=skipped
    )


def _follow(locator: Locator, config: PoseConfig, sample: Sample, folder: Path) -> list[str]:
    """Follow the people of one file; gives the names of their tracks."""
    frames = span_frames(sample.path, config.frame_rate_hz, *sample.span)
    with contextlib.closing(frames):
        ended = follow_people(frames, locator, config.rule, lambda number: _Stretch())
    kept = choose_stretches(ended, everyone=config.everyone, least_frames=config.least_frames)
    if not kept:
        return []
    stem = stem_of(sample)
    write_tracks(folder / f"{stem}.npz", [s.track(sample, config.frame_rate_hz) for s in kept])
    return [f"{stem}{POSES.mark}{number}" for number in range(len(kept))]
