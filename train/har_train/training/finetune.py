"""Stage 2: train the top blocks of the backbone together with the head, in one of two ways.

From maps: the backbone is cut below its top blocks. The bottom never changes, so every view of
every frame goes through it once; its maps lie in the cache as float16 and are read from disk
batch by batch. Only the top runs in every epoch.

From pixels: every epoch draws new views of the frames, at the size of the model or below, and
runs the whole backbone. Slower, and better where the data is small.

All parts share their layers with the backbone that they were made from: what they learn, it
has learned.
"""

from __future__ import annotations

import contextlib
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from har_edge.errors import DataError
from har_edge.model.spec import ClipSpec
from har_train.config import FitConfig
from har_train.dataset.samples import Sample
from har_train.features.augment import Augmentation, augment_colour
from har_train.features.cache import CachedSample, Fill, View, cache_dataset, fill_folder
from har_train.model.network import BACKBONES, backbone_of, import_keras
from har_train.training.loop import LoopSettings, Outcome, run_epochs
from har_train.training.windows import (
    Teacher,
    Windows,
    build_fresh_windows,
    build_map_windows,
    epoch_length,
    held_out_epoch,
    training_epoch,
)

# Share of all steps in which the learning rate rises.
WARM_UP = 0.1
# Some thousand steps are few: squares of gradients are averaged over 50 of them, not 1,000.
BETA_2 = 0.98
GRADIENT_NORM = 1.0


def fine_tune(
    encoder: Any,
    classifier: Any,
    train: Sequence[Sample],
    val: Sequence[Sample],
    labels: Sequence[str],
    config: FitConfig,
    *,
    clip: ClipSpec,
    views: Sequence[View],
    cache: Path,
    loop: LoopSettings,
    fill: Fill = fill_folder,
    teacher: Teacher | None = None,
    progress: Callable[[int, int], Callable[[int], object]] = lambda samples, classes: _uncounted,
    report: Callable[[int, Mapping[str, float]], object] = lambda epoch, logs: None,
) -> Outcome:
    """Train the top of the encoder and the classifier, both in place.

    Args:
        encoder: From `har_train.model.network.build_encoder`.
        classifier: Head from stage 1, trained.
        train, val: Readable samples.
        labels: Classes in order.
        config: Blocks, rates and everything else.
        clip: Preprocessing.
        views: Renderings of training samples, the original first.
        cache: Folder of the cache that the maps go to.
        loop: Settings of the loop.
        fill: As in `har_train.features.cache.encode_dataset`.
        teacher: From `har_train.training.teacher.load_teacher`, if there is one.
        progress: Given the numbers of samples and classes, returns a function that is called
            with 1 for every sample that is brought into the cache.
        report: As in `har_train.training.loop.run_epochs`.

    Returns:
        Figures by epoch; where no epoch was better, both parts are as they were.

    Raises:
        DataError: if the backbone has no such number of blocks.
        OutputError: if the cache or a checkpoint cannot be written.
    """
    first = first_layer_of_top(backbone_of(encoder), config)
    prepare = _from_pixels if config.fine_tune.fresh_views else _from_maps
    count = len(train) * (1 if config.fine_tune.fresh_views else len(views)) + len(val)
    tick = progress(count, len(labels))
    store = partial(cache_dataset, clip=clip, cache=cache, progress=tick, fill=fill)
    parts = prepare(encoder, classifier, (train, val), labels, config, clip, views, store)
    with _learning(encoder, first, classifier, config):
        steps = (
            epoch_length(parts.train, once_per_clip=config.fine_tune.fresh_views)
            / config.training.batch_size
        )

        def compile_model(model: Any) -> None:
            model.compile(
                optimizer=_optimizer(config, math.ceil(steps)),
                loss=import_keras().losses.CategoricalCrossentropy(
                    label_smoothing=config.training.label_smoothing
                ),
                weighted_metrics=["accuracy"],
            )

        compile_model(parts.model)
        return run_epochs(
            parts.model,
            lambda epoch: training_epoch(
                parts.train,
                config,
                epoch,
                once_per_clip=config.fine_tune.fresh_views,
                teacher=teacher,
            ),
            held_out_epoch(parts.val, config.training.batch_size),
            loop,
            judge=parts.judge,
            trained=True,
            compile_model=compile_model,
            report=report,
        )


def _uncounted(done: int) -> None:
    """Count nothing."""


@dataclass(frozen=True)
class _Parts:
    """What stage 2 trains and on what.

    Attributes:
        model: Network over the training windows.
        judge: Network of the same layers over the validation windows, where they are of
            another size.
        train, val: The windows.
    """

    model: Any
    judge: Any
    train: Windows
    val: Windows


def _from_maps(
    encoder: Any,
    classifier: Any,
    samples: tuple[Sequence[Sample], Sequence[Sample]],
    labels: Sequence[str],
    config: FitConfig,
    clip: ClipSpec,
    views: Sequence[View],
    store: Callable[..., list[CachedSample]],
) -> _Parts:
    """Train the top on cached maps of the bottom."""
    bottom, top = split_encoder(encoder, config)

    def maps(samples: Sequence[Sample], view: View) -> list[CachedSample]:
        return store(samples, bottom, view=view, half=True)

    train, val = samples
    return _Parts(
        model=join_encoder(top, classifier, config.window.num_frames),
        judge=None,
        train=build_map_windows([maps(train, view) for view in views], labels, config),
        val=build_map_windows([maps(val, View())], labels, config),
    )


def _from_pixels(
    encoder: Any,
    classifier: Any,
    samples: tuple[Sequence[Sample], Sequence[Sample]],
    labels: Sequence[str],
    config: FitConfig,
    clip: ClipSpec,
    views: Sequence[View],
    store: Callable[..., list[CachedSample]],
) -> _Parts:
    """Train the whole network on frames that every epoch draws anew."""
    train, val = (
        store(part, None, view=view) for part, view in zip(samples, (views[0], View()), strict=True)
    )
    size, frames = config.drawn_size, config.drawn_frames
    augmentation = views[0].augmentation
    small, drawn = replace(clip, height=size, width=size), config.with_(num_frames=frames)
    head = shortened_classifier(classifier, frames)
    return _Parts(
        model=join_encoder(resized_encoder(encoder, size), head, frames, augmentation),
        judge=join_encoder(encoder, classifier, config.window.num_frames),
        train=build_fresh_windows(train, labels, drawn, clip=small, augmentation=augmentation),
        # Side by side: overlapping windows would run the same frames through again.
        val=build_map_windows([val], labels, config.with_(window_stride=config.window.num_frames)),
    )


def resized_encoder(encoder: Any, size: int) -> Any:
    """Lay the layers of an encoder over frames of another size; all weights are shared.

    Returns:
        Keras model, (N, size, size, 3) pixels -> (N, D) features.
    """
    keras = import_keras()
    backbone = backbone_of(encoder)
    pixels = keras.Input((size, size, 3), name="frame")
    scaled = _before_backbone(encoder, backbone, pixels)
    over = keras.Input(scaled.shape[1:], name="scaled")
    network = _with_fixed_statistics(backbone, over)
    return keras.Model(pixels, encoder.layers[-1](network(scaled)))


def shortened_classifier(classifier: Any, num_frames: int) -> Any:
    """Lay the layers of a head over windows of another length; all weights are shared.

    Returns:
        Keras model, (N, num_frames, D) features -> (N, C) probabilities.
    """
    keras = import_keras()
    features = keras.Input((num_frames, classifier.input_shape[-1]), name="features")
    return keras.models.clone_model(
        classifier, input_tensors=features, clone_function=lambda layer: layer
    )


def _with_fixed_statistics(network: Any, inputs: Any) -> Any:
    """Lay a network's layers over other inputs, with batch norm in inference mode for good.

    Keras lets `training=True` of a whole model win over `training=False` of a part, so that the
    statistics of ImageNet would be lost to those of small batches.
    """
    keras = import_keras()

    class FixedStatistics(import_keras().layers.Layer):  # type: ignore[misc]
        def __init__(self, norm: Any) -> None:
            super().__init__(name=norm.name)
            self.norm = norm

        def call(self, x: Any, mask: Any = None) -> Any:
            return self.norm(x, training=False, mask=mask)

        # A distributed training learns on a copy of the network.
        def get_config(self) -> dict[str, Any]:
            return {"norm": keras.layers.serialize(self.norm)}

        @classmethod
        def from_config(cls, config: Mapping[str, Any]) -> Any:
            return cls(keras.layers.deserialize(config["norm"]))

    def shared(layer: Any) -> Any:
        is_norm = isinstance(layer, keras.layers.BatchNormalization)
        return FixedStatistics(layer) if is_norm else layer

    return keras.models.clone_model(network, input_tensors=inputs, clone_function=shared)


def _before_backbone(encoder: Any, backbone: Any, pixels: Any) -> Any:
    """Apply what the encoder does to pixels first: rescaling, where the backbone asks for it."""
    for layer in encoder.layers[1:]:
        if layer is backbone:
            break
        pixels = layer(pixels)
    return pixels


def split_encoder(encoder: Any, config: FitConfig) -> tuple[Any, Any]:
    """Cut the encoder below the top blocks of its backbone; all layers are shared.

    Returns:
        Bottom, (N, H, W, 3) pixels -> (N, h, w, d) maps, and top, maps -> (N, D) features.

    Raises:
        DataError: if the backbone has no such number of blocks.
    """
    keras = import_keras()
    backbone = backbone_of(encoder)
    first = first_layer_of_top(backbone, config)
    pixels = keras.Input(encoder.input_shape[1:], name="frame")
    x = _before_backbone(encoder, backbone, pixels)
    below = keras.Model(backbone.input, first.input, name="bottom")
    above = keras.Model(first.input, backbone.output)
    bottom = keras.Model(pixels, below(x, training=False), name="encode_bottom")
    maps = keras.Input(first.input.shape[1:], name="maps")
    features = encoder.layers[-1](_with_fixed_statistics(above, maps).output)
    return bottom, keras.Model(maps, features, name="encode_top")


def first_layer_of_top(backbone: Any, config: FitConfig) -> Any:
    """Find the first layer of the top blocks by the backbone's layer names.

    Raises:
        DataError: if there are fewer blocks.
    """
    pattern = re.compile(BACKBONES[config.backbone.name].block)
    first_of: dict[str, Any] = {}
    for layer in backbone.layers:
        match = pattern.match(layer.name)
        if match:
            first_of.setdefault(match.group(), layer)
    if config.fine_tune.blocks > len(first_of):
        raise DataError(
            f"fine_tune_blocks of {config.backbone.name} should be at most {len(first_of)}. "
            f"Received {config.fine_tune.blocks}. Give fewer."
        )
    return list(first_of.values())[-config.fine_tune.blocks]


def join_encoder(
    encoder: Any, classifier: Any, num_frames: int, augmentation: Augmentation | None = None
) -> Any:
    """Join an encoder, or its top, and the head: (N, T, h, w, d) pixels or maps -> (N, C)."""
    keras = import_keras()
    shape = encoder.input_shape[1:]
    clips = keras.Input((num_frames, *shape), name="clips")
    x = augment_colour(clips, augmentation) if augmentation else clips
    # All frames of all clips at once, which is faster than one instant after another.
    frames = keras.ops.reshape(x, (-1, *shape))  # (N T, h, w, d)
    features = keras.ops.reshape(encoder(frames), (-1, num_frames, encoder.output_shape[-1]))
    return keras.Model(clips, classifier(features), name="fine_tune")


@contextlib.contextmanager
def _learning(encoder: Any, first: Any, classifier: Any, config: FitConfig) -> Iterator[None]:
    """Let the backbone's layers from `first` on learn, and all compute as the config says.

    Batch norm learns its scale and shift.
    """
    backbone = backbone_of(encoder)
    top = backbone.layers[backbone.layers.index(first) :]
    policies = {layer: layer.dtype_policy for layer in [*backbone.layers, *classifier.layers]}
    try:
        for layer in top:
            layer.trainable = True
        if config.fine_tune.mixed_precision:
            for layer in policies:
                # Probabilities stay float32: their logarithm is taken.
                if layer is not classifier.layers[-1]:
                    layer.dtype_policy = "mixed_bfloat16"
        yield
    finally:
        for layer, policy in policies.items():
            layer.dtype_policy = policy
        for layer in top:
            layer.trainable = False


def _optimizer(config: FitConfig, steps: int) -> Any:
    """Make stage 2's optimizer: a cosine schedule with warm-up, and AdamW for short runs.

    Args:
        config: Epochs, highest rate, decay and average.
        steps: Of one epoch.
    """
    keras = import_keras()
    total = steps * config.fine_tune.epochs
    warm_up = max(1, round(total * WARM_UP))
    rate = keras.optimizers.schedules.CosineDecay(
        initial_learning_rate=config.fine_tune.rate / warm_up,
        decay_steps=max(1, total - warm_up),
        warmup_target=config.fine_tune.rate,
        warmup_steps=warm_up,
    )
    average = (
        {"use_ema": True, "ema_momentum": config.fine_tune.ema} if config.fine_tune.ema else {}
    )
    optimizer = keras.optimizers.AdamW(
        rate, config.training.weight_decay, beta_2=BETA_2, global_clipnorm=GRADIENT_NORM, **average
    )
    # Only kernels decay: pulling shifts and scales of batch norm to 0 would undo ImageNet's.
    optimizer.exclude_from_weight_decay(var_names=["bias", "beta", "gamma"])
    return optimizer
