"""The run folder to convert, or one of the two that are bundled, and what it is compared on."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from har_convert.calibration import load_calibration
from har_convert.clip import NO_FRAMES, LabelledClip, thin
from har_edge.errors import DataError
from har_edge.model.file import BUNDLED, DEFAULT_MODEL
from har_edge.paths import display_path
from har_edge.pose_paths import sequence_of
from har_edge.recognition.track_samples import is_track, load_rows, passed_over
from har_edge.run_folder import (
    FRAMES_NAME,
    MODEL_NAME,
    SPEC_NAME,
    HeldOut,
    TrainedRun,
    bundled_folder,
    bundled_run,
    read_run,
)
from har_edge.say import Say
from har_edge.sources.clips import load_frames

RUNS_FOLDER = Path("runs")
NEEDED = (MODEL_NAME, SPEC_NAME, FRAMES_NAME)


@dataclass(frozen=True)
class Run(TrainedRun):
    """A run folder to convert.

    Attributes:
        data_root: Folder that its held-out files are looked for in, if known.
        calibration: Dataset to calibrate on instead of the frames kept in the run.
        calibration_frames: Frames to calibrate on, about; 0 for all at hand.
        calibration_root: Folder that the paths of `calibration` start from, if not its own.
    """

    data_root: Path | None = None
    calibration: Path | None = None
    calibration_frames: int = 0
    calibration_root: Path | None = None

    def representative(self, say: Say = lambda line: None) -> LabelledClip:
        """Read the frames and windows to calibrate on.

        Args:
            say: Takes a line about what cannot be used.

        Raises:
            DataError: if they are missing, damaged, or do not fit the model.
        """
        if self.calibration is not None:
            return load_calibration(
                self.calibration,
                self.spec,
                root=self.calibration_root or "",
                num_frames=self.calibration_frames,
                say=say,
            )
        clip = self._kept(say)
        windows = self.calibration_frames // self.spec.clip.num_frames
        return thin(clip, max(1, windows)) if self.calibration_frames else clip

    def _kept(self, say: Say) -> LabelledClip:
        """What the run keeps to calibrate on; of poses, else rows of its own training part."""
        if self.spec.encodes:
            return LabelledClip(*self.kept_frames(), "")
        if (self.folder / FRAMES_NAME).is_file():
            rows, windows = self.kept_rows()
            return LabelledClip(NO_FRAMES, windows, "", rows)
        return load_calibration(self.folder, self.spec, root=self.data_root or "", say=say)

    def held_out(self, limit: int, say: Say = lambda line: None) -> list[HeldOut]:
        """List the held-out clips whose files are at hand, at most `limit`, evenly spread.

        Args:
            limit: 0 for all.
            say: Takes a line about what cannot be used.

        Raises:
            DataError: if the table of them, or a pose set, is damaged.
        """
        clips = [] if self.data_root is None else self.held_out_files(self.data_root)
        if not self.spec.encodes:
            if count := passed_over(clip.path for clip in clips):
                say(f"skeletons in the held-out data are passed over: {count}")
            clips = [c for c in clips if sequence_of(c.path) is None or is_track(c.path)]
        if limit and len(clips) > limit:
            clips = [clips[i] for i in np.linspace(0, len(clips) - 1, limit).astype(int)]
        return clips


def iter_clips(run: Run, held_out: list[HeldOut]) -> Iterator[LabelledClip]:
    """Load the clips to verify on; without held-out files, windows of calibration frames.

    Both the Keras model and the converted one are run on what this yields.
    """
    spec = run.spec
    for item in held_out:
        steps = np.arange(spec.clip.num_frames)
        windows = np.maximum(0, np.array(item.first_frames)[:, np.newaxis] + steps)
        if spec.encodes:
            frames = load_frames(item.path, spec.clip, start_s=item.start_s, end_s=item.end_s)
            yield LabelledClip(frames, windows, item.label)
            continue
        rows = load_rows(item.path, spec)
        if windows.max() >= len(rows):
            raise DataError(
                f"{display_path(item.path)} should have {windows.max() + 1} frames at "
                f"{spec.clip.frame_rate_hz:g} Hz, as in training. Received {len(rows)}. Give "
                "--data with the files that were trained on, or train again."
            )
        yield LabelledClip(NO_FRAMES, windows, item.label, rows)
    if not held_out:
        yield run.representative()


def find_run(name: str | os.PathLike[str] | None) -> Path:
    """Find the run to convert: the one named, else the newest under ./runs, else the bundled.

    Raises:
        DataError: if the one named is no run folder.
        MissingExtraError: if the bundled one is asked for and not installed.
    """
    if isinstance(name, str) and not Path(name).exists() and (bundled := bundled_run(name)):
        return bundled
    if name is not None:
        folder = Path(name)
        if folder.name == "model.keras" and folder.is_file():
            folder = folder.parent
        missing = _missing(folder)
        if missing:
            raise DataError(
                f"{display_path(folder)} should be a run folder. It lacks {', '.join(missing)}. "
                f"Give a folder written by har-train fit, or one of {', '.join(BUNDLED)}."
            )
        return folder
    candidates = [p.parent for p in RUNS_FOLDER.glob("*/model.keras")]
    whole = [p for p in candidates if not _missing(p)]
    runs = [p for p in whole if p.suffix != ".partial"]  # of a training that still goes on
    newest = max(runs, key=lambda p: (p / "model.keras").stat().st_mtime, default=None)
    return newest or bundled_folder(DEFAULT_MODEL)


def _missing(folder: Path) -> list[str]:
    """Which files it lacks; one of poses need not keep what it is calibrated on."""
    missing = [name for name in NEEDED if not (folder / name).is_file()]
    return [] if missing == [FRAMES_NAME] and not read_run(folder).spec.encodes else missing


def load_run(
    folder: Path,
    data: str | os.PathLike[str] | None = None,
    calibration: str | os.PathLike[str] | None = None,
    calibration_frames: int = 0,
    calibration_root: str | os.PathLike[str] | None = None,
) -> Run:
    """Read a run folder's spec.

    Args:
        folder: As `find_run` gives it.
        data: Folder to look for the held-out files in, instead of the one trained from.
        calibration: Dataset to calibrate on, instead of the run's own frames.
        calibration_frames: Frames to calibrate on; 0 for all at hand.
        calibration_root: Folder that the paths of `calibration` start from, if not its own.

    Raises:
        DataError: if it cannot be read.
        SpecError: if its spec is broken.
    """
    trained = read_run(folder)
    if data is not None and not Path(data).is_dir():
        raise DataError(f"There is no data folder {display_path(data)}. Check --data.")
    if calibration is not None and not Path(calibration).exists():
        raise DataError(
            f"There is no calibration data {display_path(calibration)}. Check --calibration."
        )
    return Run(
        folder,
        trained.spec,
        Path(data) if data is not None else trained.recorded_root,
        Path(calibration) if calibration is not None else None,
        calibration_frames,
        Path(calibration_root) if calibration_root is not None else None,
    )
