"""Preparation for int8 against plain implementations."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from har_convert.tflite.ptq import (
    LEVELS,
    _patches,
    _round_rows,
    backbone_and_inputs,
    equalize,
    linear_streams,
    prepare,
    prepare_float16,
    round_weights,
    stem_of,
)

keras = pytest.importorskip("keras")
pytestmark = pytest.mark.train

CONVOLUTIONS_OF_NETWORK = ("stem", "project_0", "expand", "depthwise", "project_1", "head")


def random_inputs(seed: int, count: int = 12) -> NDArray[np.float32]:
    """Smooth pictures in -1..1."""
    small = np.random.default_rng(seed).uniform(-1, 1, (count, 8, 8, 3))
    return small.repeat(4, axis=1).repeat(4, axis=2).astype(np.float32)


def names(layers: list[Any]) -> set[str]:
    return {layer.name for layer in layers}


def test_streams_of_a_residual_network(network: Any) -> None:
    (stream,) = linear_streams(network)
    assert names(stream.sources) == {"project_0_bn", "project_1_bn"}
    assert names(stream.additions) == {"add"}
    assert names(stream.readers) == {"expand", "head"}
    assert len(stream.readers) == 2


def test_stream_that_leaves_the_network_or_meets_a_non_linearity_is_left_alone() -> None:
    layers = keras.layers
    inputs = keras.Input((8, 8, 3))
    x = layers.BatchNormalization(name="read_by_relu")(layers.Conv2D(4, 1)(inputs))
    y = layers.Conv2D(4, 1)(layers.ReLU()(x))
    y = layers.Add()([x, y])  # its other side is no batch norm
    y = layers.BatchNormalization(name="output")(layers.Conv2D(4, 1)(y))
    assert [s for s in linear_streams(keras.Model(inputs, y)) if s.readers] == []


def test_chain_without_addition_is_a_stream() -> None:
    layers = keras.layers
    inputs = keras.Input((8, 8, 3))
    x = layers.BatchNormalization(name="bn")(layers.Conv2D(4, 1)(inputs))
    network = keras.Model(inputs, layers.ReLU()(layers.Conv2D(5, 3, name="next")(x)))
    (stream,) = linear_streams(network)
    assert (names(stream.sources), names(stream.readers)) == ({"bn"}, {"next"})


def stream_ranges(network: Any, inputs: NDArray[np.float32]) -> NDArray[np.float32]:
    outputs = [network.get_layer(n).output for n in ("project_0_bn", "project_1_bn", "add")]
    arrays = keras.Model(network.inputs, outputs).predict_on_batch(inputs)
    return np.asarray(np.max([np.abs(a).max(axis=(0, 1, 2)) for a in arrays], axis=0))


def test_equalize_keeps_the_function_and_evens_out_the_ranges(network: Any) -> None:
    inputs = random_inputs(0)
    before, ranges = network.predict_on_batch(inputs), stream_ranges(network, inputs)
    weights = [w.copy() for w in network.get_weights()]
    assert ranges.max() / ranges.min() > 1.5
    assert equalize(network, inputs, batch=5) == 1
    assert np.abs(network.predict_on_batch(inputs) - before).max() < 1e-4
    other = random_inputs(1)
    after_other = network.predict_on_batch(other)
    network.set_weights(weights)
    assert np.abs(network.predict_on_batch(other) - after_other).max() < 1e-4
    equalize(network, inputs)
    now = stream_ranges(network, inputs)
    assert now.max() / now.min() == pytest.approx(1, abs=1e-3)


def test_equalize_without_streams_changes_nothing() -> None:
    inputs = keras.Input((8, 8, 3))
    network = keras.Model(inputs, keras.layers.ReLU()(keras.layers.Conv2D(4, 1)(inputs)))
    before = network.get_weights()
    assert equalize(network, np.zeros((1, 8, 8, 3), np.float32)) == 0
    assert all(np.array_equal(a, b) for a, b in zip(before, network.get_weights(), strict=True))


def correlated(seed: int, groups: int, size: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """Filters, (G, 5, n), and inputs with a few common causes, (G, 300, n)."""
    random = np.random.default_rng(seed)
    mixing = random.normal(size=(groups, 3, size))
    causes = random.normal(size=(groups, 300, 3))
    samples = causes @ mixing + 0.1 * random.normal(size=(groups, 300, size)) + 2.0
    rows = random.normal(size=(groups, 5, size))
    return rows.astype(np.float32), samples.astype(np.float32)


def output_error(rows: NDArray[Any], rounded: NDArray[Any], samples: NDArray[Any]) -> float:
    """Mean squared change of the outputs, up to a constant per filter."""
    change = np.einsum("gpn,grn->grp", samples, rounded - rows)
    return float((change - change.mean(axis=-1, keepdims=True)).__pow__(2).mean())


@pytest.mark.parametrize(("groups", "size"), [(1, 40), (6, 9), (3, 1)])
@pytest.mark.parametrize("seed", range(3))
def test_rounding_stays_on_the_grid(groups: int, size: int, seed: int) -> None:
    rows, samples = correlated(seed, groups, size)
    rounded = _round_rows(rows, samples, "int8")
    steps = np.abs(rows).max(axis=-1, keepdims=True) / LEVELS
    levels = rounded / steps
    assert np.abs(levels - np.rint(levels)).max() < 1e-3
    # The converter finds the same step again, for the largest weight is at the end.
    assert np.rint(np.abs(levels).max(axis=-1)).tolist() == [[LEVELS] * 5] * groups


@pytest.mark.parametrize("seed", range(5))
def test_rounding_beats_nearest_on_correlated_inputs(seed: int) -> None:
    rows, samples = correlated(seed, 2, 40)
    steps = np.abs(rows).max(axis=-1, keepdims=True) / LEVELS
    nearest = np.rint(rows / steps) * steps
    best = output_error(rows, _round_rows(rows, samples, "int8"), samples)
    assert best < 0.5 * output_error(rows, nearest, samples)


def test_rounding_of_uncorrelated_inputs_is_nearest() -> None:
    """Orthogonal inputs: no weight can make good for another."""
    samples = np.concatenate([np.eye(8), -np.eye(8)])[np.newaxis].astype(np.float32)
    rows = np.random.default_rng(0).normal(size=(1, 4, 8)).astype(np.float32)
    steps = np.abs(rows).max(axis=-1, keepdims=True) / LEVELS
    assert np.abs(_round_rows(rows, samples, "int8") - np.rint(rows / steps) * steps).max() < 1e-6


def test_rounding_of_silent_filters_and_inputs() -> None:
    rows = np.zeros((1, 2, 4), np.float32)
    rows[0, 1] = 1, -0.5, 0.25, 0
    rounded = _round_rows(rows, np.zeros((1, 10, 4), np.float32), "int8")
    assert np.isfinite(rounded).all()
    assert np.abs(rounded - rows).max() < 1 / LEVELS


@pytest.mark.parametrize("seed", range(3))
def test_half_precision_stays_on_its_grid_and_beats_nearest(seed: int) -> None:
    rows, samples = correlated(seed, 2, 40)
    rounded = _round_rows(rows, samples, "float16")
    assert np.array_equal(rounded, rounded.astype(np.float16).astype(np.float64))
    nearest = rows.astype(np.float16).astype(np.float64)
    assert np.array_equal(rounded, nearest) is False
    assert output_error(rows, rounded, samples) < 0.5 * output_error(rows, nearest, samples)


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.parametrize("size", [1, 3])
def test_patches_are_what_the_kernel_meets(stride: int, padding: str, size: int) -> None:
    layer = keras.layers.Conv2D(4, size, strides=stride, padding=padding, use_bias=False)
    inputs = np.random.default_rng(0).normal(size=(2, 8, 8, 3)).astype(np.float32)
    expected = np.asarray(layer(inputs))
    patches = _patches(layer, inputs)
    outputs = patches.reshape(len(patches), -1) @ layer.get_weights()[0].reshape(-1, 4)
    assert np.abs(outputs.reshape(expected.shape) - expected).max() < 1e-5


def test_rounded_network_is_on_the_grid_keeps_its_means_and_beats_nearest(network: Any) -> None:
    inputs = random_inputs(2)
    before = network.predict_on_batch(inputs)
    weights = network.get_weights()
    for name in CONVOLUTIONS_OF_NETWORK:
        network.get_layer(name).set_weights([nearest_folded(network, name)])
    plain = np.abs(network.predict_on_batch(inputs) - before).mean()
    network.set_weights(weights)
    probe = keras.Model(network.inputs, network.get_layer("head_bn").output)
    means = probe.predict_on_batch(inputs).mean(axis=(0, 1, 2))

    round_weights(network, inputs)

    for name in CONVOLUTIONS_OF_NETWORK:
        kernel = network.get_layer(name).get_weights()[0]
        assert np.abs(nearest_folded(network, name) - kernel).max() < 1e-5
    assert np.abs(probe.predict_on_batch(inputs).mean(axis=(0, 1, 2)) - means).max() < 1e-3
    assert np.abs(network.predict_on_batch(inputs) - before).mean() < plain


def test_stem_is_found_and_left_alone(network: Any) -> None:
    stem = stem_of(network)
    assert stem[1:] == ["stem", "stem_bn", "stem_relu", "project_0", "project_0_bn"]
    before = {n: network.get_layer(n).get_weights()[0] for n in ("stem", "project_0", "head")}
    round_weights(network, random_inputs(4), leave=stem)
    same = {n: np.array_equal(w, network.get_layer(n).get_weights()[0]) for n, w in before.items()}
    assert same == {"stem": True, "project_0": True, "head": False}


def nearest_folded(network: Any, name: str) -> NDArray[np.float32]:
    """A kernel rounded filter by filter as the converter does, batch norm folded in."""
    (kernel,) = network.get_layer(name).get_weights()
    layer = network.get_layer(f"{name}_bn")
    gamma, _, _, variance = layer.get_weights()
    scale = gamma / np.sqrt(variance + layer.epsilon)
    folded = kernel * (scale[:, np.newaxis] if name == "depthwise" else scale)
    axes = (0, 1, 3) if name == "depthwise" else (0, 1, 2)
    steps = np.abs(folded).max(axis=axes, keepdims=True) / LEVELS
    rounded = np.rint(folded / steps) * steps
    return np.asarray(rounded / (scale[:, np.newaxis] if name == "depthwise" else scale))


@pytest.fixture
def encoder(network: Any) -> Any:
    """The residual network as a frame encoder."""
    frame = keras.Input((32, 32, 3))
    x = network(keras.layers.Rescaling(1 / 127.5, offset=-1)(frame), training=False)
    return keras.Model(frame, keras.layers.GlobalAveragePooling2D()(x))


def test_prepare_finds_the_network_inside_an_encoder(network: Any, encoder: Any) -> None:
    frames = np.rint((random_inputs(3) + 1) * 127.5).astype(np.uint8)
    before = encoder.predict_on_batch(frames.astype(np.float32))
    weights = network.get_weights()
    assert prepare(encoder, frames) == stem_of(network)
    after = encoder.predict_on_batch(frames.astype(np.float32))
    assert any((a != b).any() for a, b in zip(weights, network.get_weights(), strict=True))
    assert np.abs(after - before).max() < 0.05 * before.std()


def test_pixels_are_scaled_as_the_encoder_does(network: Any, encoder: Any) -> None:
    frames = np.rint((random_inputs(3) + 1) * 127.5).astype(np.uint8)
    backbone, inputs = backbone_and_inputs(encoder, frames)
    assert backbone is network
    assert np.abs(inputs - (frames / 127.5 - 1)).max() < 1e-6


def test_backbone_that_scales_by_itself_is_given_pixels(network: Any) -> None:
    frame = keras.Input((32, 32, 3))
    encoder = keras.Model(frame, keras.layers.GlobalAveragePooling2D()(network(frame)))
    frames = np.rint((random_inputs(3) + 1) * 127.5).astype(np.uint8)
    backbone, inputs = backbone_and_inputs(encoder, frames)
    assert backbone is network
    assert np.array_equal(inputs, frames.astype(np.float32))


def test_half_precision_encoder(network: Any, encoder: Any) -> None:
    """Kernels that are to be halved are on the grid already, batch norm folded in."""
    frames = np.rint((random_inputs(3) + 1) * 127.5).astype(np.uint8)
    before = encoder.predict_on_batch(frames.astype(np.float32))
    kernels = {name: network.get_layer(name).get_weights()[0] for name in CONVOLUTIONS_OF_NETWORK}
    kept = prepare_float16(encoder, frames)
    assert set(kernels) - set(kept) == {"expand", "depthwise", "project_1", "head"}
    for name, was in kernels.items():
        (kernel,) = network.get_layer(name).get_weights()
        if name in kept:
            assert np.array_equal(kernel, was)
            continue
        gamma, _, _, variance = network.get_layer(f"{name}_bn").get_weights()
        scale = gamma / np.sqrt(variance + network.get_layer(f"{name}_bn").epsilon)
        folded = kernel * (scale[:, np.newaxis] if name == "depthwise" else scale)
        assert np.abs(folded - folded.astype(np.float16)).max() < 1e-5 * np.abs(folded).max()
    after = encoder.predict_on_batch(frames.astype(np.float32))
    assert 0 < np.abs(after - before).max() < 2e-3 * np.abs(before).max()


def test_only_the_widest_depthwise_layers_are_halved() -> None:
    """The others hold few bytes, and their rounding moves the features more."""
    import keras

    network = keras.applications.MobileNetV2((32, 32, 3), 0.35, include_top=False, weights=None)
    frame = keras.Input((32, 32, 3))
    features = keras.layers.GlobalAveragePooling2D()(network(frame))
    kept = prepare_float16(keras.Model(frame, features), np.zeros((2, 32, 32, 3), np.uint8))
    assert {f"block_{i}_depthwise" for i in range(1, 14)} <= set(kept)
    assert not {f"block_{i}_depthwise" for i in (14, 15, 16)} & set(kept)
