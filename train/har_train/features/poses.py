"""Rows of pose and motion of whole datasets, in as many views as wanted: no pixels, no cache.

A row is what the edge feeds to `classify` for one person in one frame. Of tracks view 0 is what
was seen, as the edge would see it; of skeletons it is one view, drawn by the sequence alone. All
views depend on seed, sequence and number, so that a training can be had again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from har_edge.arrays import FloatArray
from har_edge.datasets import Sample
from har_edge.errors import DataError, SourceError
from har_edge.model.spec import MOTION_SIZE, POSE_SIZE, HeadInput
from har_edge.paths import display_path
from har_edge.pose_paths import sequence_of
from har_edge.recognition.tracks_file import PoseTrack, track_rows
from har_train.features.augment import drawing_seed
from har_train.features.cache import EncodedSample
from har_train.skeletons.sets import Skeleton, load_sequences
from har_train.skeletons.tracks import MORE_ERRORS, stronger, track_view
from har_train.skeletons.views import ViewSettings, random_view
from har_train.watch import Say, Tick, silent, uncounted


@dataclass(frozen=True)
class PoseRendering:
    """Which rows are made of a sequence.

    Attributes:
        inputs: Parts of a row: `pose`, `motion` or both.
        num_frames: Frames of a skeleton's window, T.
        frame_rate_hz: Rate of the frames.
        view: 0 for what was seen; others are drawn.
        strength: Factor on the errors and changes of speed of views from 1.
        flip: Whether views of tracks may be mirrored; skeletons are seen from all sides anyway.
        seed: Of the views from 1.
    """

    inputs: tuple[HeadInput, ...]
    num_frames: int
    frame_rate_hz: float
    view: int = 0
    strength: float = 1.0
    flip: bool = True
    seed: int = 0

    def rows(self, sequence: Skeleton | PoseTrack, digest: str) -> FloatArray:
        """Make the rows of a sequence: (N, D'), T of them for a skeleton."""
        random = np.random.default_rng(drawing_seed(self._key(digest)))
        if isinstance(sequence, PoseTrack):
            if not self.view:
                return track_rows(sequence, self.inputs, frame_rate_hz=self.frame_rate_hz)
            settings = ViewSettings(self.num_frames, self.frame_rate_hz, errors=MORE_ERRORS)
            settings = stronger(settings, self.strength)
            found = track_view(sequence, settings, random, flip=self.flip)
        else:
            settings = ViewSettings(self.num_frames, self.frame_rate_hz)
            if self.view:
                settings = stronger(settings, self.strength)
            found = random_view(sequence, settings, random)
        parts = {"pose": found[:, :POSE_SIZE], "motion": found[:, POSE_SIZE:]}
        return np.concatenate([parts[name] for name in self.inputs], axis=1)

    def load(self, sample: Sample) -> FloatArray:
        """Read a sample's sequence and make its rows.

        Raises:
            SourceError: if it cannot be read.
        """
        return self.rows(*read_sequence(sample.path))

    def _key(self, digest: str) -> str:
        """What is drawn depends on this alone: view 0 on nothing but the sequence."""
        return f"pose {self.seed} {digest} {self.view}" if self.view else f"pose {digest}"


def row_size_of(inputs: Sequence[HeadInput]) -> int:
    """Length D' of a row of these parts."""
    return sum({"pose": POSE_SIZE, "motion": MOTION_SIZE}[name] for name in inputs)


def encode_poses(
    samples: Sequence[Sample],
    rendering: PoseRendering,
    *,
    progress: Tick = uncounted,
    skipped: Say = silent,
) -> list[EncodedSample]:
    """Make the rows of all samples.

    Args:
        samples: Sequences of pose sets.
        rendering: Which rows.
        progress: Called with 1 for every sample that is done.
        skipped: Called with a message for every sample that cannot be read.

    Returns:
        The samples that could be read, in the order given.
    """
    found = []
    for sample in samples:
        progress(1)
        try:
            sequence, digest = read_sequence(sample.path)
        except SourceError as error:
            skipped(str(error))
            continue
        found.append(EncodedSample(sample, rendering.rows(sequence, digest), digest))
    return found


def read_sequence(path: Path) -> tuple[Skeleton | PoseTrack, str]:
    """Read one sequence; gives a hash of its file's content with its number, too.

    Args:
        path: `FILE.npz#N`.

    Raises:
        SourceError: if there is none.
    """
    place = sequence_of(path)
    if place is None:
        raise SourceError(f"{display_path(path)} should be a sequence, FILE.npz#N.")
    file, number = place
    try:
        sequences, digest = _read_set(file, file.stat().st_mtime_ns)
    except (DataError, OSError) as error:
        raise SourceError(str(error)) from error
    if number >= len(sequences):
        raise SourceError(
            f"{display_path(file)} has the sequences 0 to {len(sequences) - 1}. Received "
            f"{number}. Correct the number behind #."
        )
    return sequences[number], f"{digest}-{number}"


# All that a training reads: it does so once for each view.
@cache
def _read_set(file: Path, changed_ns: int) -> tuple[Sequence[Skeleton | PoseTrack], str]:
    del changed_ns  # a file that was written anew is another one
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    return load_sequences(file), digest
