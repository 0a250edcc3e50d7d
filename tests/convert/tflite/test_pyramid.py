"""Equal channels in pyramids and heads."""

from __future__ import annotations

import numpy as np
import pytest

keras = pytest.importorskip("keras")

from har_convert.tflite.pyramid import equalize_pyramid, find_groups  # noqa: E402

pytestmark = pytest.mark.train


def _pyramid() -> keras.Model:
    """Two levels with a head, as `har-train people` builds them, channels of all sizes."""
    layers = keras.layers
    inputs = keras.Input((16, 16, 3))
    fine = layers.Conv2D(4, 3, padding="same", activation="relu6", name="fine")(inputs)
    coarse = layers.Conv2D(6, 3, strides=2, padding="same", activation="relu6", name="coarse")(fine)
    up = layers.UpSampling2D(interpolation="bilinear")(layers.Conv2D(5, 1, name="top")(coarse))
    x = layers.Add(name="merge")([up, layers.Conv2D(5, 1, name="lateral")(fine)])
    x = layers.DepthwiseConv2D(3, padding="same", use_bias=False, name="smooth")(x)
    x = layers.Conv2D(7, 1, use_bias=False, name="conv")(x)
    x = layers.ReLU(name="relu")(layers.BatchNormalization(name="norm")(x))
    outputs = []
    for name in ("a", "b"):
        y = layers.DepthwiseConv2D(3, padding="same", use_bias=False, name=f"{name}_smooth")(x)
        y = layers.Conv2D(8, 1, activation="relu", name=f"{name}_hidden")(y)
        outputs.append(layers.Conv2D(2, 1, name=f"{name}_out")(y))
    network = keras.Model(inputs, outputs)
    random = np.random.default_rng(0)
    for layer in network.layers:
        weights = layer.get_weights()
        if weights and not layer.name.endswith("out"):
            spread = np.exp(random.normal(0, 1.5, weights[0].shape[-1])).astype(np.float32)
            layer.set_weights([weights[0] * spread, *weights[1:]])
    return network


def test_channels_become_equal_and_the_function_stays() -> None:
    network = _pyramid()
    frames = np.random.default_rng(1).normal(0, 1, (4, 16, 16, 3)).astype(np.float32)
    names = [("merge",), ("smooth",), ("relu",), ("a_smooth",), ("a_hidden",), ("b_hidden",)]
    tensors = [network.get_layer(n).output for (n,) in names]
    probe = keras.Model(network.inputs, tensors)

    def spreads() -> list[float]:
        found = [np.abs(np.asarray(t)).max(axis=(0, 1, 2)) for t in probe.predict_on_batch(frames)]
        return [float(f.max() / max(f.min(), 1e-9)) for f in found]

    before, wide = [np.asarray(x) for x in network.predict_on_batch(frames)], spreads()
    assert equalize_pyramid(network, frames) == 7
    after = [np.asarray(x) for x in network.predict_on_batch(frames)]
    for now, then in zip(after, before, strict=True):
        np.testing.assert_allclose(now, then, rtol=1e-3, atol=1e-3 * np.abs(then).max())
    narrow = spreads()
    assert wide[1] > 3
    # The merged map shares its factors with what is summed there; all others become equal.
    assert narrow[0] < wide[0]
    assert max(narrow[1:]) < 1.01


def test_groups_end_where_something_does_not_scale_along() -> None:
    network = _pyramid()
    groups = {tuple(sorted(x.name for x in g.sources)): g for g in find_groups(network)}
    assert set(groups) == {
        ("lateral", "top"), ("smooth",), ("norm",), ("a_smooth",), ("b_smooth",), ("a_hidden",),
        ("b_hidden",),
    }  # fmt: skip
    assert sorted(r.name for r in groups[("norm",)].readers) == ["a_smooth", "b_smooth"]
    assert [m.name for m in groups[("norm",)].members] == ["relu"]
