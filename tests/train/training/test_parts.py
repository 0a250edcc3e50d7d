"""Networks that share the layers of another."""

from __future__ import annotations

import functools
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from har_edge.errors import DataError
from har_edge.model.spec import ClipSpec
from har_train.config import FitConfig
from har_train.model.backbones import BACKBONES
from har_train.model.network import (
    HEADS,
    build_classifier,
    build_encoder,
)
from har_train.training.parts import (
    first_layer_of_top,
    resized_encoder,
    shortened_classifier,
    split_encoder,
)

pytest.importorskip("tensorflow")
pytestmark = pytest.mark.train

CLIP = ClipSpec(1, 8.0, 32, 32)
FRAMES = np.random.default_rng(0).uniform(0, 255, (3, 32, 32, 3)).astype(np.float32)


def small(backbone: str, blocks: int) -> FitConfig:
    alphas = BACKBONES[backbone].alphas or (1.0,)
    return FitConfig.of(
        data="d", backbone=backbone, alpha=alphas[0], weights="none", fine_tune_blocks=blocks
    )


@functools.cache
def encoder_of(backbone: str) -> Any:
    """One encoder of each kind."""
    return build_encoder(CLIP, small(backbone, 1))


EACH_BACKBONE = [
    name
    if name in ("mobilenet_v2", "efficientnet-lite0")
    else pytest.param(name, marks=pytest.mark.slow)
    for name in BACKBONES
]


@pytest.mark.parametrize("backbone", EACH_BACKBONE)
@pytest.mark.parametrize("blocks", [1, 3])
def test_both_parts_make_the_whole(backbone: str, blocks: int) -> None:
    encoder = encoder_of(backbone)
    bottom, top = split_encoder(encoder, small(backbone, blocks))
    maps = bottom.predict_on_batch(FRAMES)
    assert maps.ndim == 4
    joined = top.predict_on_batch(maps)
    assert np.abs(joined - encoder.predict_on_batch(FRAMES)).max() < 1e-5
    # The statistics of batch norm stay, even where the whole is told that it is in training.
    before = [v.numpy() for v in top.variables if "moving" in v.name]
    top(maps, training=True)
    after = [v.numpy() for v in top.variables if "moving" in v.name]
    assert before
    assert all(np.array_equal(a, b) for a, b in zip(before, after, strict=True))
    assert 0 < top.count_params() < encoder.count_params()
    assert top.count_params() + bottom.count_params() == encoder.count_params()


@pytest.mark.parametrize("backbone", EACH_BACKBONE)
def test_layers_over_another_size_are_the_same_layers(backbone: str) -> None:
    encoder = encoder_of(backbone)
    larger = build_encoder(replace(CLIP, height=64, width=64), small(backbone, 1))
    larger.set_weights(encoder.get_weights())
    frames = np.random.default_rng(1).uniform(0, 255, (2, 64, 64, 3)).astype(np.float32)
    shared = resized_encoder(encoder, 64)
    found = shared.predict_on_batch(frames)
    assert np.abs(found - larger.predict_on_batch(frames)).max() < 1e-5
    assert {id(v) for v in shared.variables} == {id(v) for v in encoder.variables}


@pytest.mark.parametrize("head", HEADS)
def test_layers_over_a_shorter_window_are_the_same_layers(head: Any) -> None:
    config = FitConfig.of(data="d", num_frames=5, head=head, lstm_units=4, dense_units=(3,))
    classifier = build_classifier(2, 7, config)
    shorter = build_classifier(2, 7, config.with_(num_frames=2))
    shorter.set_weights(classifier.get_weights())
    features = np.random.default_rng(0).normal(size=(3, 2, 7)).astype(np.float32)
    shared = shortened_classifier(classifier, 2)
    found = shared.predict_on_batch(features)
    assert np.abs(found - shorter.predict_on_batch(features)).max() < 1e-6
    assert {id(v) for v in shared.variables} == {id(v) for v in classifier.variables}


@pytest.mark.parametrize(
    ("backbone", "layer", "most"),
    [
        ("mobilenet_v2", "block_15_expand", 16),
        ("mobilenet_v3_small", "expanded_conv_9_expand", 11),
        ("mobilenet_v3_large", "expanded_conv_13_expand", 15),
        ("efficientnet-lite0", "block_15_expand", 16),
        ("efficientnet-lite1", "block_20_expand", 21),
    ],
)
def test_blocks_are_counted_from_the_top(backbone: str, layer: str, most: int) -> None:
    network = encoder_of(backbone).layers[-2]
    assert first_layer_of_top(network, small(backbone, 2)).name == layer
    assert first_layer_of_top(network, small(backbone, most)) is not None
    with pytest.raises(DataError, match=f"at most {most}.*Received {most + 1}"):
        first_layer_of_top(network, small(backbone, most + 1))
