"""A run folder, all that a training leaves behind, read without TensorFlow."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from har_edge.errors import DataError
from har_edge.model.spec import ModelSpec
from har_edge.paths import display_path

MODEL_NAME = "model.keras"
SPEC_NAME = "spec.json"
CONFIG_NAME = "config.toml"
METRICS_NAME = "metrics.json"


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


def read_run(folder: str | os.PathLike[str]) -> TrainedRun:
    """Read what a run folder says of itself.

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
