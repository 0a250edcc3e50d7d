"""What rounding each layer costs: cases whose answer is known."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from har_convert.tflite.ptq import prepare
from har_convert.tflite.sensitivity import (
    LEVELS,
    MAX_FLOAT_LAYERS,
    SHARE,
    LayerError,
    _rounded,
    measure_sensitivity,
    sensitive_layers,
)

keras = pytest.importorskip("keras")
pytestmark = pytest.mark.train


def frames_of(seed: int, count: int = 6) -> NDArray[np.uint8]:
    """Patches of flat colour."""
    small = np.random.default_rng(seed).integers(0, 256, (count, 8, 8, 3), np.uint8)
    return small.repeat(4, axis=1).repeat(4, axis=2)


def encoder_of(network: Any) -> Any:
    frame = keras.Input((32, 32, 3))
    x = network(keras.layers.Rescaling(1 / 127.5, offset=-1)(frame), training=False)
    return keras.Model(frame, keras.layers.GlobalAveragePooling2D()(x))


@pytest.fixture
def encoder(network: Any) -> Any:
    return encoder_of(network)


def test_stem_is_left_out_and_the_order_kept(encoder: Any) -> None:
    stem = prepare(encoder, frames_of(0))
    rows = measure_sensitivity(encoder, stem, frames_of(0), frames_of(1))
    assert [row.layer for row in rows] == ["expand", "depthwise", "project_1", "head"]
    everything = measure_sensitivity(encoder, [], frames_of(0), frames_of(1))
    assert [row.layer for row in everything][:2] == ["stem", "project_0"]


def test_errors_are_small_and_nothing_is_clipped_on_the_calibration_frames(encoder: Any) -> None:
    frames = frames_of(0)
    for row in measure_sensitivity(encoder, [], frames, frames):
        assert 0 < row.error < 0.05
        assert row.clipped == 0
        assert row.low < row.high


def fake_quantized_features(network: Any, layer: str, low: float, high: float, frames: Any) -> Any:
    """Features with one layer's output rounded, by a model cut in two at that layer."""
    point = network.get_layer(layer).output
    first = keras.Model(network.inputs, point)
    entry = keras.Input(point.shape[1:])
    tensors = {id(point): entry}
    for follower in network.layers[[x.name for x in network.layers].index(layer) + 1 :]:
        tensors[id(follower.output)] = follower(tensors[id(follower.input)])
    second = keras.Model(entry, tensors[id(network.output)])
    output = first.predict_on_batch(frames)
    low, high = min(low, 0.0), max(high, 0.0)
    step = (high - low) / LEVELS
    zero = round(-low / step)
    stored = np.clip(np.rint(output / step + zero), 0, LEVELS)
    return second.predict_on_batch((stored - zero) * step).mean(axis=(1, 2))


def test_error_is_that_of_a_network_cut_in_two(network: Any, encoder: Any) -> None:
    """For the last convolution, behind which no branch joins."""
    frames = frames_of(1)
    inputs = frames.astype(np.float32) / 127.5 - 1
    *_, row = measure_sensitivity(encoder, [], frames_of(0), frames)
    assert row.layer == "head"
    exact = network.predict_on_batch(inputs).mean(axis=(1, 2))
    changed = fake_quantized_features(network, "head_relu", row.low, row.high, inputs)
    expected = np.sqrt(np.square(changed - exact).mean() / np.square(exact).mean())
    assert row.error == pytest.approx(expected, rel=0.02)


def copying_encoder(convolutions: int) -> Any:
    """Convolutions that give what they are given, then the mean."""
    layers = keras.layers
    x = pixels = keras.Input((4, 4, 3))
    copies = [layers.Conv2D(3, 1, use_bias=False, name=f"copy_{i}") for i in range(convolutions)]
    for layer in copies:
        x = layer(x)
        layer.set_weights([np.eye(3, dtype=np.float32)[np.newaxis, np.newaxis]])
    backbone = keras.Model(pixels, x)
    frame = keras.Input((4, 4, 3))
    return keras.Model(frame, layers.GlobalAveragePooling2D()(backbone(frame)))


def test_range_on_the_grid_costs_nothing() -> None:
    """A layer that says whole numbers from 0 to 255 is exact in 8 bits."""
    encoder = copying_encoder(2)
    frames = np.random.default_rng(0).integers(0, 256, (5, 4, 4, 3), np.uint8)
    frames[:, 0, 0], frames[:, 0, 1] = 0, 255
    for row in measure_sensitivity(encoder, [], frames, frames):
        assert (row.low, row.high, row.clipped) == (0.0, 255.0, 0.0)
        assert row.error < 1e-6
    # Half that range cuts off all above it, about half of all values.
    for row in measure_sensitivity(encoder, [], frames // 2, frames):
        assert row.clipped == pytest.approx((frames > 127).mean(), abs=1e-6)
        assert row.error > 0.1


def test_network_of_one_convolution() -> None:
    frames = np.random.default_rng(0).integers(0, 256, (5, 4, 4, 3), np.uint8)
    (row,) = measure_sensitivity(copying_encoder(1), [], frames, frames)
    assert row.error < 1e-6


def test_collapsed_ranges_stand_out(encoder: Any) -> None:
    """From black frames alone no layer learns what it will see."""
    black = np.zeros((4, 32, 32, 3), np.uint8)
    frames = frames_of(1)
    good = {r.layer: r for r in measure_sensitivity(encoder, [], frames_of(0), frames)}
    bad = {r.layer: r for r in measure_sensitivity(encoder, [], black, frames)}
    for name, row in bad.items():
        assert row.high - row.low <= good[name].high - good[name].low
    worst = max(bad.values(), key=lambda row: row.error)
    assert worst.clipped > 0.05
    assert worst.error > 5 * good[worst.layer].error


@pytest.mark.parametrize(("low", "high"), [(0.0, 6.0), (-3.0, 5.0), (2.0, 4.0), (-4.0, -1.0)])
def test_rounding_as_a_converter_does(low: float, high: float) -> None:
    values = np.linspace(-10, 10, 1001).astype(np.float32)
    found = _rounded(values, low, high)
    assert 0.0 in found  # zero is exact, as padding needs it to be
    step = (max(high, 0) - min(low, 0)) / LEVELS
    inside = (values >= min(low, 0)) & (values <= max(high, 0))
    assert np.abs(found - values)[inside].max() <= 1.01 * step
    assert len(np.unique(found)) <= LEVELS + 1
    assert found.min() == pytest.approx(min(low, 0), abs=step)
    assert found.max() == pytest.approx(max(high, 0), abs=step)


def rows_of(*errors: float) -> list[LayerError]:
    return [LayerError(str(i), error, 0.0, 1.0, 0.0) for i, error in enumerate(errors)]


@pytest.mark.parametrize(
    ("errors", "chosen"),
    [
        ((1.0, 9.0, 2.0), ("1",)),
        ((1.0, 1.0), ("0",)),
        ((1.0, 1.1, 1.0, 1.05), ("1", "3")),
        ((0.0, 0.0), ()),
        ((), ()),
    ],
)
def test_fewest_layers_that_make_half_of_the_damage(
    errors: tuple[float, ...], chosen: tuple[str, ...]
) -> None:
    assert SHARE == 0.5
    assert sensitive_layers(rows_of(*errors)) == chosen


def test_never_too_many_layers() -> None:
    assert len(sensitive_layers(rows_of(*[1.0] * 50))) == MAX_FLOAT_LAYERS
