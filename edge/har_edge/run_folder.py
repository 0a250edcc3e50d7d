"""A run folder, all that a training leaves behind, read without TensorFlow.

Its tables name files by paths that start from the folder of its data, which `config.toml` records
as it was given to the training. Data that was moved since is found by a root given in its place.
"""

from __future__ import annotations

import csv
import importlib.util
import json
import math
import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from har_edge.arrays import FloatArray, Pixels
from har_edge.datasets import Listing, list_dataset, list_predictions
from har_edge.errors import DataError, MissingExtraError, SpecError
from har_edge.kept import read_frames, read_rows
from har_edge.model.file import BUNDLED, read_model_file, resolve_model
from har_edge.model.spec import ModelSpec
from har_edge.paths import display_path
from har_edge.sample_paths import file_of

MODEL_NAME = "model.keras"
SPEC_NAME = "spec.json"
CONFIG_NAME = "config.toml"
METRICS_NAME = "metrics.json"
# All of its data with the splits, as a manifest; bundled runs keep their test part's answers alone.
SPLIT_NAME = "split.csv"
PREDICTIONS_NAME = "predictions.csv"
FRAMES_NAME = "representative.npz"


@dataclass(frozen=True)
class HeldOut:
    """A clip of the run's held-out part: its file, where its windows start, its span in s."""

    path: Path
    label: str
    first_frames: tuple[int, ...]
    start_s: float = 0.0
    end_s: float = math.inf


@dataclass(frozen=True)
class TrainedRun(os.PathLike[str]):
    """A run folder that a training finished; it stands wherever its path may stand.

    Example:
        >>> from har_edge.model.spec import ClipSpec
        >>> clip = ClipSpec(num_frames=16, frame_rate_hz=8.0, height=224, width=224)
        >>> spec = ModelSpec("mine", ("falling", "lying"), clip, feature_size=1280)
        >>> run = TrainedRun(Path("runs") / "mine", spec)
        >>> run.labels
        ('falling', 'lying')
        >>> run.model_path.name
        'model.keras'

    Attributes:
        folder: Where it is.
        spec: The trained model's spec.
    """

    folder: Path
    spec: ModelSpec

    def __fspath__(self) -> str:
        return os.fspath(self.folder)

    @property
    def labels(self) -> tuple[str, ...]:
        """What the model answers with, in output order."""
        return self.spec.labels

    @property
    def model_path(self) -> Path:
        """The Keras model."""
        return self.folder / MODEL_NAME

    @cached_property
    def metrics(self) -> Mapping[str, Mapping[str, float]]:
        """Measured figures by split (`train`, `val`, `test`); empty if the run keeps none.

        Raises:
            DataError: if they are damaged.
        """
        recorded = _read_metrics(self.folder / METRICS_NAME)
        return {split: part for split, part in recorded.items() if isinstance(part, dict)}

    @cached_property
    def config(self) -> Mapping[str, object]:
        """Settings that it was trained with, as in `config.toml`; empty if there is none.

        Raises:
            DataError: if they are no TOML.
        """
        return read_config(self.folder)

    @property
    def recorded_root(self) -> Path | None:
        """Folder that the paths in its tables start from, if it says so and it still exists.

        Raises:
            DataError: if the settings are no TOML.
        """
        root = _recorded_root(self.config)
        return root if root is not None and root.is_dir() else None

    def kept_frames(self) -> tuple[Pixels, NDArray[np.intp]]:
        """Read the training frames that it keeps to calibrate on.

        Returns:
            Frames, (N, H, W, 3) uint8, and windows as rows of frame numbers, (M, T).

        Raises:
            DataError: if they are missing, damaged, or do not fit the model.
        """
        return read_frames(self.folder / FRAMES_NAME, self.spec)

    def kept_rows(self) -> tuple[FloatArray, NDArray[np.intp]]:
        """Read the rows of poses that it keeps to calibrate on, if its model has no `encode`.

        Returns:
            Rows, (N, D') float32, and windows as row numbers, (M, T).

        Raises:
            DataError: if they are missing, damaged, or do not fit the model.
        """
        return read_rows(self.folder / FRAMES_NAME, self.spec)

    def held_out_files(self, root: Path) -> list[HeldOut]:
        """List the clips of its test part whose files are at hand, with their windows.

        Args:
            root: Folder that their paths start from.

        Raises:
            DataError: if the table of them is damaged.
        """
        path = self.folder / PREDICTIONS_NAME
        if not path.is_file():
            return []
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file)
            rows = list(reader)
        if not {"path", "label", "first_frame"} <= set(reader.fieldnames or ()):
            raise DataError(
                f"{display_path(path)} should have the columns path,label,first_frame. Received "
                f"{','.join(reader.fieldnames or ()) or 'no header'}. Train again."
            )
        try:
            clips = [
                HeldOut(root / name, group[0]["label"], _starts(group), start_s, end_s)
                for (name, start_s, end_s), group in (
                    (k, list(g)) for k, g in groupby(rows, _file_and_span)
                )
            ]
        except (TypeError, ValueError) as error:
            raise DataError(
                f"{display_path(path)} is damaged: first_frame, start_s and end_s should be "
                f"numbers ({error}). Train again."
            ) from error
        return [clip for clip in clips if file_of(clip.path).is_file()]


def _file_and_span(row: dict[str, str]) -> tuple[str, float, float]:
    """Tell clips apart: runs on spans of longer videos name the span, empty for open ends."""
    start, end = row.get("start_s"), row.get("end_s")
    return row["path"], float(start or 0), float(end or math.inf)


def _starts(rows: list[dict[str, str]]) -> tuple[int, ...]:
    return tuple(int(row["first_frame"]) for row in rows)


def read_run(folder: str | os.PathLike[str]) -> TrainedRun:
    """Read what a run folder says about itself.

    Args:
        folder: A finished run folder.

    Raises:
        DataError: if its spec cannot be read.
        SpecError: if its spec is broken.
    """
    path = Path(folder) / SPEC_NAME
    try:
        text = path.read_bytes()
    except OSError as error:
        raise DataError(f"{display_path(path)}: {error.strerror}.") from error
    return TrainedRun(Path(folder), ModelSpec.from_json(text, where=display_path(path)))


def bundled_run(name: str | os.PathLike[str]) -> Path | None:
    """Folder of the Keras model behind a bundled name; None for any other name.

    Raises:
        MissingExtraError: if the package that brings these folders along is not installed.
    """
    return bundled_folder(os.fspath(name)) if os.fspath(name) in BUNDLED else None


def bundled_folder(name: str) -> Path:
    """Folder of a bundled Keras model, in this checkout or in the package `har-edge-models`.

    Raises:
        MissingExtraError: if that package is not installed.
    """
    for place in _places_of_bundled_runs():
        folder = place / name
        if (folder / MODEL_NAME).is_file():
            return folder
    raise MissingExtraError("convert", "har-edge-models")


def _places_of_bundled_runs() -> Iterator[Path]:
    """Where the folders of `har-edge-models` may lie: in the checkout that runs, else installed.

    Both are looked up by name: what converts lies above this package, and neither may be there.
    """
    converts = importlib.util.find_spec("har_convert")
    for place in converts.submodule_search_locations or () if converts else ():
        yield Path(place).parent / "models" / "har_edge_models"
    installed = importlib.util.find_spec("har_edge_models")
    yield from map(Path, installed.submodule_search_locations or () if installed else ())


def run_of(model: str | os.PathLike[str], folder: str | os.PathLike[str] = "runs") -> Path | None:
    """Find the run folder that a model came from.

    Args:
        model: A bundled name, a run folder, a `.keras` file in one, or a converted file, which is
            looked for by its name, its labels and the fingerprint of its data.
        folder: Where run folders of converted files are looked for.

    Returns:
        The folder, of several that fit the newest; None if there is none.

    Raises:
        MissingExtraError: if the run behind a bundled name is not installed.
        ModelFileError: if `model` is a file that is no model.
    """
    path = Path(model)
    if path.is_dir() or path.suffix == ".keras":
        run = path.parent if path.suffix == ".keras" and not path.is_dir() else path
        if (run / MODEL_NAME).is_file():
            return run
    if (bundled := bundled_run(model)) is not None:
        return bundled
    spec = read_model_file(resolve_model(model)).spec
    runs = [bundled_run(spec.name)] if spec.name in BUNDLED else []
    candidates = [*(f.parent for f in Path(folder).glob(f"*/{MODEL_NAME}")), *filter(None, runs)]
    fitting = [run for run in candidates if _is_origin(run, spec)]
    return max(fitting, key=lambda run: (run / MODEL_NAME).stat().st_mtime, default=None)


def _is_origin(run: Path, spec: ModelSpec) -> bool:
    try:
        origin = read_run(run).spec
    except (DataError, SpecError):
        return False
    same = (origin.name, origin.labels, origin.data_fingerprint)
    return same == (spec.name, spec.labels, spec.data_fingerprint)


def read_config(folder: Path) -> dict[str, object]:
    """Read a run's config.toml; empty if there is none.

    Raises:
        DataError: if it is no TOML.
    """
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib

    path = folder / CONFIG_NAME
    try:
        return tomllib.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    except ValueError as error:
        raise DataError(f"{display_path(path)} is not valid TOML: {error}.") from error


def _read_metrics(path: Path) -> dict[str, dict[str, float] | float]:
    """Figures by split, beside single ones such as the best epoch."""
    try:
        recorded = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    except ValueError as error:
        raise DataError(f"{display_path(path)} is not valid JSON: {error}. Train again.") from error
    if not isinstance(recorded, dict):
        raise DataError(f"{display_path(path)} should hold figures by split. Train again.")
    return recorded


def is_run_folder(path: str | os.PathLike[str]) -> bool:
    """Whether a path is that of a run folder, by the files in it."""
    folder = Path(path)
    bundled = (folder / SPEC_NAME, folder / PREDICTIONS_NAME)
    return (folder / SPLIT_NAME).is_file() or all(p.is_file() for p in bundled)


def list_data(data: str | os.PathLike[str], root: str | os.PathLike[str] = "") -> Listing:
    """List what a dataset names, or a run folder's own data as it was split.

    Args:
        data: A run folder, or what `list_dataset` takes.
        root: Folder that the paths of a manifest or run start from; default is the manifest's own,
            or where the run was trained from.

    Raises:
        DataError: if there is no such data, a table cannot be read, or the run's data is gone.
    """
    if not is_run_folder(data):
        return list_dataset(data, root)
    folder = Path(data)
    base = find_root(folder, root)
    if (folder / SPLIT_NAME).is_file():
        return list_dataset(folder / SPLIT_NAME, base)
    return list_predictions(folder / PREDICTIONS_NAME, base)


def find_root(folder: Path, root: str | os.PathLike[str] = "") -> Path:
    """Find the folder that the paths in a run's tables start from.

    Args:
        folder: The run folder; one without settings is taken for a dataset of its own.
        root: Where it is, if not where it was in training.

    Raises:
        DataError: if it is unknown, or no longer there.
    """
    table = SPLIT_NAME if (folder / SPLIT_NAME).is_file() else PREDICTIONS_NAME
    advice = f"The paths in {table} are relative to a folder: give it with --root."
    known = (folder / CONFIG_NAME).is_file()
    base = Path(root) if root else _recorded_root(read_config(folder)) if known else folder
    if base is None:
        raise DataError(f"{display_path(folder)} does not say where its data is. {advice}")
    if not base.is_dir():
        raise DataError(
            f"The data of {display_path(folder)} should be in {display_path(base)}, which does "
            f"not exist. {advice}"
        )
    return base


def _recorded_root(config: Mapping[str, object]) -> Path | None:
    """Folder that the paths in a run's tables start from, as its settings say; None if not."""
    data, root = str(config.get("data", "")), str(config.get("root", ""))
    return root_of(data, root) if data or root else None


def root_of(data: str, root: str = "") -> Path:
    """Folder that the paths in the tables of a run on some data start from.

    Args:
        data: Dataset that was trained on; of a manifest that is gone the folder still counts.
        root: Folder that the paths of a manifest start from, if not its own.

    Example:
        >>> root_of("lists/falls.csv").as_posix(), root_of("lists/falls.csv", "/clips").name
        ('lists', 'clips')
    """
    path = Path(data)
    is_table = path.is_file() or (path.suffix.lower() == ".csv" and not path.is_dir())
    return Path(root) if root else path.parent if is_table else path
