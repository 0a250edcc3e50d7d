"""The network against plain NumPy."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
from numpy.typing import NDArray

from har_edge.errors import DataError
from har_edge.model.spec import ClipSpec
from har_edge.run_folder import bundled_run
from har_train.config import BackboneName, FitConfig, Head
from har_train.model.backbones import BACKBONES
from har_train.model.network import (
    HEADS,
    backbone_name,
    build_classifier,
    build_encoder,
    import_keras,
    join_model,
    narrow_classifier,
    weights_digest,
)
from har_train.training.result import FitResult

pytest.importorskip("tensorflow")
pytestmark = pytest.mark.train

CLIP = ClipSpec(3, 5.0, 32, 32)
CONFIG = FitConfig.of(data="d", num_frames=3, lstm_units=5, dense_units=(7, 4))


@pytest.fixture(scope="module")
def encoder(weights: Path) -> Any:
    return build_encoder(CLIP, CONFIG.with_(weights=str(weights)))


@pytest.fixture(scope="module")
def classifier() -> Any:
    """A head on 6 features whose every weight matters."""
    head = build_classifier(4, 6, CONFIG)
    random = np.random.default_rng(0)
    head.set_weights([random.uniform(0.2, 1.0, w.shape) for w in head.get_weights()])
    return head


def random_pixels(seed: int, *shape: int) -> NDArray[np.float32]:
    return np.random.default_rng(seed).integers(0, 256, (*shape, 32, 32, 3)).astype(np.float32)


def sigmoid(x: NDArray[Any]) -> NDArray[Any]:
    return 1 / (1 + np.exp(-x))


def plain_classify(head: Any, features: NDArray[Any]) -> NDArray[Any]:
    """LSTM, dense layers and softmax for one window, (T, D) -> (C,)."""
    kernel, recurrent, bias = head.get_layer("lstm").get_weights()
    hidden, cell = np.zeros(len(recurrent)), np.zeros(len(recurrent))
    for vector in features:
        gates = vector @ kernel + hidden @ recurrent + bias
        enter, forget, candidate, leave = np.split(gates, 4)
        cell = sigmoid(forget) * cell + sigmoid(enter) * np.tanh(candidate)
        hidden = sigmoid(leave) * np.tanh(cell)
    x = hidden
    for i in (1, 2):
        weights, bias = head.get_layer(f"dense_{i}").get_weights()
        gamma, beta, mean, variance = head.get_layer(f"dense_{i}_bn").get_weights()
        epsilon = head.get_layer(f"dense_{i}_bn").epsilon
        x = (x @ weights + bias - mean) / np.sqrt(variance + epsilon) * gamma + beta
        x = np.maximum(x, 0)
    weights, bias = head.get_layer("probabilities").get_weights()
    powers = np.exp(x @ weights + bias - (x @ weights + bias).max())
    return np.asarray(powers / powers.sum())


@pytest.mark.parametrize("seed", range(3))
def test_classifier_equals_plain_numpy(classifier: Any, seed: int) -> None:
    features = np.random.default_rng(seed).normal(0, 2, (5, 3, 6)).astype(np.float32)
    expected = np.stack([plain_classify(classifier, window) for window in features])
    assert np.ptp(expected, axis=0).max() > 1e-4  # inputs make a difference
    assert np.abs(classifier.predict_on_batch(features) - expected).max() < 1e-5


def test_classifier_holds_no_loop(classifier: Any) -> None:
    assert classifier.get_layer("lstm").unroll


def test_dropout_is_for_training_alone(classifier: Any) -> None:
    features = np.random.default_rng(0).normal(0, 2, (8, 3, 6)).astype(np.float32)
    calm = [np.asarray(classifier(features, training=False)) for _ in range(2)]
    assert np.array_equal(*calm)
    noisy = [np.asarray(classifier(features, training=True)) for _ in range(2)]
    assert not np.array_equal(*noisy)


def test_encoder_scales_pixels_and_averages_the_backbone(encoder: Any) -> None:
    pixels = random_pixels(0, 2)
    backbone = next(layer for layer in encoder.layers if hasattr(layer, "layers"))
    maps = np.asarray(backbone(pixels / 127.5 - 1, training=False))
    features = encoder.predict_on_batch(pixels)
    assert features.shape == (2, 1280)
    assert features.std() > 0.01
    assert np.abs(features - maps.mean(axis=(1, 2))).max() < 1e-4


def test_backbone_is_frozen(encoder: Any) -> None:
    assert encoder.trainable_weights == []


def test_joined_model_equals_its_parts(encoder: Any) -> None:
    head = build_classifier(4, 1280, CONFIG)
    model = join_model(encoder, head, CLIP)
    clips = random_pixels(1, 2, 3)
    features = np.stack([encoder.predict_on_batch(clip) for clip in clips])
    expected = head.predict_on_batch(features)
    assert np.abs(model.predict_on_batch(clips) - expected).max() < 1e-5
    # What conversion asks for.
    assert model.get_layer("frames").layer.input_shape == (None, 32, 32, 3)
    assert model.get_layer("classify").input_shape == (None, 3, 1280)
    assert model.output_shape == (None, 4)


def test_one_frame_windows(encoder: Any) -> None:
    head = build_classifier(2, 1280, CONFIG.with_(num_frames=1))
    model = join_model(encoder, head, replace(CLIP, num_frames=1))
    assert model.predict_on_batch(random_pixels(2, 3, 1)).sum(axis=1) == pytest.approx(1)


def test_digest_sees_every_weight(encoder: Any, classifier: Any, weights: Path) -> None:
    first = weights_digest(classifier)
    assert weights_digest(classifier) == first
    arrays = classifier.get_weights()
    arrays[-1] = arrays[-1] + 1e-3
    classifier.set_weights(arrays)
    assert weights_digest(classifier) != first
    same = build_encoder(CLIP, CONFIG.with_(weights=str(weights)))
    assert weights_digest(same) == weights_digest(encoder)
    import_keras().utils.set_random_seed(5)
    other = build_encoder(CLIP, CONFIG.with_(weights="none"))
    assert weights_digest(other) != weights_digest(encoder)


def test_a_bundled_name_and_a_run_folder_are_weights(tmp_path: Path) -> None:
    clip = replace(CLIP, height=224, width=224)
    by_name = build_encoder(clip, CONFIG.with_(weights="har15"))
    run = bundled_run("har15")
    assert run is not None
    by_folder = build_encoder(clip, CONFIG.with_(weights=str(run)))
    assert weights_digest(by_name) == weights_digest(by_folder)
    with pytest.raises(DataError, match=r"no weights file .*har15, clips"):
        build_encoder(clip, CONFIG.with_(weights=str(tmp_path)))


@pytest.mark.parametrize("content", [b"", b"no weights"])
def test_unusable_weights_are_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "w.weights.h5"
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"w.weights.h5.*cannot be loaded.*none"):
        build_encoder(CLIP, CONFIG.with_(weights=str(path)))


@pytest.mark.filterwarnings("ignore:Skipping nested container:UserWarning")
def test_weights_of_another_network_are_refused(classifier: Any, tmp_path: Path) -> None:
    path = tmp_path / "head.weights.h5"
    classifier.save_weights(path)
    with pytest.raises(DataError, match=r"head.weights.h5.*cannot be loaded"):
        build_encoder(CLIP, CONFIG.with_(weights=str(path)))


def test_missing_weights_are_named() -> None:
    with pytest.raises(DataError, match=r"no weights file gone.h5.*imagenet or none"):
        build_encoder(CLIP, CONFIG.with_(weights="gone.h5"))


@pytest.mark.parametrize(
    "name",
    [n if n == "mobilenet_v2" else pytest.param(n, marks=pytest.mark.slow) for n in BACKBONES],
)
def test_backbones_take_pixels(name: str) -> None:
    known = BACKBONES[name]
    config = CONFIG.with_(backbone=name, alpha=(known.alphas or (1.0,))[0], weights="none")
    encoder = build_encoder(CLIP, config)
    features = encoder.predict_on_batch(random_pixels(0, 2))
    assert features.shape == (2, encoder.output_shape[-1])
    rescaled = [x for x in encoder.layers if type(x).__name__ == "Rescaling"]
    assert bool(rescaled) == (known.scaling is not None)


def test_every_name_of_the_settings_is_known() -> None:
    assert set(BACKBONES) == set(get_args(BackboneName))
    assert set(HEADS) == set(get_args(Head))


def test_backbone_names_and_refusals() -> None:
    assert backbone_name(CONFIG) == "mobilenet_v2_1.0"
    assert backbone_name(CONFIG.with_(backbone="efficientnet_v2_b0")) == "efficientnet_v2_b0"
    for changes, message in (
        ({"backbone": "alexnet"}, r"backbone should be one of mobilenet_v2.*alexnet"),
        ({"alpha": 0.4}, r"alpha of mobilenet_v2 should be one of 0.35.*0.4"),
        ({"backbone": "efficientnet_v2_b0", "alpha": 0.5}, r"should be one of 1.0"),
    ):
        with pytest.raises(DataError, match=message):
            build_encoder(CLIP, CONFIG.with_(**changes))


@pytest.mark.parametrize("head", HEADS)
def test_only_the_mean_forgets_the_order(head: str) -> None:
    import_keras().utils.set_random_seed(0)
    classifier = build_classifier(4, 6, CONFIG.with_(head=head))
    windows = np.random.default_rng(0).normal(size=(5, 3, 6)).astype(np.float32)
    forward = classifier.predict_on_batch(windows)
    backward = classifier.predict_on_batch(windows[:, ::-1])
    assert forward.shape == (5, 4)
    assert (np.abs(forward - backward).max() < 1e-6) == (head == "mean")


def test_attention_weighs_the_instants() -> None:
    keras = import_keras()
    classifier = build_classifier(4, 6, CONFIG.with_(head="attention"))
    names = ("lstm", "attention_scores", "attention_flat")
    probe = keras.Model(classifier.input, [classifier.get_layer(n).output for n in names])
    windows = np.random.default_rng(1).normal(size=(2, 3, 6)).astype(np.float32)
    steps, scores, pooled = (np.asarray(a) for a in probe.predict_on_batch(windows))
    weights = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    assert np.abs(pooled - (weights * steps).sum(axis=1)).max() < 1e-6


@pytest.mark.parametrize("head", HEADS)
def test_narrow_head_says_what_the_whole_one_says_of_its_classes(head: Head) -> None:
    whole = build_classifier(5, 6, CONFIG.with_(head=head))
    random = np.random.default_rng(2)
    whole.set_weights([random.uniform(0, 1, w.shape) for w in whole.get_weights()])
    windows = random.normal(size=(4, 3, 6)).astype(np.float32)
    expected = np.asarray(whole(windows))[:, :2]
    narrow = narrow_classifier(whole, 2, CONFIG.with_(head=head))
    np.testing.assert_allclose(
        np.asarray(narrow(windows)), expected / expected.sum(axis=1, keepdims=True), 1e-5
    )


def test_backbone_of_a_run_is_taken_over(run_folder: Path, trained: FitResult) -> None:
    config = CONFIG.with_(weights=str(run_folder / "model.keras"))
    found = build_encoder(CLIP, config)
    assert weights_digest(found) == weights_digest(trained.model.get_layer("frames").layer)
    other = config.with_(backbone="mobilenet_v3_small", alpha=0.75)
    with pytest.raises(DataError, match=r"cannot be loaded into mobilenet_v3_small_0\.75"):
        build_encoder(CLIP, other)


@pytest.mark.parametrize("head", HEADS)
def test_differences_leave_out_the_scene(head: Head) -> None:
    """What is there in every frame changes nothing, and frames that change do."""
    config = CONFIG.with_(head=head, head_input="differences", num_frames=4, dense_units=())
    model = build_classifier(4, 6, config)
    random = np.random.default_rng(0)
    model.set_weights([random.uniform(-1, 1, w.shape) for w in model.get_weights()])
    frames, scene = random.uniform(0, 1, (2, 4, 6)), random.uniform(0, 5, (2, 1, 6))
    given = np.asarray(model(frames.astype(np.float32)))
    elsewhere = np.asarray(model((frames + scene).astype(np.float32)))
    np.testing.assert_allclose(elsewhere, given, 1e-4)
    still = np.asarray(model(np.repeat(frames[:, :1], 4, axis=1).astype(np.float32)))
    assert np.abs(still - given).max() > 1e-3
    np.testing.assert_allclose(still[0], still[1], 1e-5)
