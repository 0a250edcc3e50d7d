"""Read a run folder, or one of the two that are bundled: all that conversion needs of it."""

from __future__ import annotations

import csv
import math
import os
import sys
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import numpy as np

from har_convert.calibration import load_calibration
from har_convert.clip import LabelledClip, thin
from har_edge.errors import DataError
from har_edge.model.file import BUNDLED, DEFAULT_MODEL
from har_edge.model.spec import ModelSpec
from har_edge.paths import display_path
from har_edge.sources.clips import load_frames

RUNS_FOLDER = Path("runs")
NEEDED = ("model.keras", "spec.json", "representative.npz")


@dataclass(frozen=True)
class HeldOut:
    """A clip of the run's held-out part: its file, where its windows start, its span in s."""

    path: Path
    label: str
    first_frames: tuple[int, ...]
    start_s: float = 0.0
    end_s: float = math.inf


@dataclass(frozen=True)
class Run:
    """A run folder.

    Attributes:
        folder: Where it is.
        spec: The trained model's spec.
        data_root: Folder that its held-out files are looked for in, if known.
        calibration: Dataset to calibrate on instead of the frames kept in the run.
        calibration_frames: Frames to calibrate on, about; 0 for all at hand.
    """

    folder: Path
    spec: ModelSpec
    data_root: Path | None
    calibration: Path | None = None
    calibration_frames: int = 0

    @property
    def model_path(self) -> Path:
        """The Keras model."""
        return self.folder / "model.keras"

    def representative(self) -> LabelledClip:
        """Read the frames and windows to calibrate on.

        Raises:
            DataError: if they are missing, damaged, or do not fit the model.
        """
        if self.calibration is not None:
            return load_calibration(self.calibration, self.spec, num_frames=self.calibration_frames)
        clip = self._kept_frames()
        windows = self.calibration_frames // self.spec.clip.num_frames
        return thin(clip, max(1, windows)) if self.calibration_frames else clip

    def _kept_frames(self) -> LabelledClip:
        path = self.folder / "representative.npz"
        try:
            with np.load(path, allow_pickle=False) as arrays:
                frames, windows = arrays["frames"], arrays["windows"]
        except (OSError, KeyError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
            raise DataError(
                f"{display_path(path)} cannot be read: {error}. Train again."
            ) from error
        clip = self.spec.clip
        if frames.dtype != np.uint8 or frames.shape[1:] != clip.frame_shape or not len(frames):
            raise DataError(
                f"{display_path(path)} should hold uint8 frames of shape (N, *{clip.frame_shape}). "
                f"Received {frames.shape}, {frames.dtype}."
            )
        fits = windows.ndim == 2 and windows.shape[1] == clip.num_frames and windows.size > 0
        if not fits or windows.min() < 0 or windows.max() >= len(frames):
            raise DataError(
                f"{display_path(path)} should hold windows of {clip.num_frames} frame numbers. "
                f"Received {windows.shape}."
            )
        return LabelledClip(frames, windows.astype(np.intp), "")

    def held_out(self, limit: int) -> list[HeldOut]:
        """List the held-out clips whose files are at hand, at most `limit`, evenly spread.

        Args:
            limit: 0 for all.
        """
        path = self.folder / "predictions.csv"
        if self.data_root is None or not path.is_file():
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
                HeldOut(self.data_root / name, group[0]["label"], _starts(group), start_s, end_s)
                for (name, start_s, end_s), group in (
                    (k, list(g)) for k, g in groupby(rows, _file_and_span)
                )
            ]
        except (TypeError, ValueError) as error:
            raise DataError(
                f"{display_path(path)} is damaged: first_frame, start_s and end_s should be "
                f"numbers ({error}). Train again."
            ) from error
        clips = [clip for clip in clips if clip.path.is_file()]
        if limit and len(clips) > limit:
            clips = [clips[i] for i in np.linspace(0, len(clips) - 1, limit).astype(int)]
        return clips


def _file_and_span(row: dict[str, str]) -> tuple[str, float, float]:
    """Tell clips apart: runs on spans of longer videos name the span, empty for open ends."""
    start, end = row.get("start_s"), row.get("end_s")
    return row["path"], float(start or 0), float(end or math.inf)


def _starts(rows: list[dict[str, str]]) -> tuple[int, ...]:
    return tuple(int(row["first_frame"]) for row in rows)


def iter_clips(run: Run, held_out: list[HeldOut]) -> Iterator[LabelledClip]:
    """Load the clips to verify on; without held-out files, windows of calibration frames.

    Both the Keras model and the converted one are run on what this yields.
    """
    for item in held_out:
        frames = load_frames(item.path, run.spec.clip, start_s=item.start_s, end_s=item.end_s)
        steps = np.arange(run.spec.clip.num_frames)
        windows = np.maximum(0, np.array(item.first_frames)[:, np.newaxis] + steps)
        yield LabelledClip(frames, windows, item.label)
    if not held_out:
        yield run.representative()


def find_run(name: str | os.PathLike[str] | None) -> Path:
    """Find the run to convert: the one named, else the newest under ./runs, else the bundled.

    Raises:
        DataError: if the one named is no run folder.
    """
    if isinstance(name, str) and name in BUNDLED and not Path(name).exists():
        return bundled_run(name)
    if name is not None:
        folder = Path(name)
        if folder.name == "model.keras" and folder.is_file():
            folder = folder.parent
        missing = [n for n in NEEDED if not (folder / n).is_file()]
        if missing:
            raise DataError(
                f"{display_path(folder)} is no run folder: {', '.join(missing)} missing. Give a "
                f"folder that har-train fit wrote, or one of {', '.join(BUNDLED)}."
            )
        return folder
    candidates = [p.parent for p in RUNS_FOLDER.glob("*/model.keras")]
    whole = [p for p in candidates if all((p / n).is_file() for n in NEEDED)]
    runs = [p for p in whole if p.suffix != ".partial"]  # of a training that still goes on
    return max(runs, key=lambda p: (p / "model.keras").stat().st_mtime, default=bundled_run())


def bundled_run(name: str = DEFAULT_MODEL) -> Path:
    """Folder of a bundled Keras model."""
    return Path(__file__).parent / "bundled" / name


def load_run(
    folder: Path,
    data: str | os.PathLike[str] | None = None,
    calibration: str | os.PathLike[str] | None = None,
    calibration_frames: int = 0,
) -> Run:
    """Read a run folder's spec.

    Args:
        folder: As `find_run` gives it.
        data: Folder to look for the held-out files in, instead of the one trained from.
        calibration: Dataset to calibrate on, instead of the run's own frames.
        calibration_frames: Frames to calibrate on; 0 for all at hand.

    Raises:
        DataError: if it cannot be read.
        SpecError: if its spec is broken.
    """
    try:
        spec = ModelSpec.from_json(
            (folder / "spec.json").read_bytes(), where=display_path(folder / "spec.json")
        )
    except OSError as error:
        raise DataError(f"{display_path(folder)}/spec.json: {error.strerror}.") from error
    if data is not None and not Path(data).is_dir():
        raise DataError(f"There is no data folder {display_path(data)}. Check --data.")
    if calibration is not None and not Path(calibration).exists():
        raise DataError(
            f"There is no calibration data {display_path(calibration)}. Check --calibration."
        )
    root = Path(data) if data is not None else _recorded_root(folder)
    kept = Path(calibration) if calibration is not None else None
    return Run(folder, spec, root, kept, calibration_frames)


def read_config(folder: Path) -> dict[str, object]:
    """Read a run's config.toml; empty if there is none."""
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib

    path = folder / "config.toml"
    try:
        return tomllib.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    except ValueError as error:
        raise DataError(f"{display_path(path)} is not valid TOML: {error}.") from error


def _recorded_root(folder: Path) -> Path | None:
    """Folder of the data that the run was trained from, if it says so and it still exists."""
    config = read_config(folder)
    root, data = str(config.get("root", "")), str(config.get("data", ""))
    if not (root or data):
        return None
    path = Path(root or data)
    path = path.parent if path.is_file() else path
    return path if path.is_dir() else None
