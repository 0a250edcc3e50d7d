"""Training: the temporal head on cached features, then, if asked for, the backbone's top too."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from har_edge import __version__
from har_edge.errors import DataError
from har_edge.model.spec import ClipSpec, ModelSpec
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
from har_train.features.augment import Augmentation
from har_train.features.cache import EncodedSample, Fill, View, encode_dataset, fill_folder
from har_train.model.network import (
    backbone_name,
    backbone_of,
    build_classifier,
    build_encoder,
    import_keras,
    join_model,
    narrow_classifier,
)
from har_train.reports.metrics import (
    SplitPredictions,
    choose_reject_threshold,
    fit_temperature,
    measure_tempered,
    tempered,
)
from har_train.training.distribute import Distribution
from har_train.training.finetune import fine_tune, first_layer_of_top
from har_train.training.loop import LoopSettings, Outcome, join_outcomes, run_epochs
from har_train.training.teacher import load_teacher
from har_train.training.windows import (
    Teacher,
    Windows,
    build_windows,
    epoch_length,
    held_out_epoch,
    training_epoch,
)

Say = Callable[[str], object]
Tick = Callable[[int], object]
# Of the settings, those that say where things are and not what is trained.
PLACES = {"data", "root", "name", "about"}


@dataclass(frozen=True)
class FitResult:
    """A trained model with everything that the run folder is written from.

    Attributes:
        config: Settings with all automatic ones filled in.
        spec: The model's description.
        model: Keras model, (N, T, H, W, 3) -> (N, C).
        history: Keras's history by epoch, of all stages.
        best_epoch: Epoch, from 1, whose weights were kept; 0 where no loss was a number.
        samples: All readable samples of the model's labels with their splits.
        beside: The readable samples of other labels, see `DataConfig.labels`.
        left_out: The files that could not be decoded.
        predictions: By split, tempered by `spec.temperature` as the edge gives them.
        metrics: By split, see `evaluate.measure`.
    """

    config: FitConfig
    spec: ModelSpec
    model: Any
    history: Mapping[str, Sequence[float]]
    best_epoch: int
    samples: Sequence[Sample]
    beside: Sequence[Sample]
    left_out: Sequence[Path]
    predictions: Mapping[str, SplitPredictions]
    metrics: Mapping[str, Mapping[str, float]]


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


@dataclass(frozen=True)
class _Stage:
    """What both stages of training share."""

    config: FitConfig
    cache: Path
    checkpoints: Path | None
    log_folder: Path | None
    say: Say
    progress: Callable[[int, int], Tick] | None
    epoch_progress: Callable[[int], Tick] | None
    fill: Fill
    distribution: Distribution | None

    @property
    def clip(self) -> ClipSpec:
        window = self.config.window
        return ClipSpec(
            window.num_frames, window.frame_rate_hz, window.size, window.size, window.resize
        )

    def ticker(self, samples: int, classes: int) -> Tick:
        """Start to count samples that are read, or encoded."""
        return self.progress(samples, classes) if self.progress else lambda done: None

    def loop(self, name: str, epochs: int, fingerprint: str) -> LoopSettings:
        """Settings of the training loop of one stage."""
        settings = {k: v for k, v in self.config.flat().items() if k not in PLACES}
        text = json.dumps([fingerprint, settings], sort_keys=True)
        return LoopSettings(
            epochs=epochs,
            patience=self.config.training.patience,
            keep=self.config.training.keep,
            seed=self.config.training.seed,
            checkpoint=self.checkpoints / f"{name}.npz" if self.checkpoints else None,
            fingerprint=hashlib.sha256(text.encode()).hexdigest(),
            log_folder=self.log_folder / name if self.log_folder else None,
            distribution=self.distribution,
        )

    def reporter(self, epochs: int) -> Callable[[int, Mapping[str, float]], object]:
        """Tell the user of each epoch."""
        tick = self.epoch_progress(epochs) if self.epoch_progress else lambda done: None

        def report(epoch: int, logs: Mapping[str, float]) -> None:
            tick(1)
            self.say(
                f"epoch {epoch + 1:>3}/{epochs}  loss {logs['loss']:.4f}  accuracy "
                f"{logs['accuracy']:.1%}  val_loss {logs['val_loss']:.4f}  val_accuracy "
                f"{logs['val_accuracy']:.1%}"
            )

        return report


@dataclass(frozen=True)
class _Encoded:
    """All readable samples with their features, by split and view.

    Attributes:
        answers: Labels that the model answers with, in order.
        labels: These, then those learnt beside them.
    """

    answers: tuple[str, ...]
    labels: tuple[str, ...]
    samples: Sequence[Sample]
    left_out: Sequence[Path]
    parts: Mapping[str, Sequence[Sequence[EncodedSample]]]

    def views(self, split: str) -> Sequence[Sequence[EncodedSample]]:
        return self.parts[split]

    @property
    def answered(self) -> _Encoded:
        """What the model can answer right, which is what it is judged on."""
        if self.answers == self.labels:
            return self

        def only(items: Sequence[EncodedSample]) -> Sequence[EncodedSample]:
            return [item for item in items if item.sample.label in self.answers]

        return replace(
            self,
            labels=self.answers,
            samples=[s for s in self.samples if s.label in self.answers],
            parts={split: [only(view) for view in views] for split, views in self.parts.items()},
        )

    @property
    def fingerprint(self) -> str:
        """Of the content and labels of everything that training sees."""
        return _fingerprint([e for split in ("train", "val") for e in self.parts[split][0]])


def _complete(config: FitConfig, samples: Sequence[Sample]) -> FitConfig:
    """Fill in the settings that depend on the data."""
    return config.with_(
        name=config.data.name or default_name(config.data.path),
        num_frames=config.window.num_frames or default_num_frames(samples),
    )


def training_views(config: FitConfig, views: int) -> list[View]:
    """List the views of training samples: the original, then the augmented ones.

    A still among clips is a crop path in training. Held out it is one frame that the window
    repeats, for so the runner sees it.
    """
    augmentation = Augmentation(
        strength=config.augment.strength,
        flip=config.augment.flip,
        erase=config.augment.erase,
        seed=config.training.seed,
    )
    path_frames = config.window.num_frames if config.window.num_frames > 1 else 0
    return [View(number, augmentation, path_frames) for number in range(views + 1)]


def _encode(
    samples: Sequence[Sample], encoder: Any, stage: _Stage, views: int | None = None
) -> _Encoded:
    """Encode all samples, training samples in all views; name the unreadable ones."""
    config = stage.config
    labels = sorted({s.label for s in samples})
    answers = tuple(
        label for label in labels if not config.data.labels or label in config.data.labels
    )
    beside = tuple(label for label in labels if label not in answers)
    renderings = training_views(config, config.augment.views if views is None else views)
    by_split = {split: [s for s in samples if s.split == split] for split in SPLITS}
    total = len(samples) + len(by_split["train"]) * (len(renderings) - 1)
    tick = stage.ticker(total, len(labels))
    parts: dict[str, list[list[EncodedSample]]] = {}
    for split in SPLITS:
        parts[split] = []
        for view in renderings if split == "train" else [View()]:
            members = [e.sample for e in parts[split][0]] if view.number else by_split[split]
            found = encode_dataset(
                members, encoder, stage.clip, cache=stage.cache, view=view, progress=tick,
                skipped=stage.say, fill=stage.fill,
            )  # fmt: skip
            parts[split].append(found)
        missing = sorted(set(answers) - {item.sample.label for item in parts[split][0]})
        if missing:
            raise DataError(
                f"Without the unreadable files, '{split}' has no sample of {', '.join(missing)}. "
                "Replace or remove these files and start again."
            )
    readable = {item.sample for part in parts.values() for item in part[0]}
    left_out = sorted({s.path for s in samples if s not in readable})
    return _Encoded(
        answers, answers + beside, [s for s in samples if s in readable], left_out, parts
    )


def _silent(line: str) -> None:
    """Say nothing: the unreadable files were named before."""


def _windows(encoded: _Encoded, config: FitConfig) -> dict[str, Windows]:
    return {s: build_windows(encoded.views(s), encoded.labels, config) for s in SPLITS}


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


def _result(
    config: FitConfig,
    clip: ClipSpec,
    encoder: Any,
    head: Any,
    encoded: _Encoded,
    stages: Sequence[Outcome],
    raw: Mapping[str, SplitPredictions],
) -> FitResult:
    """Calibrate and measure the model, describe it and join its parts."""
    judged = encoded.answered
    temperature = fit_temperature(raw["val"])
    threshold = choose_reject_threshold(tempered(raw["val"], temperature))
    predictions, metrics = {}, {}
    for s in SPLITS:
        groups = [item.sample.group for item in judged.parts[s][0]]
        predictions[s], metrics[s] = measure_tempered(raw[s], temperature, threshold, groups)
    spec = ModelSpec(
        name=config.data.name,
        labels=judged.labels,
        clip=clip,
        feature_size=int(encoder.output_shape[-1]),
        backbone=backbone_name(config),
        temperature=temperature,
        reject_threshold=threshold,
        data_fingerprint=_fingerprint(encoded.parts["train"][0]),
        metrics={f"test_{k}": v for k, v in metrics["test"].items()},
        tool_versions={
            **tool_versions("keras", "tensorflow", "numpy"),
            "har-edge": __version__,
        },
        description=config.data.about.get("description", ""),
        license=config.data.about.get("license", ""),
    )
    model = join_model(encoder, head, clip)
    beside = [s for s in encoded.samples if s.label not in judged.labels]
    history, best_epoch = join_outcomes(stages)
    return FitResult(
        config, spec, model, history, best_epoch, judged.samples, beside, encoded.left_out,
        predictions, metrics,
    )  # fmt: skip


def predict_windows(
    classifier: Any, windows: Windows, part: Sequence[EncodedSample]
) -> SplitPredictions:
    """Classify windows with a Keras head.

    Args:
        classifier: (N, T, D) features -> (N, C) probabilities.
        windows: Of the samples' features, as they are.
        part: The samples in order.
    """
    batches = np.array_split(windows.rows, max(1, len(windows.rows) // 256))
    inputs = (windows.bank.gather(np.zeros(len(b), dtype=np.intp), b) for b in batches)
    outputs = [np.asarray(classifier.predict_on_batch(batch)) for batch in inputs]
    targets = np.zeros(len(part), dtype=np.intp)
    targets[windows.clip_of] = windows.targets
    return SplitPredictions(
        paths=[item.sample.path for item in part],
        targets=targets,
        probabilities=np.concatenate(outputs).astype(np.float32),
        clip_of=windows.clip_of,
        first_frames=windows.first_frames,
        spans=[item.sample.span for item in part],
    )


def _enable_determinism() -> None:
    """Make TensorFlow's ops repeatable, where TensorFlow is the backend."""
    import keras

    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        tf.config.experimental.enable_op_determinism()


def _fingerprint(part: Sequence[EncodedSample]) -> str:
    lines = sorted(f"{item.sha256} {item.sample.label}" for item in part)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def tool_versions(*distributions: str) -> dict[str, str]:
    """Versions of the distributions that are installed."""
    found = {}
    for name in distributions:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found
