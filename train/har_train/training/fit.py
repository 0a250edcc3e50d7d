"""Training: the temporal head on cached features, then, on request, the top of the backbone."""

from __future__ import annotations

from pathlib import Path

from har_edge.datasets import SPLITS, Sample
from har_edge.say import Say
from har_edge.silence import doing
from har_train.config import FitConfig, default_name
from har_train.dataset.samples import (
    assign_splits,
    beside_answers,
    check_kind,
    count_table,
    default_num_frames,
    load_dataset,
    without_held_out,
)
from har_train.features.cache import Fill, fill_folder
from har_train.features.poses import row_size_of
from har_train.model.network import (
    backbone_of,
    build_classifier,
    build_encoder,
    import_keras,
    narrow_classifier,
)
from har_train.model.types import KerasModel
from har_train.training.distribute import Distribution
from har_train.training.encoded import Encoded, encode_samples, predict_windows
from har_train.training.finetune import fine_tune
from har_train.training.head import train_head, train_head_again
from har_train.training.loop import Outcome
from har_train.training.parts import first_layer_of_top
from har_train.training.result import FitResult, describe
from har_train.training.stage import Network, Stage
from har_train.training.teacher import load_teacher
from har_train.training.unlabelled import label_unlabelled
from har_train.training.windows import Teacher
from har_train.watch import SILENT, Watch


def fit(
    config: FitConfig,
    *,
    cache: Path,
    checkpoints: Path | None = None,
    log_folder: Path | None = None,
    watch: Watch = SILENT,
    fill: Fill = fill_folder,
    distribution: Distribution | None = None,
) -> FitResult:
    """Train a model.

    Args:
        config: What and how.
        cache: Folder of the feature cache.
        checkpoints: Folder to write checkpoints to, and to go on from; None for neither.
        log_folder: Folder for TensorBoard's logs, or None.
        watch: Who is told how it goes.
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
    with doing("Reading the dataset"):
        config, samples = _split(config, watch.say)
    watch.say(count_table(samples))
    stage = Stage(config, cache, checkpoints, log_folder, watch, fill, distribution)
    if config.data.unlabelled:
        with doing("Labelling what has no label"):
            samples = [*samples, *label_unlabelled(samples, stage)]
    encoder = None if config.head.of_people else _build_encoder(stage)
    encoded = encode_samples(samples, encoder, stage)
    # Before anything is trained: it may not fit.
    teacher = load_teacher(config, encoded.labels)
    row_size = encoder.output_shape[-1] if encoder else row_size_of(config.head.of_people)
    classifier = build_classifier(len(encoded.labels), row_size, config)
    windows = encoded.windows(config)
    stages = [train_head(classifier, windows, stage, encoded.fingerprint)]
    if encoder and config.fine_tune.blocks:
        stages.append(_tune(Network(encoder, classifier), encoded, stage, teacher))
        if stages[-1].kept is not None:
            # Once more through the whole network: what is recorded is what the saved model says.
            encoded = encode_samples(samples, encoder, stage.quiet, views=0)
            windows = encoded.windows(config)
            stages.append(train_head_again(classifier, windows, stage, encoded.fingerprint))
    # A fresh copy of the head, so that no optimizer state is saved with it.
    head = narrow_classifier(classifier, len(encoded.answers), config)
    judged = encoded.answered
    if judged is not encoded:
        windows = judged.windows(config)
    with doing("Predicting"):
        predictions = {s: predict_windows(head, windows[s], judged.parts[s][0]) for s in SPLITS}
    return describe(encoder, head, encoded, stage, stages, predictions)


def _build_encoder(stage: Stage) -> KerasModel:
    with doing("Building the network"):
        encoder = build_encoder(stage.clip, stage.config)
    if stage.config.fine_tune.blocks:
        # Before anything is encoded: the backbone may have fewer.
        first_layer_of_top(backbone_of(encoder), stage.config)
    return encoder


def _split(config: FitConfig, say: Say) -> tuple[FitConfig, list[Sample]]:
    """Read the data; give it with its splits, and the settings that depend on it."""
    found = load_dataset(config.data.path, config.data.root, say)
    check_kind(found, poses=bool(config.head.of_people))
    asked, beside = beside_answers(found, config.data.labels)
    asked = assign_splits(
        asked,
        val_fraction=config.data.val_fraction,
        test_fraction=config.data.test_fraction,
        seed=config.training.seed,
    )
    config = config.with_(
        name=config.data.name or default_name(config.data.path),
        num_frames=config.window.num_frames or default_num_frames(asked),
    )
    return config, [*asked, *without_held_out(beside, asked)]


def _tune(network: Network, encoded: Encoded, stage: Stage, teacher: Teacher | None) -> Outcome:
    """Train the backbone's top, and say so."""
    tune, backbone = stage.config.fine_tune, stage.config.backbone
    stage.watch.say(f"\nFine-tuning the top {tune.blocks} blocks of {backbone.name}")
    tuned = fine_tune(network, encoded.learnt, stage, teacher)
    if tuned.kept is None:
        stage.watch.say(
            "No epoch was better on the validation part: backbone and head stay as they were."
        )
    return tuned


def _enable_determinism() -> None:
    """Make TensorFlow's ops repeatable, where TensorFlow is the backend."""
    import keras

    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        tf.config.experimental.enable_op_determinism()
