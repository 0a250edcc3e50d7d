"""Where a training loop stands, and how it is kept: a checkpoint after every epoch."""

from __future__ import annotations

import json
import zipfile
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from har_edge.errors import DataError, OutputError
from har_edge.files import open_whole
from har_edge.paths import display_path
from har_train.config import Keep
from har_train.model.types import Array, KerasModel, Variable
from har_train.training.distribute import Distribution

Arrays = list[Array]
History = dict[str, list[float]]
# Takes the number of an epoch and its figures.
Report = Callable[[int, Mapping[str, float]], object]


def _unreported(epoch: int, logs: Mapping[str, float]) -> None:
    """Say nothing of an epoch."""


@dataclass(frozen=True)
class LoopSettings:
    """How long and in which steps.

    Attributes:
        epochs: Most epochs.
        patience: Epochs without a better validation loss before the loop stops.
        seed: Of dropout.
        checkpoint: File to go on from and to write after every epoch; None for neither.
        fingerprint: Names data and settings; a checkpoint of others is refused.
        log_folder: Folder for TensorBoard's logs, or None.
        distribution: Devices or machines that train together, or None for this process alone.
        keep: Epoch whose weights stay: the `best` by validation loss, or the `last`, which
            patience never stops short of.
        report: Called after each epoch with its number and figures.
    """

    epochs: int
    patience: int
    seed: int
    checkpoint: Path | None = None
    fingerprint: str = ""
    log_folder: Path | None = None
    distribution: Distribution | None = None
    keep: Keep = "best"
    report: Report = _unreported

    @property
    def writes(self) -> bool:
        """Whether this process writes files."""
        return self.distribution is None or self.distribution.is_chief


@dataclass
class State:
    """Where the loop stands: the epochs done, and the weights of them to keep."""

    history: History = field(default_factory=dict)
    best_loss: float = np.inf
    best_epoch: int = -1
    best: Arrays = field(default_factory=list)

    @property
    def epoch(self) -> int:
        """Epochs done."""
        return len(self.history.get("val_loss", ()))


def weights_of(model: KerasModel) -> Arrays:
    """Copy a model's weights."""
    return [np.array(array) for array in model.get_weights()]


def save_checkpoint(settings: LoopSettings, model: KerasModel, state: State) -> None:
    """Write a checkpoint so that a kill at any moment leaves the old or the new one."""
    assert settings.checkpoint is not None
    path = settings.checkpoint
    about = {
        "fingerprint": settings.fingerprint,
        "history": state.history,
        "best_loss": state.best_loss,
        "best_epoch": state.best_epoch,
    }
    arrays = {f"weight_{i}": a for i, a in enumerate(weights_of(model))}
    arrays |= {f"best_{i}": a for i, a in enumerate(state.best)}
    variables = model.optimizer.variables
    arrays |= {f"optimizer_{i}": _to_numpy(v) for i, v in enumerate(variables)}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open_whole(path) as file:
            np.savez(file, about=np.array(json.dumps(about)), **arrays)  # type: ignore[arg-type]
    except OSError as error:
        raise OutputError(
            f"The checkpoint {display_path(path)} cannot be written: {error.strerror}. Make room "
            "and go on with --resume."
        ) from error


def _to_numpy(variable: Variable) -> Array:
    from keras import ops

    return np.asarray(ops.convert_to_numpy(variable))


def load_checkpoint(settings: LoopSettings, model: KerasModel) -> State:
    assert settings.checkpoint is not None
    path = settings.checkpoint
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = dict(file)
        about = json.loads(str(arrays.pop("about")))
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise DataError(
            f"The checkpoint {display_path(path)} cannot be read: {error}. Remove it to train "
            "this stage from its start."
        ) from error
    if about["fingerprint"] != settings.fingerprint:
        raise DataError(
            f"The checkpoint {display_path(path)} should be of the same data and settings. "
            "Received others: files were added, changed or removed since. Restore them, or "
            "remove the checkpoint to train from the start."
        )
    model.set_weights(_numbered(arrays, "weight_"))
    saved = _numbered(arrays, "optimizer_")
    for variable, value in zip(model.optimizer.variables, saved, strict=True):
        variable.assign(value)
    best = _numbered(arrays, "best_")
    return State(about["history"], about["best_loss"], about["best_epoch"], best)


def _numbered(arrays: Mapping[str, Array], prefix: str) -> Arrays:
    count = sum(name.startswith(prefix) for name in arrays)
    return [arrays[f"{prefix}{i}"] for i in range(count)]
