"""The temporal head uses the order of frames, where nothing else tells classes apart."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from har_edge.datasets import Sample
from har_train.config import FitConfig, Head
from har_train.features.cache import EncodedSample
from har_train.model.network import build_classifier
from har_train.training.checkpoint import LoopSettings
from har_train.training.loop import run_epochs
from har_train.training.windows import build_windows, held_out_epoch, training_epoch

pytest.importorskip("tensorflow")
pytestmark = pytest.mark.train

NUM_FRAMES, LABELS = 6, ("left", "right")


def square_clips(count: int, seed: int, *, shuffled: bool) -> list[EncodedSample]:
    """Squares that move left or right over 8 x 8 pixels; each clip is there in both orders.

    A clip of one class is a clip of the other played backwards, so that every single frame and
    every mean of frames is as likely in both. The features are the pixels.
    """
    random = np.random.default_rng(seed)
    samples = []
    for i in range(count):
        top, start = random.integers(0, 7), random.integers(0, 2)
        frames: NDArray[np.float32] = np.zeros((NUM_FRAMES, 8, 8), np.float32)
        for t in range(NUM_FRAMES):
            frames[t, top : top + 2, start + t : start + t + 2] = 1
        frames += random.normal(0, 0.1, frames.shape).astype(np.float32)
        for label, clip in (("right", frames), ("left", frames[::-1])):
            order = random.permutation(NUM_FRAMES) if shuffled else np.arange(NUM_FRAMES)
            features = clip[order].reshape(NUM_FRAMES, 64)
            samples.append(EncodedSample(Sample(Path(f"{label}{i}"), label, "g"), features, "0"))
    return samples


def accuracy(head: Head, *, train_shuffled: bool, val_shuffled: bool) -> float:
    """Train a head on squares and measure it on others."""
    import keras

    keras.utils.set_random_seed(0)
    config = FitConfig.of(
        data="d", num_frames=NUM_FRAMES, head=head, lstm_units=16, dense_units=(16,),
        feature_dropout=0.0, learning_rate=5e-3, batch_size=32,
    )  # fmt: skip
    train, val = (
        build_windows([square_clips(150, seed, shuffled=shuffled)], LABELS, config)
        for seed, shuffled in ((1, train_shuffled), (2, val_shuffled))
    )
    model: Any = build_classifier(2, 64, config)
    model.compile(keras.optimizers.AdamW(config.training.learning_rate), "categorical_crossentropy",
                  weighted_metrics=["accuracy"])  # fmt: skip
    settings = LoopSettings(epochs=12, patience=12, seed=0)
    val_set = held_out_epoch(val, 100)
    run_epochs(model, lambda epoch: training_epoch(train, config, epoch), val_set, settings)
    return float(model.evaluate(val_set, verbose=0, return_dict=True)["accuracy"])


@pytest.mark.parametrize(
    ("head", "train_shuffled", "val_shuffled", "least", "most"),
    [
        ("lstm", False, False, 0.95, 1.0),
        ("mean", False, False, 0.4, 0.6),
        ("lstm", True, True, 0.4, 0.6),  # without an order there is nothing to learn
        ("lstm", False, True, 0.4, 0.6),  # and what was learned is the order alone
    ],
)
def test_only_order_separates_the_classes(
    head: Head, train_shuffled: bool, val_shuffled: bool, least: float, most: float
) -> None:
    found = accuracy(head, train_shuffled=train_shuffled, val_shuffled=val_shuffled)
    assert least <= found <= most
