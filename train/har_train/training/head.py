"""Stage 1: the temporal head on cached features."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Literal

from har_train.model.network import (
    import_keras,
)
from har_train.training.encoded import _Encoded
from har_train.training.loop import Outcome, run_epochs
from har_train.training.stage import _Stage
from har_train.training.windows import (
    Windows,
    epoch_length,
    held_out_epoch,
    training_epoch,
)


def _train_head(
    classifier: Any,
    windows: Mapping[str, Windows],
    stage: _Stage,
    encoded: _Encoded,
    name: Literal["head", "head_again"] = "head",
) -> Outcome:
    """Train until the validation loss stops falling, or for all epochs with a falling rate.

    A second time because the head that learnt along with the backbone saw mixed, cut and
    coloured pictures; on the features of whole ones it comes out better.
    """
    keras, config = import_keras(), stage.config
    steps = (
        math.ceil(epoch_length(windows["train"]) / config.training.batch_size)
        * config.training.epochs
    )

    def compile_model(model: Any) -> None:
        rate = config.training.learning_rate
        if config.training.keep == "last":
            rate = keras.optimizers.schedules.CosineDecay(rate, steps)
        model.compile(
            optimizer=keras.optimizers.AdamW(rate, config.training.weight_decay),
            loss=keras.losses.CategoricalCrossentropy(
                label_smoothing=config.training.label_smoothing
            ),
            weighted_metrics=["accuracy"],
        )

    compile_model(classifier)
    return run_epochs(
        classifier,
        lambda epoch: training_epoch(windows["train"], config, epoch),
        held_out_epoch(windows["val"], 256),
        stage.loop(name, config.training.epochs, encoded.fingerprint),
        trained=name == "head_again",
        compile_model=compile_model,
        report=stage.reporter(config.training.epochs),
    )


def _train_head_again(
    classifier: Any, windows: Mapping[str, Windows], stage: _Stage, encoded: _Encoded
) -> Outcome:
    stage.say("\nTraining the head on the new features")
    outcome = _train_head(classifier, windows, stage, encoded, name="head_again")
    if outcome.kept is None:
        stage.say("No epoch was better on the validation part: the head stays as it was.")
    return outcome
