"""Training: the temporal head on cached features, then, if asked for, the backbone's top too."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from har_train.config import FitConfig, default_name
from har_train.dataset.samples import (
    SPLITS,
    Sample,
    assign_splits,
    beside_answers,
    count_table,
    default_num_frames,
    load_dataset,
    without_held_out,
)
from har_train.features.cache import Fill, fill_folder
from har_train.model.network import (
    backbone_of,
    build_classifier,
    build_encoder,
    import_keras,
    narrow_classifier,
)
from har_train.training.distribute import Distribution
from har_train.training.encoded import (
    _encode,
    _Encoded,
    _silent,
    _windows,
    predict_windows,
    training_views,
)
from har_train.training.finetune import fine_tune, first_layer_of_top
from har_train.training.head import _train_head, _train_head_again
from har_train.training.loop import Outcome
from har_train.training.result import FitResult, _result
from har_train.training.stage import Say, Tick, _Stage
from har_train.training.teacher import load_teacher
from har_train.training.windows import (
    Teacher,
)


def fit(
    config: FitConfig,
    *,
    cache: Path,
    checkpoints: Path | None = None,
    log_folder: Path | None = None,
    say: Say = lambda line: None,
    progress: Callable[[int, int], Tick] | None = None,
    epoch_progress: Callable[[int], Tick] | None = None,
    fill: Fill = fill_folder,
    distribution: Distribution | None = None,
) -> FitResult:
    """Train a model.

    Args:
        config: What and how.
        cache: Folder of the feature cache.
        checkpoints: Folder to write checkpoints to, and to go on from; None for neither.
        log_folder: Folder for TensorBoard's logs, or None.
        say: Takes lines for the user.
        progress: Given the numbers of samples and classes, returns a function that is called
            with 1 for every sample that is encoded, or read once more for stage 2.
        epoch_progress: Given the most epochs of a stage, returns a function that is called with
            1 after each.
        fill: What encodes samples: this process, or workers (`har_train.features.workers`).
        distribution: Devices or machines that train together (`har_train.training.distribute`).

    Raises:
        DataError: if the dataset, the weights or a checkpoint cannot be used.
        OutputError: if the cache or a checkpoint cannot be written.
    """
    keras = import_keras()
    keras.utils.set_random_seed(config.training.seed)
    if config.training.deterministic:
        _enable_determinism()
    asked, beside = beside_answers(
        load_dataset(config.data.path, config.data.root), config.data.labels
    )
    asked = assign_splits(
        asked,
        val_fraction=config.data.val_fraction,
        test_fraction=config.data.test_fraction,
        seed=config.training.seed,
    )
    config = _complete(config, asked)
    samples = [*asked, *without_held_out(beside, asked)]
    say(count_table(samples))
    stage = _Stage(
        config, cache, checkpoints, log_folder, say, progress, epoch_progress, fill, distribution
    )
    encoder = build_encoder(stage.clip, config)
    if config.fine_tune.blocks:
        # Before anything is encoded: the backbone may have fewer.
        first_layer_of_top(backbone_of(encoder), config)
    encoded = _encode(samples, encoder, stage)
    # Before anything is trained: it may not fit.
    teacher = load_teacher(config, encoded.labels)
    classifier = build_classifier(len(encoded.labels), encoder.output_shape[-1], config)
    windows = _windows(encoded, config)
    stages = [_train_head(classifier, windows, stage, encoded)]
    if config.fine_tune.blocks:
        stages.append(_fine_tune(encoder, classifier, encoded, stage, teacher))
        if stages[-1].kept is None:
            say("No epoch was better on the validation part: backbone and head stay as they were.")
        else:
            # Once more through the whole network: what is recorded is what the saved model says.
            encoded = _encode(samples, encoder, replace(stage, say=_silent), views=0)
            windows = _windows(encoded, config)
            stages.append(_train_head_again(classifier, windows, stage, encoded))
    # A fresh copy of the head, so that no optimizer state is saved with it.
    head = narrow_classifier(classifier, len(encoded.answers), config)
    judged = encoded.answered
    if judged is not encoded:
        windows = _windows(judged, config)
    predictions = {s: predict_windows(head, windows[s], judged.parts[s][0]) for s in SPLITS}
    return _result(config, stage.clip, encoder, head, encoded, stages, predictions)


def _complete(config: FitConfig, samples: Sequence[Sample]) -> FitConfig:
    """Fill in the settings that depend on the data."""
    return config.with_(
        name=config.data.name or default_name(config.data.path),
        num_frames=config.window.num_frames or default_num_frames(samples),
    )


def _fine_tune(
    encoder: Any, classifier: Any, encoded: _Encoded, stage: _Stage, teacher: Teacher | None
) -> Outcome:
    """Train the top of the backbone and the head on cached maps of the bottom."""
    config = stage.config
    samples = {s: [item.sample for item in encoded.parts[s][0]] for s in ("train", "val")}
    # Seen one frame at a time, a still needs no path; else frames are to be neighbours on it.
    drawn = config.with_(num_frames=1) if config.drawn_frames == 1 else config
    stage.say(f"\nFine-tuning the top {config.fine_tune.blocks} blocks of {config.backbone.name}")
    return fine_tune(
        encoder,
        classifier,
        samples["train"],
        samples["val"],
        encoded.labels,
        config,
        clip=stage.clip,
        views=training_views(drawn, config.augment.views),
        cache=stage.cache,
        fill=stage.fill,
        teacher=teacher,
        loop=stage.loop("fine_tune", config.fine_tune.epochs, encoded.fingerprint),
        progress=stage.ticker,
        report=stage.reporter(config.fine_tune.epochs),
    )


def _enable_determinism() -> None:
    """Make TensorFlow's ops repeatable, where TensorFlow is the backend."""
    import keras

    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        tf.config.experimental.enable_op_determinism()
