"""The training loop: epochs that depend on the seed and their number alone, and checkpoints.

A checkpoint is written after every epoch and holds everything that the next one depends on:
weights, optimizer, best weights, history. Order, views and dropout of epoch e are drawn from
(seed, e). So a training that was killed goes on with the epoch it was in and ends as if
nothing had happened.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from types import ModuleType

import numpy as np

from har_train.model.network import import_keras
from har_train.model.types import Batches, KerasModel
from har_train.reports.calibration import best_temperature
from har_train.training.checkpoint import (
    Arrays,
    History,
    LoopSettings,
    State,
    load_checkpoint,
    save_checkpoint,
    weights_of,
)


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


def run_epochs(
    model: KerasModel,
    make_epoch: Callable[[int], Batches],
    val: Batches,
    settings: LoopSettings,
    *,
    judge: KerasModel | None = None,
    trained: bool = False,
    compile_model: Callable[[KerasModel], object] | None = None,
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

    Raises:
        DataError: if the checkpoint is of another training.
        OutputError: if it cannot be written.
    """
    judge = judge or model
    learner, run = _learner(model, compile_model, settings)
    state = _start(settings, learner)
    if trained and not state.history:
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
            state.best_loss, state.best_epoch, state.best = (
                logs["val_loss"],
                epoch,
                weights_of(model),
            )
        learner.set_weights(current)
        for key, value in logs.items():
            state.history.setdefault(key, []).append(value)
        if settings.checkpoint is not None and settings.writes:
            save_checkpoint(settings, learner, state)
        settings.report(epoch, logs)
    model.set_weights(state.best)
    return Outcome(state.history, None if state.best_epoch < 0 else state.best_epoch)


def _start(settings: LoopSettings, learner: KerasModel) -> State:
    """Start anew, or go on from a checkpoint; all workers from the same epoch."""
    resumed = settings.checkpoint is not None and settings.checkpoint.is_file()
    state = load_checkpoint(settings, learner) if resumed else State(best=weights_of(learner))
    if settings.distribution:
        settings.distribution.check_same(state.epoch)
    return state


# Trains one epoch on a dataset, given its number; returns the weights that training goes on from,
# where the model is left with their average, and the figures.
RunEpoch = Callable[[Batches, int], tuple[Arrays, dict[str, float]]]


def _learner(
    model: KerasModel,
    compile_model: Callable[[KerasModel], object] | None,
    settings: LoopSettings,
) -> tuple[KerasModel, RunEpoch]:
    """Give what learns, the model or its copy on all devices, and what runs its epochs."""
    keras = import_keras()
    loggers = _tensorboard(keras, settings) if settings.writes else []
    if settings.distribution is None:
        model.optimizer.build(model.trainable_variables)
        return model, partial(_fit_epoch, keras, model, loggers)
    assert compile_model is not None
    copy = settings.distribution.copy(model, compile_model)
    learn = settings.distribution.make_epoch(copy)
    logger = keras.callbacks.CallbackList(loggers, model=copy)

    def run(train: Batches, epoch: int) -> tuple[Arrays, dict[str, float]]:
        logger.on_train_begin()
        logger.on_epoch_begin(epoch)
        logs = learn(train)
        logger.on_epoch_end(epoch, dict(logs))
        logger.on_train_end()
        current = weights_of(copy)
        copy.optimizer.finalize_variable_values(copy.trainable_variables)
        return current, logs

    return copy, run


def _fit_epoch(
    keras: ModuleType, model: KerasModel, loggers: Sequence[object], train: Batches, epoch: int
) -> tuple[Arrays, dict[str, float]]:
    current: Arrays = []
    remember = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda number, logs: current.extend(weights_of(model))
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


def _judge(
    model: KerasModel, val: Batches, settings: LoopSettings | None = None
) -> dict[str, float]:
    """Measure the model on held-out windows; workers take the chief's word for it.

    The loss is the one at the temperature that suits the model, which is fitted after training
    anyway: smoothed labels and mixed pictures leave a model less sure than it could be, and that
    must not decide which epoch is best.
    """
    parts = []
    for i in range(len(val)):
        inputs, targets, weights = val[i]
        parts.append((np.asarray(model.predict_on_batch(inputs)), targets.argmax(axis=1), weights))
    rows, classes, shares = zip(*parts, strict=True)
    probabilities, expected = np.concatenate(rows), np.concatenate(classes)
    weights = np.concatenate(shares)
    right = probabilities.argmax(axis=1) == expected
    figures = {
        "val_loss": best_temperature(probabilities, expected, weights)[1],
        "val_accuracy": float(np.average(right, weights=weights)),
    }
    together = settings.distribution if settings else None
    return together.agree(figures) if together else figures


def _seed_layers(model: KerasModel, seed: int, epoch: int) -> None:
    """Start the random layers from (seed, epoch), whatever ran before."""
    draws = np.random.default_rng((seed, epoch, 1))
    for variable in model.variables:
        if variable.name == "seed_generator_state":
            variable.assign(draws.integers(0, 2**31, 2))


def _tensorboard(keras: ModuleType, settings: LoopSettings) -> list[object]:
    if settings.log_folder is None:
        return []
    return [keras.callbacks.TensorBoard(str(settings.log_folder), write_graph=False)]
