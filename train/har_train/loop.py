"""The training loop: epochs that depend on the seed and their number alone, and checkpoints.

A checkpoint is written after every epoch and holds everything that the next one depends on:
weights, optimizer, best weights, history. Order, views and dropout of epoch e are drawn from
(seed, e). So a training that was killed goes on with the epoch it was in and ends as if
nothing had happened.
"""

from __future__ import annotations

import json
import os
import zipfile
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from har_edge.errors import DataError, OutputError
from har_edge.preprocess import display_path
from har_train.evaluate import best_temperature
from har_train.model import import_keras

Arrays = list[NDArray[Any]]
History = dict[str, list[float]]


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
    """

    epochs: int
    patience: int
    seed: int
    checkpoint: Path | None = None
    fingerprint: str = ""
    log_folder: Path | None = None


@dataclass
class _State:
    """Where the loop stands: the epochs done, and the best weights of them."""

    history: History = field(default_factory=dict)
    best_loss: float = np.inf
    best_epoch: int = -1
    best: Arrays = field(default_factory=list)

    @property
    def epoch(self) -> int:
        """Epochs done."""
        return len(self.history.get("val_loss", ()))


def run_epochs(
    model: Any,
    make_epoch: Callable[[int], Any],
    val: Any,
    settings: LoopSettings,
    *,
    judge: Any = None,
    trained: bool = False,
    report: Callable[[int, Mapping[str, float]], object] = lambda epoch, logs: None,
) -> History:
    """Train a compiled model; it keeps the weights with the lowest validation loss, tempered.

    Args:
        model: Compiled Keras model. An optimizer with an average of the weights (EMA) is
            validated by the average and goes on from the weights themselves.
        make_epoch: Gives the training dataset of an epoch, counted from 0; it must depend on
            nothing else.
        val: Validation dataset of inputs, targets and weights.
        settings: See there.
        judge: Model of the same layers that validation runs, where its input is of another size.
        trained: Whether the weights that the model comes with are worth keeping: they stay if no
            epoch is better.
        report: Called after each epoch with its number and figures.

    Returns:
        Figures by epoch.

    Raises:
        DataError: if the checkpoint is of another training.
        OutputError: if it cannot be written.
    """
    keras = import_keras()
    judge = judge or model
    model.optimizer.build(model.trainable_variables)
    state = _State(best=_weights(model))
    if settings.checkpoint is not None and settings.checkpoint.is_file():
        state = _load(settings, model)
    elif trained:
        state.best_loss = _judge(judge, val)["val_loss"]
    logger = _tensorboard(keras, settings)
    while state.epoch < settings.epochs:
        if state.epoch - state.best_epoch > settings.patience:
            break
        epoch = state.epoch
        logs = _run_epoch(
            keras, model, make_epoch(epoch), (judge, val), epoch, settings, logger, state
        )
        for key, value in logs.items():
            state.history.setdefault(key, []).append(value)
        if settings.checkpoint is not None:
            _save(settings, model, state)
        report(epoch, logs)
    model.set_weights(state.best)
    return state.history


def _run_epoch(
    keras: Any,
    model: Any,
    train: Any,
    held_out: tuple[Any, Any],
    epoch: int,
    settings: LoopSettings,
    logger: Sequence[Any],
    state: _State,
) -> dict[str, float]:
    """Train one epoch, validate, and keep the weights if they are the best so far."""
    _seed_layers(model, settings.seed, epoch)
    current: Arrays = []
    remember = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda number, logs: current.extend(_weights(model))
    )
    callbacks = [remember, *logger]
    # Not at once for all epochs: Keras would carry state from epoch to epoch that no checkpoint
    # holds. At its end the average of the weights, if there is one, takes their place.
    done = model.fit(
        train,
        initial_epoch=epoch,
        epochs=epoch + 1,
        verbose=0,
        shuffle=False,  # the dataset does it, seeded
        callbacks=callbacks,
    )
    logs = {key: float(values[-1]) for key, values in done.history.items()}
    logs |= _judge(*held_out)
    if logs["val_loss"] < state.best_loss:
        state.best_loss, state.best_epoch, state.best = logs["val_loss"], epoch, _weights(model)
    model.set_weights(current)
    return logs


def _judge(model: Any, val: Any) -> dict[str, float]:
    """Measure the model on held-out windows.

    The loss is the one at the temperature that suits the model, which is fitted after training
    anyway: smoothed labels and mixed pictures leave a model less sure than it could be, and that
    must not decide which epoch is best.
    """
    parts = []
    for i in range(len(val)):
        inputs, targets, weights = val[i]
        parts.append((np.asarray(model.predict_on_batch(inputs)), targets.argmax(axis=1), weights))
    probabilities, targets, weights = (np.concatenate(part) for part in zip(*parts, strict=True))
    right = probabilities.argmax(axis=1) == targets
    return {
        "val_loss": best_temperature(probabilities, targets, weights)[1],
        "val_accuracy": float(np.average(right, weights=weights)),
    }


def _weights(model: Any) -> Arrays:
    return [np.array(array) for array in model.get_weights()]


def _seed_layers(model: Any, seed: int, epoch: int) -> None:
    """Start the random layers from (seed, epoch), whatever ran before."""
    draws = np.random.default_rng((seed, epoch, 1))
    for variable in model.variables:
        if variable.name == "seed_generator_state":
            variable.assign(draws.integers(0, 2**31, 2))


def _tensorboard(keras: Any, settings: LoopSettings) -> list[Any]:
    if settings.log_folder is None:
        return []
    return [keras.callbacks.TensorBoard(str(settings.log_folder), write_graph=False)]


def _save(settings: LoopSettings, model: Any, state: _State) -> None:
    """Write a checkpoint so that a kill at any moment leaves the old or the new one."""
    assert settings.checkpoint is not None
    path = settings.checkpoint
    about = {
        "fingerprint": settings.fingerprint,
        "history": state.history,
        "best_loss": state.best_loss,
        "best_epoch": state.best_epoch,
    }
    arrays = {f"weight_{i}": a for i, a in enumerate(_weights(model))}
    arrays |= {f"best_{i}": a for i, a in enumerate(state.best)}
    variables = model.optimizer.variables
    arrays |= {f"optimizer_{i}": _to_numpy(v) for i, v in enumerate(variables)}
    partial = path.with_name(f"{path.name}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with partial.open("wb") as file:
            np.savez(file, about=np.array(json.dumps(about)), **arrays)  # type: ignore[arg-type]
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise OutputError(
            f"The checkpoint {display_path(path)} cannot be written: {error.strerror}. Make room "
            "and go on with --resume."
        ) from error


def _to_numpy(variable: Any) -> NDArray[Any]:
    from keras import ops

    return np.asarray(ops.convert_to_numpy(variable))


def _load(settings: LoopSettings, model: Any) -> _State:
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
    return _State(about["history"], about["best_loss"], about["best_epoch"], best)


def _numbered(arrays: Mapping[str, NDArray[Any]], prefix: str) -> Arrays:
    count = sum(name.startswith(prefix) for name in arrays)
    return [arrays[f"{prefix}{i}"] for i in range(count)]
