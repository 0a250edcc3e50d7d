"""Stage 1: the temporal head on cached features; and once more on those of a tuned backbone."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Literal

from har_train.model.network import import_keras
from har_train.model.types import KerasModel
from har_train.training.loop import Outcome, run_epochs
from har_train.training.stage import Stage
from har_train.training.windows import Windows, epoch_length, held_out_epoch, training_epoch


def train_head(
    classifier: KerasModel,
    windows: Mapping[str, Windows],
    stage: Stage,
    fingerprint: str,
    name: Literal["head", "head_again"] = "head",
) -> Outcome:
    """Train until the validation loss stops falling, or for all epochs with a falling rate.

    Args:
        classifier: The head, which is trained in place.
        windows: By split.
        stage: Settings, checkpoints, and who is told.
        fingerprint: Of the data, for the checkpoint.
        name: Of the checkpoint.
    """
    keras, config = import_keras(), stage.config.training
    steps = math.ceil(epoch_length(windows["train"]) / config.batch_size) * config.epochs

    def compile_model(model: KerasModel) -> None:
        rate = config.learning_rate
        if config.keep == "last":
            rate = keras.optimizers.schedules.CosineDecay(rate, steps)
        model.compile(
            optimizer=keras.optimizers.AdamW(rate, config.weight_decay),
            loss=keras.losses.CategoricalCrossentropy(label_smoothing=config.label_smoothing),
            weighted_metrics=["accuracy"],
        )

    compile_model(classifier)
    return run_epochs(
        classifier,
        lambda epoch: training_epoch(windows["train"], stage.config, epoch),
        held_out_epoch(windows["val"], 256),
        stage.loop(name, config.epochs, fingerprint),
        trained=name == "head_again",
        compile_model=compile_model,
    )


def train_head_again(
    classifier: KerasModel, windows: Mapping[str, Windows], stage: Stage, fingerprint: str
) -> Outcome:
    """Train the head a second time, see `train_head`.

    Because the head that learnt along with the backbone saw mixed, cut and coloured pictures; on
    the features of whole ones it comes out better.
    """
    stage.watch.say("\nTraining the head on the new features")
    outcome = train_head(classifier, windows, stage, fingerprint, name="head_again")
    if outcome.kept is None:
        stage.watch.say("No epoch was better on the validation part: the head stays as it was.")
    return outcome
