"""Stage 2: train the top blocks of the backbone together with the head.

The backbone is cut below its top blocks. The bottom never changes, so every view of every
frame goes through it once; its maps lie in the cache as float16 and are read from disk batch
by batch. Only the top runs in every epoch. Both parts share their layers with the backbone
they were cut from: what the top learns, the backbone has learned.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from har_edge.errors import DataError
from har_edge.spec import ClipSpec
from har_train.config import FitConfig
from har_train.data import Sample
from har_train.features import View, cache_dataset
from har_train.loop import History, LoopSettings, run_epochs
from har_train.model import BACKBONES, import_keras
from har_train.windows import build_map_windows, held_out_epoch, training_epoch

# Share of all steps in which the learning rate rises.
WARM_UP = 0.1


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
    start_loss: float,
    report: Callable[[int, Mapping[str, float]], object] = lambda epoch, logs: None,
) -> History:
    """Train the top of the encoder and the classifier, both in place.

    Args:
        encoder: From `har_train.model.build_encoder`.
        classifier: Head from stage 1, trained.
        train, val: Readable samples.
        labels: Classes in order.
        config: Blocks, rates and everything else.
        clip: Preprocessing.
        views: Renderings of training samples, the original first.
        cache: Folder of the cache that the maps go to.
        loop: Settings of the loop.
        start_loss: Validation loss of stage 1; its weights stay if none is better.
        report: As in `har_train.loop.run_epochs`.

    Returns:
        Figures by epoch.

    Raises:
        DataError: if the backbone has no such number of blocks.
        OutputError: if the cache or a checkpoint cannot be written.
    """
    bottom, top = split_encoder(encoder, config)

    def maps(samples: Sequence[Sample], view: View) -> Any:
        return cache_dataset(samples, bottom, clip, cache=cache, view=view, half=True)

    train_windows = build_map_windows([maps(train, view) for view in views], labels, config)
    val_windows = build_map_windows([maps(val, View())], labels, config)
    model = _join_top(top, classifier, config)
    steps = math.ceil(len(train_windows.rows) / config.batch_size)
    frozen = _set_trainable(top)
    _compile(model, config, steps)
    try:
        return run_epochs(
            model,
            lambda epoch: training_epoch(train_windows, config, epoch),
            held_out_epoch(val_windows, config.batch_size),
            loop,
            start_loss=start_loss,
            report=report,
        )
    finally:
        for layer in frozen:
            layer.trainable = False


def split_encoder(encoder: Any, config: FitConfig) -> tuple[Any, Any]:
    """Cut the encoder below the top blocks of its backbone; all layers are shared.

    Returns:
        Bottom, (N, H, W, 3) pixels -> (N, h, w, d) maps, and top, maps -> (N, D) features.

    Raises:
        DataError: if the backbone has no such number of blocks.
    """
    keras = import_keras()
    backbone = _backbone_of(keras, encoder)
    first = first_layer_of_top(backbone, config)
    pixels = keras.Input(encoder.input_shape[1:], name="frame")
    x = pixels
    for layer in encoder.layers[1:]:
        if layer is backbone:
            break
        x = layer(x)  # rescaling, where the backbone asks for it
    below = keras.Model(backbone.input, first.input, name="bottom")
    above = keras.Model(first.input, backbone.output, name="top")
    bottom = keras.Model(pixels, below(x, training=False), name="encode_bottom")
    maps = keras.Input(first.input.shape[1:], name="maps")
    # Batch norm in inference mode, as in the whole encoder.
    features = encoder.layers[-1](above(maps, training=False))
    return bottom, keras.Model(maps, features, name="encode_top")


def _backbone_of(keras: Any, encoder: Any) -> Any:
    return next(layer for layer in encoder.layers if isinstance(layer, keras.Model))


def first_layer_of_top(backbone: Any, config: FitConfig) -> Any:
    """Find the first layer of the top blocks by the backbone's layer names.

    Raises:
        DataError: if there are fewer blocks.
    """
    pattern = re.compile(BACKBONES[config.backbone].block)
    first_of: dict[str, Any] = {}
    for layer in backbone.layers:
        match = pattern.match(layer.name)
        if match:
            first_of.setdefault(match.group(), layer)
    if config.fine_tune_blocks > len(first_of):
        raise DataError(
            f"fine_tune_blocks of {config.backbone} should be at most {len(first_of)}. "
            f"Received {config.fine_tune_blocks}. Give fewer."
        )
    return list(first_of.values())[-config.fine_tune_blocks]


def _join_top(top: Any, classifier: Any, config: FitConfig) -> Any:
    """Join top and head for training: (N, T, h, w, d) maps -> (N, C)."""
    keras = import_keras()
    shape = top.input_shape[1:]
    maps = keras.Input((config.num_frames, *shape), name="maps")
    # All frames of all clips at once, which is faster than one instant after another.
    frames = keras.ops.reshape(maps, (-1, *shape))  # (N T, h, w, d)
    features = keras.ops.reshape(top(frames), (-1, config.num_frames, top.output_shape[-1]))
    return keras.Model(maps, classifier(features), name="fine_tune")


def _set_trainable(top: Any) -> list[Any]:
    """Let the top's layers learn, batch norm excepted; return them."""
    keras = import_keras()
    above = _backbone_of(keras, top)
    layers = [
        layer
        for layer in above.layers
        if layer.weights and not isinstance(layer, keras.layers.BatchNormalization)
    ]
    for layer in layers:
        layer.trainable = True
    return layers


def _compile(model: Any, config: FitConfig, steps: int) -> None:
    keras = import_keras()
    total = steps * config.fine_tune_epochs
    warm_up = max(1, round(total * WARM_UP))
    rate = keras.optimizers.schedules.CosineDecay(
        initial_learning_rate=config.fine_tune_rate / warm_up,
        decay_steps=max(1, total - warm_up),
        warmup_target=config.fine_tune_rate,
        warmup_steps=warm_up,
    )
    average = {"use_ema": True, "ema_momentum": config.ema} if config.ema else {}
    model.compile(
        optimizer=keras.optimizers.AdamW(rate, config.weight_decay, **average),
        loss=keras.losses.CategoricalCrossentropy(label_smoothing=config.label_smoothing),
        weighted_metrics=["accuracy"],
    )
