"""Stage 2: train the top blocks of the backbone together with the head, in one of two ways.

From maps: the backbone is cut below its top blocks. The bottom never changes, so every view of
every frame goes through it once; its maps lie in the cache as float16 and are read from disk
batch by batch. Only the top runs in every epoch.

From pixels: every epoch draws new views of the frames, at the size of the model or below, and
runs the whole backbone. Slower, and better where the data is small.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from har_edge.counted import counted
from har_edge.datasets import Sample
from har_train.config import FitConfig
from har_train.features.cache import CachedSample, Rendering, View, cache_dataset
from har_train.features.person_boxes import Box, find_people
from har_train.model.network import backbone_of, import_keras
from har_train.model.types import KerasModel, Layer, Optimizer
from har_train.training.loop import Outcome, run_epochs
from har_train.training.parts import (
    first_layer_of_top,
    join_encoder,
    resized_encoder,
    shortened_classifier,
    split_encoder,
)
from har_train.training.stage import Learnt, Network, Stage, training_views
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
    network: Network, learnt: Learnt, stage: Stage, teacher: Teacher | None = None
) -> Outcome:
    """Train the top of the encoder and the classifier, both in place.

    Args:
        network: The encoder, and the head from stage 1, trained.
        learnt: What from.
        stage: Settings, cache, and who is told.
        teacher: From `har_train.training.teacher.load_teacher`, if there is one.

    Returns:
        Figures by epoch; where no epoch was better, both parts are as they were.

    Raises:
        DataError: if the backbone has no such number of blocks.
        OutputError: if the cache or a checkpoint cannot be written.
    """
    config, tune = stage.config, stage.config.fine_tune
    first = first_layer_of_top(backbone_of(network.encoder), config)
    parts = (_from_pixels if tune.fresh_views else _from_maps)(network, learnt, stage)
    with _learning(network, first, config):
        length = epoch_length(parts.train, once_per_clip=tune.fresh_views)
        compile_model = partial(
            _compile, config=config, steps=math.ceil(length / config.training.batch_size)
        )
        compile_model(parts.model)
        return run_epochs(
            parts.model,
            lambda epoch: training_epoch(
                parts.train, config, epoch, once_per_clip=tune.fresh_views, teacher=teacher
            ),
            held_out_epoch(parts.val, config.training.batch_size),
            stage.loop("fine_tune", tune.epochs, learnt.fingerprint),
            judge=parts.judge,
            trained=True,
            compile_model=compile_model,
        )


@dataclass(frozen=True)
class _Parts:
    """What stage 2 trains and on what.

    Attributes:
        model: Network over the training windows.
        judge: Network of the same layers over the validation windows, where they are of
            another size.
        train, val: The windows.
    """

    model: KerasModel
    judge: KerasModel | None
    train: Windows
    val: Windows


def _from_maps(network: Network, learnt: Learnt, stage: Stage) -> _Parts:
    """Train the top on cached maps of the bottom."""
    config = stage.config
    bottom, top = split_encoder(network.encoder, config)
    views = _drawn_views(config)
    store = _store(stage, len(learnt.train) * len(views) + len(learnt.val), learnt)

    def maps(samples: Sequence[Sample], view: View) -> list[CachedSample]:
        return store(samples, bottom, Rendering(stage.clip, view, half=True))

    train = [maps(learnt.train, view) for view in views]
    return _Parts(
        model=join_encoder(top, network.classifier, config.window.num_frames),
        judge=None,
        train=build_map_windows(train, learnt.labels, config),
        val=build_map_windows([maps(learnt.val, View())], learnt.labels, config),
    )


def _from_pixels(network: Network, learnt: Learnt, stage: Stage) -> _Parts:
    """Train the whole network on frames that every epoch draws anew."""
    config, labels = stage.config, learnt.labels
    store = _store(stage, len(learnt.train) + len(learnt.val), learnt)
    view = _drawn_views(config)[0]
    train = store(learnt.train, None, Rendering(stage.clip, view))
    val = store(learnt.val, None, Rendering(stage.clip))
    people = _people(train, stage)
    size, frames, num_frames = config.drawn_size, config.drawn_frames, config.window.num_frames
    small, augmentation = replace(stage.clip, height=size, width=size), view.augmentation
    head = shortened_classifier(network.classifier, frames)
    # Side by side: overlapping windows would run the same frames through again.
    apart, drawn = config.with_(window_stride=num_frames), config.with_(num_frames=frames)
    return _Parts(
        model=join_encoder(resized_encoder(network.encoder, size), head, frames, augmentation),
        judge=join_encoder(network.encoder, network.classifier, num_frames),
        train=build_fresh_windows(
            train, labels, drawn, clip=small, augmentation=augmentation, people=people
        ),
        val=build_map_windows([val], labels, apart),
    )


def _people(train: Sequence[CachedSample], stage: Stage) -> Mapping[str, Box]:
    """Find the largest person of each sample, if views are to be drawn of people."""
    detector = stage.config.fine_tune.crop_people
    if not detector:
        return {}
    tick = stage.watch.samples(len(train), len({item.sample.label for item in train}))
    found = find_people(train, Path(detector), stage.cache, tick)
    stage.watch.say(
        f"{len(found)} of {counted(len(train), 'sample')} show a person to draw views of"
    )
    return found


def _drawn_views(config: FitConfig) -> list[View]:
    """List the renderings of training samples, the original first.

    Seen one frame at a time, a still needs no path; else frames are to be neighbours on it.
    """
    path_frames = 0 if config.drawn_frames == 1 else config.window.num_frames
    views = training_views(config, config.augment.views)
    return [replace(view, path_frames=path_frames) for view in views]


def _store(
    stage: Stage, count: int, learnt: Learnt
) -> Callable[[Sequence[Sample], KerasModel | None, Rendering], list[CachedSample]]:
    """Make what brings samples into the cache, and counts them."""
    tick = stage.watch.samples(count, len(learnt.labels))
    return partial(cache_dataset, cache=stage.cache, progress=tick, fill=stage.fill)


def _compile(model: KerasModel, config: FitConfig, steps: int) -> None:
    """Compile for epochs of so many steps."""
    model.compile(
        optimizer=_optimizer(config, steps),
        loss=import_keras().losses.CategoricalCrossentropy(
            label_smoothing=config.training.label_smoothing
        ),
        weighted_metrics=["accuracy"],
    )


@contextlib.contextmanager
def _learning(network: Network, first: Layer, config: FitConfig) -> Iterator[None]:
    """Let the backbone's layers from `first` on learn, and all compute as the config says.

    Batch norm learns its scale and shift.
    """
    backbone, classifier = backbone_of(network.encoder), network.classifier
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


def _optimizer(config: FitConfig, steps: int) -> Optimizer:
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
    optimizer: Optimizer = keras.optimizers.AdamW(
        rate, config.training.weight_decay, beta_2=BETA_2, global_clipnorm=GRADIENT_NORM, **average
    )
    # Only kernels decay: pulling shifts and scales of batch norm to 0 would undo ImageNet's.
    optimizer.exclude_from_weight_decay(var_names=["bias", "beta", "gamma"])
    return optimizer
