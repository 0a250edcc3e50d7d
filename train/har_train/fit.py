"""Stage 1: train the temporal head on cached features of a frozen backbone."""

from __future__ import annotations

import hashlib
import importlib.metadata
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from har_edge import __version__
from har_edge.clips import window_indices
from har_edge.errors import DataError
from har_edge.spec import ClipSpec, ModelSpec
from har_train.config import FitConfig, default_name
from har_train.data import (
    SPLITS,
    Sample,
    assign_splits,
    count_table,
    default_num_frames,
    load_dataset,
)
from har_train.evaluate import (
    SplitPredictions,
    choose_reject_threshold,
    fit_temperature,
    measure,
    tempered,
)
from har_train.features import EncodedSample, encode_dataset
from har_train.model import (
    backbone_name,
    build_classifier,
    build_encoder,
    import_keras,
    join_model,
)

Say = Callable[[str], object]


@dataclass(frozen=True)
class FitResult:
    """A trained model with everything that the run folder is written from.

    Attributes:
        config: Settings with all automatic ones filled in.
        spec: The model's description.
        model: Keras model, (N, T, H, W, 3) -> (N, C).
        history: Keras's history by epoch.
        samples: All readable samples with their splits.
        predictions: By split, tempered by `spec.temperature` as the edge gives them.
        metrics: By split, see `evaluate.measure`.
    """

    config: FitConfig
    spec: ModelSpec
    model: Any
    history: Mapping[str, Sequence[float]]
    samples: Sequence[Sample]
    predictions: Mapping[str, SplitPredictions]
    metrics: Mapping[str, Mapping[str, float]]

    @property
    def best_epoch(self) -> int:
        """Epoch, from 1, whose weights were kept."""
        return int(np.argmin(self.history["val_loss"])) + 1


@dataclass(frozen=True)
class _Windows:
    """The windows of one split: index rows into one matrix of all its frames' features."""

    features: NDArray[np.float32]  # (frames, D)
    rows: NDArray[np.intp]  # (M, T)
    targets: NDArray[np.intp]  # (M,)
    clip_of: NDArray[np.intp]  # (M,)
    first_frames: NDArray[np.intp]  # (M,)

    @property
    def weights(self) -> NDArray[np.float32]:
        """Weight of each window, (M,), mean 1: a long clip counts no more than a short one."""
        weights = 1 / np.bincount(self.clip_of)[self.clip_of]
        return np.asarray(weights / weights.mean(), dtype=np.float32)


def fit(
    config: FitConfig,
    *,
    cache: Path,
    say: Say = lambda line: None,
    progress: Callable[[int, int], Callable[[int], object]] | None = None,
) -> FitResult:
    """Train a model.

    Args:
        config: What and how.
        cache: Folder of the feature cache.
        say: Takes lines for the user.
        progress: Given the numbers of samples and classes, returns a function that is called
            with 1 for every encoded sample.

    Raises:
        DataError: if the dataset or the weights cannot be used.
    """
    keras = import_keras()
    keras.utils.set_random_seed(config.seed)
    _enable_determinism()
    samples = assign_splits(
        load_dataset(config.data, config.root),
        val_fraction=config.val_fraction,
        test_fraction=config.test_fraction,
        seed=config.seed,
    )
    labels = tuple(sorted({s.label for s in samples}))
    config = _complete(config, samples)
    say(count_table(samples))
    clip = ClipSpec(
        config.num_frames, config.frame_rate_hz, config.size, config.size, config.resize
    )
    encoder = build_encoder(clip, config)
    tick = progress(len(samples), len(labels)) if progress else lambda done: None
    encoded = encode_dataset(samples, encoder, clip, cache=cache, progress=tick, skipped=say)
    parts = {s: [e for e in encoded if e.sample.split == s] for s in SPLITS}
    for split, part in parts.items():
        missing = sorted(set(labels) - {e.sample.label for e in part})
        if missing:
            raise DataError(
                f"Without the unreadable files, '{split}' has no sample of {', '.join(missing)}. "
                "Replace these files and start again."
            )
    windows = {s: _windows(part, labels, config) for s, part in parts.items()}

    classifier = build_classifier(len(labels), encoder.output_shape[-1], config)
    history = _train_head(keras, classifier, windows["train"], windows["val"], config, say)
    raw = {s: _predict(classifier, windows[s], parts[s]) for s in SPLITS}
    temperature = fit_temperature(raw["val"])
    predictions = {s: tempered(p, temperature) for s, p in raw.items()}
    metrics = {s: _measure(raw[s], predictions[s], parts[s]) for s in SPLITS}
    spec = ModelSpec(
        name=config.name,
        labels=labels,
        clip=clip,
        feature_size=int(encoder.output_shape[-1]),
        backbone=backbone_name(config),
        temperature=temperature,
        reject_threshold=choose_reject_threshold(predictions["val"]),
        data_fingerprint=_fingerprint(parts["train"]),
        metrics={f"test_{k}": v for k, v in metrics["test"].items()},
        tool_versions={
            **tool_versions("keras", "tensorflow", "numpy"),
            "har-edge": __version__,
        },
        description=config.about.get("description", ""),
        license=config.about.get("license", ""),
    )
    # A fresh copy of the head, so that no optimizer state is saved with it.
    head = build_classifier(len(labels), spec.feature_size, config)
    head.set_weights(classifier.get_weights())
    model = join_model(encoder, head, clip)
    readable = [item.sample for item in encoded]
    return FitResult(config, spec, model, history, readable, predictions, metrics)


def _complete(config: FitConfig, samples: Sequence[Sample]) -> FitConfig:
    """Fill in the settings that depend on the data."""
    return replace(
        config,
        name=config.name or default_name(config.data),
        num_frames=config.num_frames or default_num_frames(samples),
    )


def _windows(part: Sequence[EncodedSample], labels: Sequence[str], config: FitConfig) -> _Windows:
    rows, targets, clip_of, first_frames, offset = [], [], [], [], 0
    for number, item in enumerate(part):
        count = len(item.features)
        indices = window_indices(count, config.num_frames, config.stride)
        rows.append(indices + offset)
        targets += [labels.index(item.sample.label)] * len(indices)
        clip_of += [number] * len(indices)
        # A short clip's window starts before its first frame, see `window_indices`.
        first_frames += list(indices[:, -1] - config.num_frames + 1)
        offset += count
    return _Windows(
        features=np.concatenate([item.features for item in part]),
        rows=np.concatenate(rows),
        targets=np.array(targets, dtype=np.intp),
        clip_of=np.array(clip_of, dtype=np.intp),
        first_frames=np.array(first_frames, dtype=np.intp),
    )


def _make_dataset(keras: Any, windows: _Windows, batch_size: int, seed: int) -> Any:
    """Build a Keras dataset that gathers windows batch by batch, reshuffled every epoch."""

    weights = windows.weights

    class WindowDataset(keras.utils.PyDataset):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__(workers=1)
            self._random = np.random.default_rng(seed)
            self._order = self._random.permutation(len(windows.rows))

        def __len__(self) -> int:
            return math.ceil(len(self._order) / batch_size)

        def __getitem__(self, index: int) -> tuple[NDArray[Any], ...]:
            chosen = self._order[index * batch_size : (index + 1) * batch_size]
            inputs = windows.features[windows.rows[chosen]]
            return inputs, windows.targets[chosen], weights[chosen]

        def on_epoch_end(self) -> None:
            self._random.shuffle(self._order)

    return WindowDataset()


def _train_head(
    keras: Any, classifier: Any, train: _Windows, val: _Windows, config: FitConfig, say: Say
) -> dict[str, list[float]]:
    """Train until the validation loss stops falling; the best weights stay."""

    def report(epoch: int, logs: Mapping[str, float]) -> None:
        say(
            f"epoch {epoch + 1:>3}/{config.epochs}  loss {logs['loss']:.4f}  accuracy "
            f"{logs['accuracy']:.1%}  val_loss {logs['val_loss']:.4f}  val_accuracy "
            f"{logs['val_accuracy']:.1%}"
        )

    classifier.compile(
        optimizer=keras.optimizers.AdamW(config.learning_rate, config.weight_decay),
        loss="sparse_categorical_crossentropy",
        weighted_metrics=["accuracy"],
    )
    history = classifier.fit(
        _make_dataset(keras, train, config.batch_size, config.seed),
        validation_data=_make_dataset(keras, val, 256, config.seed),
        epochs=config.epochs,
        verbose=0,
        shuffle=False,  # the dataset does it, seeded
        callbacks=[
            keras.callbacks.EarlyStopping(
                "val_loss", patience=config.patience, restore_best_weights=True
            ),
            keras.callbacks.LambdaCallback(on_epoch_end=report),
        ],
    )
    return {key: [float(v) for v in values] for key, values in history.history.items()}


def _predict(classifier: Any, windows: _Windows, part: Sequence[EncodedSample]) -> SplitPredictions:
    batches = np.array_split(windows.rows, max(1, len(windows.rows) // 256))
    outputs = [np.asarray(classifier.predict_on_batch(windows.features[b])) for b in batches]
    targets = np.zeros(len(part), dtype=np.intp)
    targets[windows.clip_of] = windows.targets
    return SplitPredictions(
        paths=[item.sample.path for item in part],
        targets=targets,
        probabilities=np.concatenate(outputs).astype(np.float32),
        clip_of=windows.clip_of,
        first_frames=windows.first_frames,
    )


def _measure(
    raw: SplitPredictions, final: SplitPredictions, part: Sequence[EncodedSample]
) -> dict[str, float]:
    """Figures of the tempered predictions, with the calibration before tempering."""
    groups = [item.sample.group for item in part]
    before = measure(raw)["window_calibration_error"]
    return {**measure(final, groups), "window_calibration_error_untempered": before}


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
