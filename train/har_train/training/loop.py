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
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from har_edge.errors import DataError, OutputError
from har_edge.paths import display_path
from har_train.config import Keep
from har_train.model.network import import_keras
from har_train.reports.calibration import best_temperature
from har_train.training.distribute import Distribution

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
        distribution: Devices or machines that train together, or None for this process alone.
        keep: Epoch whose weights stay: the `best` by validation loss, or the `last`, which
            patience never stops short of.
    """

    epochs: int
    patience: int
    seed: int
    checkpoint: Path | None = None
    fingerprint: str = ""
    log_folder: Path | None = None
    distribution: Distribution | None = None
    keep: Keep = "best"

    @property
    def writes(self) -> bool:
        """Whether this process writes files."""
        return self.distribution is None or self.distribution.is_chief


@dataclass(frozen=True)
class Outcome:
    """What became of a training.

    Attributes:
        history: Figures by epoch.
        kept: Number of the epoch, from 0, whose weights stay; None for those that it began with.
    """

    history: History
    kept: int | None


def join_outcomes(outcomes: Sequence[Outcome]) -> tuple[History, int]:
    """Join the histories of trainings that follow each other.

    Returns:
        Figures by epoch, and the number of the epoch, from 1, whose weights stay in the end; 0 for
        none.
    """
    history: History = {}
    best_epoch = epochs_before = 0
    for outcome in outcomes:
        if outcome.kept is not None:
            best_epoch = epochs_before + outcome.kept + 1
        for key, values in outcome.history.items():
            history.setdefault(key, []).extend(values)
        epochs_before = len(history["val_loss"])
    return history, best_epoch


@dataclass
class _State:
    """Where the loop stands: the epochs done, and the weights of them to keep."""

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
    compile_model: Callable[[Any], object] | None = None,
    report: Callable[[int, Mapping[str, float]], object] = lambda epoch, logs: None,
) -> Outcome:
    """Train a compiled model; it keeps the weights that `settings.keep` says.

    The validation loss is the tempered one, see `_judge`.

    Args:
        model: Compiled Keras model. An optimizer with an average of the weights (EMA) is
            validated by the average and goes on from the weights themselves.
        make_epoch: Gives the training dataset of an epoch, counted from 0; it must depend on
            nothing else.
        val: Validation dataset of inputs, targets and weights.
        settings: See there.
        judge: Model of the same layers that validation runs, where its input is of another size.
        trained: Whether the weights that the model comes with are worth keeping: the best stay
            these if no epoch is better.
        compile_model: What the model was compiled by; for a distribution, which compiles a copy.
        report: Called after each epoch with its number and figures.

    Raises:
        DataError: if the checkpoint is of another training.
        OutputError: if it cannot be written.
    """
    keras = import_keras()
    judge = judge or model
    learner, run = _learner(keras, model, compile_model, settings)
    state = _State(best=_weights(learner))
    resumed = settings.checkpoint is not None and settings.checkpoint.is_file()
    if resumed:
        state = _load(settings, learner)
    if settings.distribution:
        settings.distribution.check_same(state.epoch)
    if trained and not resumed:
        state.best_loss = _judge(judge, val, settings)["val_loss"]
    while state.epoch < settings.epochs:
        if state.epoch - state.best_epoch > settings.patience:
            break
        epoch = state.epoch
        _seed_layers(learner, settings.seed, epoch)
        current, logs = run(make_epoch(epoch), epoch)
        # By now the average of the weights, if there is one, has taken their place.
        if learner is not model:
            model.set_weights(learner.get_weights())
        logs |= _judge(judge, val, settings)
        if settings.keep == "last" or logs["val_loss"] < state.best_loss:
            state.best_loss, state.best_epoch, state.best = logs["val_loss"], epoch, _weights(model)
        learner.set_weights(current)
        for key, value in logs.items():
            state.history.setdefault(key, []).append(value)
        if settings.checkpoint is not None and settings.writes:
            _save(settings, learner, state)
        report(epoch, logs)
    model.set_weights(state.best)
    return Outcome(state.history, None if state.best_epoch < 0 else state.best_epoch)


# Trains one epoch on a dataset, given its number; returns the weights that training goes on from,
# where the model is left with their average, and the figures.
RunEpoch = Callable[[Any, int], tuple[Arrays, dict[str, float]]]


def _learner(
    keras: Any,
    model: Any,
    compile_model: Callable[[Any], object] | None,
    settings: LoopSettings,
) -> tuple[Any, RunEpoch]:
    """Give what learns, the model or its copy on all devices, and what runs its epochs."""
    loggers = _tensorboard(keras, settings) if settings.writes else []
    if settings.distribution is None:
        model.optimizer.build(model.trainable_variables)
        return model, partial(_fit_epoch, keras, model, loggers)
    assert compile_model is not None
    copy = settings.distribution.copy(model, compile_model)
    learn = settings.distribution.make_epoch(copy)
    logger = keras.callbacks.CallbackList(loggers, model=copy)

    def run(train: Any, epoch: int) -> tuple[Arrays, dict[str, float]]:
        logger.on_train_begin()
        logger.on_epoch_begin(epoch)
        logs = learn(train)
        logger.on_epoch_end(epoch, dict(logs))
        logger.on_train_end()
        current = _weights(copy)
        copy.optimizer.finalize_variable_values(copy.trainable_variables)
        return current, logs

    return copy, run


def _fit_epoch(
    keras: Any, model: Any, loggers: Sequence[Any], train: Any, epoch: int
) -> tuple[Arrays, dict[str, float]]:
    current: Arrays = []
    remember = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda number, logs: current.extend(_weights(model))
    )
    # Not at once for all epochs: Keras would carry state from epoch to epoch that no checkpoint
    # holds. At its end the average of the weights, if there is one, takes their place.
    done = model.fit(
        train,
        initial_epoch=epoch,
        epochs=epoch + 1,
        verbose=0,
        shuffle=False,  # the dataset does it, seeded
        callbacks=[remember, *loggers],
    )
    return current, {key: float(values[-1]) for key, values in done.history.items()}


def _judge(model: Any, val: Any, settings: LoopSettings | None = None) -> dict[str, float]:
    """Measure the model on held-out windows; workers take the chief's word for it.

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
    figures = {
        "val_loss": best_temperature(probabilities, targets, weights)[1],
        "val_accuracy": float(np.average(right, weights=weights)),
    }
    together = settings.distribution if settings else None
    return together.agree(figures) if together else figures


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
