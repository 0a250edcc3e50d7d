"""The run folder: everything a training leaves behind, written whole or not at all."""

from __future__ import annotations

import contextlib
import csv
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from har_edge.arrays import Pixels
from har_edge.datasets import SPLITS, Sample
from har_edge.errors import DataError, OutputError
from har_edge.files import whole_path
from har_edge.model.file import BUNDLED, models_in
from har_edge.model.spec import ClipSpec
from har_edge.paths import display_path
from har_edge.run_folder import MODEL_NAME, root_of
from har_edge.sources.clips import load_frames, window_indices
from har_train.config import FitConfig, load_config, save_config
from har_train.model.types import Array
from har_train.reports.plots import plot_history
from har_train.reports.tables import (
    SPAN_COLUMNS,
    has_spans,
    relative,
    span_cells,
    write_predictions,
    write_report,
)
from har_train.training.result import FitResult
from har_train.training.stage import pose_rendering

# Enough for stable int8 ranges; the file stays at some 25 MB for 224 x 224.
REPRESENTATIVE_FRAMES = 192
# Of poses, whose rows are small: 2 MB.
REPRESENTATIVE_ROWS = 8192


def check_free(folder: Path) -> None:
    """Refuse an output folder that holds something or cannot be made.

    Raises:
        OutputError: if so; better before hours of training than after.
    """
    try:
        if folder.exists() and any(folder.iterdir()):
            raise OutputError(
                f"{display_path(folder)} is not empty. Give another --out, or remove it first."
            )
        folder.parent.mkdir(parents=True, exist_ok=True)
        if not os.access(folder.parent, os.W_OK):
            raise PermissionError(13, "Permission denied")
    except OSError as error:
        raise OutputError(
            f"{display_path(folder)} cannot be created: {error.strerror}. Give another --out."
        ) from error


def save_run(result: FitResult, folder: Path) -> None:
    """Write a run folder; it appears under its name once it is complete.

    Raises:
        OutputError: if it cannot be written.
    """
    with whole_folder(folder) as whole:
        _write(result, whole)


@contextlib.contextmanager
def whole_folder(folder: Path) -> Iterator[Path]:
    """Give a folder to write into that gets its name once the block has ended well.

    Args:
        folder: Missing or empty, as `check_free` found it.

    Raises:
        OutputError: if it cannot be written.
    """
    folder = folder.absolute()  # '.' cannot be renamed to
    partial = partial_folder(folder)
    whole = partial / "run"
    written = False
    try:
        shutil.rmtree(whole, ignore_errors=True)
        whole.mkdir(parents=True)
        yield whole
        whole.replace(folder)
        written = True
    except OSError as error:
        raise OutputError(
            f"{display_path(folder)} cannot be written: {error.strerror}. Free some disk space, "
            "or check the permissions of the folder."
        ) from error
    finally:
        shutil.rmtree(whole, ignore_errors=True)
        # Otherwise checkpoints stay: the training need not be done again.
        if written or not checkpoint_folder(folder).is_dir():
            shutil.rmtree(partial, ignore_errors=True)


def partial_folder(folder: Path) -> Path:
    """Where a run is put together before it gets its name."""
    folder = folder.absolute()  # '.' has no name of its own
    return folder.with_name(f"{folder.name}.partial")


def checkpoint_folder(folder: Path) -> Path:
    """Where the checkpoints of a training lie until its run folder is written."""
    return partial_folder(folder) / "checkpoints"


def start_checkpoints(config: FitConfig, folder: Path) -> Path:
    """Make the folder of checkpoints and leave the settings in it for `resume_config`.

    Raises:
        OutputError: if another training's checkpoints lie there, or it cannot be made.
    """
    checkpoints = checkpoint_folder(folder)
    if any(checkpoints.glob("*.npz")):
        raise OutputError(
            f"{display_path(partial_folder(folder))} contains an unfinished training. Continue "
            f"it with --resume {display_path(folder)}, give another --out, or remove it."
        )
    try:
        checkpoints.mkdir(parents=True, exist_ok=True)
        with whole_path(checkpoints / "config.toml") as partial:
            save_config(config, partial)
    except OSError as error:
        discard_start(folder)
        raise OutputError(
            f"{display_path(checkpoints)} cannot be written: {error.strerror}. Give another --out."
        ) from error
    return checkpoints


def discard_start(folder: Path) -> None:
    """Remove what `start_checkpoints` made, unless an epoch was done since."""
    if not any(checkpoint_folder(folder).glob("*.npz")):
        shutil.rmtree(partial_folder(folder), ignore_errors=True)


def resume_config(folder: Path) -> FitConfig:
    """Read the settings of an interrupted training.

    Raises:
        DataError: if there is none.
    """
    path = checkpoint_folder(folder) / "config.toml"
    if not path.is_file() and (folder / MODEL_NAME).is_file():
        raise DataError(
            f"{display_path(folder)} is finished, so there is nothing to resume. To train "
            "again, give another --out."
        )
    if not path.is_file():
        raise DataError(
            f"There is no unfinished training of {display_path(folder)}: {display_path(path)} is "
            "missing. Train from the start, without --resume."
        )
    return FitConfig.of(**load_config(path))


def check_finished(path: str | os.PathLike[str]) -> None:
    """Refuse a run folder without a model, such as a training that failed leaves behind.

    Args:
        path: What should be a run folder, or a model; files are left to others to judge.

    Raises:
        DataError: if there is no model yet.
    """
    given = Path(path)
    folder = given.parent if given.name == MODEL_NAME else given
    folder = folder.with_name(folder.name.removesuffix(".partial"))
    shown = display_path(folder)
    if os.fspath(path) in BUNDLED or (folder / MODEL_NAME).is_file():
        return
    if (checkpoint_folder(folder) / "config.toml").is_file():
        raise DataError(
            f"{shown} is an unfinished run folder: {MODEL_NAME} is missing, because its "
            f"training did not end. Continue with: har-train fit --resume {shown}"
        )
    if folder.is_dir() and models_in(folder):
        return
    if folder.is_dir():
        raise DataError(
            f"{shown} is not a finished run folder: {MODEL_NAME} is missing. Give a folder "
            f"written by har-train fit, or train with: har-train fit DATA --out {shown}"
        )
    if not folder.exists() and not folder.suffix:
        raise DataError(
            f"There is no model {shown}. Give a run folder (har-train fit DATA --out {shown} "
            "makes one), a file made by har-convert, or the name of a bundled model: "
            f"{', '.join(BUNDLED)}."
        )


def _write(result: FitResult, folder: Path) -> None:
    labels = result.spec.labels
    result.model.save(folder / "model.keras")
    (folder / "spec.json").write_text(result.spec.to_json(), encoding="utf-8")
    (folder / "labels.txt").write_text("\n".join(labels) + "\n", encoding="utf-8")
    save_config(result.config, folder / "config.toml")
    _write_history(result.history, folder / "history.csv")
    metrics = {"best_epoch": result.best_epoch, **result.metrics}
    (folder / "metrics.json").write_text(json.dumps(metrics, indent=2) + "\n", encoding="utf-8")
    _write_samples(result.samples, result.config, folder / "split.csv")
    if result.beside:
        _write_samples(result.beside, result.config, folder / "beside.csv")
    # Of the test part alone: conversion verifies on the files that this table names.
    write_predictions(
        {"test": result.predictions["test"]}, labels, data_root(result.config),
        folder / "predictions.csv",
    )  # fmt: skip
    write_report(result.predictions, result.spec, folder)
    _write_representative(result, folder / "representative.npz")
    plot_history(result.history, result.best_epoch, folder / "training_history.png")


def _write_representative(result: FitResult, path: Path) -> None:
    """Keep what calibration needs: frames, or rows of poses, and windows of them by number."""
    config, clip = result.config, result.spec.clip
    seed = config.training.seed
    if config.head.of_people:
        rows, windows = representative_set(
            result.samples, clip, seed=seed, num_frames=REPRESENTATIVE_ROWS,
            load=pose_rendering(config, view=0).load,
        )  # fmt: skip
        np.savez_compressed(path, rows=rows, windows=windows)
        return
    frames, windows = representative_set(result.samples, clip, seed=seed)
    np.savez_compressed(path, frames=frames, windows=windows)


def _write_history(history: Mapping[str, Sequence[float]], path: Path) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(["epoch", *history])
        rows.writerows([i, *row] for i, row in enumerate(zip(*history.values(), strict=True), 1))


def _write_samples(samples: Sequence[Sample], config: FitConfig, path: Path) -> None:
    """Write the split as a manifest that `har-train fit --root` takes again."""
    with path.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file, lineterminator="\n")
        spans = has_spans([s.span for s in samples])
        rows.writerow(["path", "label", "group", "split", *(SPAN_COLUMNS if spans else ())])
        base = data_root(config)
        for s in sorted(samples, key=lambda s: (SPLITS.index(s.split), s.label, s.path, s.start_s)):
            row = [relative(s.path, base), s.label, relative(s.group, base), s.split]
            rows.writerow(row + (span_cells(s.span) if spans else []))


def data_root(config: FitConfig) -> Path:
    """Folder that the paths in a run's tables start from."""
    return root_of(config.data.path, config.data.root)


def representative_set(
    samples: Sequence[Sample],
    clip: ClipSpec,
    *,
    seed: int,
    num_frames: int = REPRESENTATIVE_FRAMES,
    load: Callable[[Sample], Array] | None = None,
) -> tuple[Array, NDArray[np.intp]]:
    """Choose training windows for calibration, in turn from every class.

    Args:
        samples: With splits; only `train` is used.
        clip: Preprocessing.
        seed: Of the choice.
        num_frames: Frames in all, about; at least two windows a class are taken.
        load: Gives all of a sample; None for its frames.

    Returns:
        Frames, (N, H, W, 3) uint8, or what else `load` gives, and windows as rows of frame numbers,
        (M, T).
    """
    random = np.random.default_rng(seed)
    train = [s for s in samples if s.split == "train"]
    by_label = {c: [s for s in train if s.label == c] for c in sorted({s.label for s in train})}
    per_class = max(2, round(num_frames / clip.num_frames / len(by_label)))
    frames, windows, offset = [], [], 0
    for members in by_label.values():
        for i in random.permutation(len(members))[:per_class]:
            clip_frames = load(members[i]) if load else _load(members[i], clip)
            indices = window_indices(len(clip_frames), clip.num_frames)
            window = indices[random.integers(len(indices))]
            used, rows = np.unique(window, return_inverse=True)
            frames.append(clip_frames[used])
            windows.append(rows + offset)
            offset += len(used)
    return np.concatenate(frames), np.stack(windows)


def _load(sample: Sample, clip: ClipSpec) -> Pixels:
    return load_frames(sample.path, clip, start_s=sample.start_s, end_s=sample.end_s)
