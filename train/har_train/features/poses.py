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
from har_train.skeletons.degrade import LIKE_A_NETWORK, Errors
from har_train.skeletons.sets import Skeleton, load_sequences
from har_train.skeletons.tracks import MORE_ERRORS, stronger, track_view
from har_train.skeletons.views import ViewSettings, random_views
from har_train.watch import Say, Tick, silent, uncounted

# Sequences that are drawn together: enough to make NumPy's calls worth their while.
AT_ONCE = 128


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

    def rows(self, sequences: Sequence[tuple[Skeleton | PoseTrack, str]]) -> list[FloatArray]:
        """Make the rows of sequences, each with a hash: (N, D') each, T of them for a skeleton."""
        found: dict[int, FloatArray] = {}
        skeletons: dict[int, Skeleton] = {}
        for number, (sequence, digest) in enumerate(sequences):
            if isinstance(sequence, PoseTrack):
                found[number] = self._of_track(sequence, self._random(digest))
            else:
                skeletons[number] = sequence
        if skeletons:
            randoms = [self._random(sequences[number][1]) for number in skeletons]
            settings = self._settings(LIKE_A_NETWORK)
            views = self._parts(random_views(list(skeletons.values()), settings, randoms))
            found |= dict(zip(skeletons, views, strict=True))
        return [found[number] for number in range(len(sequences))]

    def _of_track(self, track: PoseTrack, random: np.random.Generator) -> FloatArray:
        if not self.view:
            return track_rows(track, self.inputs, frame_rate_hz=self.frame_rate_hz)
        settings = self._settings(MORE_ERRORS)
        return self._parts(track_view(track, settings, random, flip=self.flip))

    def _settings(self, errors: Errors) -> ViewSettings:
        """How views are drawn; view 0 of a skeleton as strongly for every model."""
        settings = ViewSettings(self.num_frames, self.frame_rate_hz, errors=errors)
        return stronger(settings, self.strength) if self.view else settings

    def _parts(self, rows: FloatArray) -> FloatArray:
        """Of whole rows, (..., ROW_SIZE), what the model takes."""
        parts = {"pose": rows[..., :POSE_SIZE], "motion": rows[..., POSE_SIZE:]}
        return np.concatenate([parts[name] for name in self.inputs], axis=-1)

    def load(self, sample: Sample) -> FloatArray:
        """Read a sample's sequence and make its rows.

        Raises:
            SourceError: if it cannot be read.
        """
        return self.rows([read_sequence(sample.path)])[0]

    def _random(self, digest: str) -> np.random.Generator:
        """What draws: view 0 depends on nothing but the sequence."""
        key = f"pose {self.seed} {digest} {self.view}" if self.view else f"pose {digest}"
        return np.random.default_rng(drawing_seed(key))


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
        progress: Called with the number of samples that were done since.
        skipped: Called with a message for every sample that cannot be read.

    Returns:
        The samples that could be read, in the order given.
    """
    found: list[EncodedSample] = []
    for first in range(0, len(samples), AT_ONCE):
        readable, sequences = list[Sample](), list[tuple[Skeleton | PoseTrack, str]]()
        for sample in samples[first : first + AT_ONCE]:
            try:
                sequences.append(read_sequence(sample.path))
                readable.append(sample)
            except SourceError as error:
                skipped(str(error))
        rows = rendering.rows(sequences)
        found += [
            EncodedSample(sample, row, digest)
            for sample, row, (_, digest) in zip(readable, rows, sequences, strict=True)
        ]
        progress(len(samples[first : first + AT_ONCE]))
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
