"""A run folder of a model of poses, with the tracks that it was trained on; random weights."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from har_edge.model.spec import ClipSpec, ModelSpec
from har_edge.recognition.tracks_file import PoseTrack, track_rows, write_tracks
from har_edge.sources.clips import window_indices
from tests.support.skeletons import save
from tests.support.tracks import made_track

LABELS = ("bending", "falling", "walking")
CLIP = ClipSpec(num_frames=16, frame_rate_hz=8.0, height=224, width=224)
SPEC = ModelSpec(
    "walks",
    LABELS,
    CLIP,
    feature_size=0,
    view="person",
    head_inputs=("pose", "motion"),
    license="MIT",
    description="Knows three made-up movements.",
)
# Tracks of each label in the training part and in the test part; some are shorter than a window.
TRAIN, TEST = 6, 4


def make_pose_run(folder: Path) -> Path:
    """Write data and a run folder; gives the latter."""
    data, run = folder / "data", folder / "walks"
    data.mkdir(parents=True)
    run.mkdir()
    tracks = [
        made_track(12 + 4 * (i % 5), seed=100 * number + i, label=label, group=f"{label}{i}")
        for number, label in enumerate(LABELS)
        for i in range(TRAIN + TEST)
    ]
    write_tracks(data / "tracks.npz", tracks)
    save(data / "skeletons.npz")
    parts = ["train" if i % (TRAIN + TEST) < TRAIN else "test" for i in range(len(tracks))]
    rows = [
        (f"tracks.npz#{i}", track.label, track.group, part)
        for i, (track, part) in enumerate(zip(tracks, parts, strict=True))
    ]
    rows += [
        (f"skeletons.npz#{i}", "falling", "s", part) for i, part in ((0, "train"), (1, "test"))
    ]
    _write(run / "split.csv", ("path", "label", "group", "split"), rows)
    windows = [
        (path, label, int(first))
        for path, label, _, part in rows
        if part == "test"
        for first in _first_frames(path, tracks)
    ]
    _write(run / "predictions.csv", ("path", "label", "first_frame"), windows)
    (run / "config.toml").write_text(f'data = "{data / "list.csv"}"\n', encoding="utf-8")
    (run / "spec.json").write_text(SPEC.to_json(), encoding="utf-8")
    learned = [track for track, part in zip(tracks, parts, strict=True) if part == "train"]
    kept = np.concatenate([track_rows(track, SPEC.head_inputs) for track in learned])
    chosen = np.arange(len(kept) // 16 * 16).reshape(-1, 16)
    np.savez(run / "representative.npz", rows=kept, windows=chosen)
    make_head(run / "model.keras")
    return run


def make_head(path: Path) -> None:
    """A head with random weights whose answers differ by more than rounding."""
    import keras

    keras.utils.set_random_seed(3)
    layers = keras.layers
    features = keras.Input((CLIP.num_frames, SPEC.row_size), name="features")
    x = layers.LSTM(12, unroll=True, name="lstm")(features)
    x = layers.Dense(16, activation="relu", name="dense_1")(x)
    x = layers.Rescaling(6.0, name="louder")(x)
    given = layers.Dense(len(LABELS), activation="softmax", name="probabilities")(x)
    keras.Model(features, given, name="classify").save(path)


def _first_frames(path: str, tracks: Sequence[PoseTrack]) -> list[int]:
    if not path.startswith("tracks"):
        return [0]
    count = len(tracks[int(path.rpartition("#")[2])].boxes)
    return [int(row[-1]) - CLIP.num_frames + 1 for row in window_indices(count, CLIP.num_frames)]


def _write(path: Path, columns: tuple[str, ...], rows: Sequence[Sequence[object]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)
