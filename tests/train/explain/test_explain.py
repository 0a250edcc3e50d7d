"""Grad-CAM: the evidence is where it was put, and the map is that of the published equations."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from har_edge.errors import BackendError, DataError, ModelFileError, SourceError
from har_edge.frames.opencv import import_cv2
from har_edge.model.file import pack_model_file, read_model_file
from har_edge.model.spec import ClipSpec, ModelSpec
from har_edge.paths import sample_path
from har_edge.run_folder import read_run
from har_edge.sources.clips import load_frames
from har_train.config import FitConfig, save_config
from har_train.explain.files import explain_files, load_explainer
from har_train.explain.gradcam import Explainer, Explanation
from har_train.model.keras_run import load_run
from har_train.model.network import build_classifier, join_model
from har_train.reports.plots import overlay_heat
from tests.conftest import ASSETS, write_video

pytest.importorskip("tensorflow")
pytestmark = pytest.mark.train

RunCommand = Callable[..., "CompletedProcess[str]"]
SIZE = 64  # of a frame; a map of the encoder has 8 x 8 pixels


def square_encoder() -> Any:
    """Mean red and mean green of blocks of 8 x 8 pixels, as maps; their means, as features."""
    import keras

    frame = keras.Input((SIZE, SIZE, 3), name="frame")
    scaled = keras.layers.Rescaling(1 / 255)(frame)
    pool = keras.layers.AveragePooling2D(8)(scaled)  # (N, 8, 8, 3)
    maps = keras.layers.Conv2D(2, 1, use_bias=False, name="colours")(pool)
    features = keras.layers.GlobalAveragePooling2D(name="features")(maps)
    encoder = keras.Model(frame, features, name="encode")
    encoder.get_layer("colours").set_weights([np.eye(3, 2)[np.newaxis, np.newaxis]])
    return encoder


def save_model(folder: Path, classifier: Any, config: FitConfig) -> Path:
    """Write as much of a run folder as explaining needs."""
    folder.mkdir()
    clip = ClipSpec(config.window.num_frames, 5.0, SIZE, SIZE, config.window.resize)
    join_model(square_encoder(), classifier, clip).save(folder / "model.keras")
    spec = ModelSpec("squares", ("green", "red"), clip, 2)
    (folder / "spec.json").write_text(spec.to_json(), encoding="utf-8")
    save_config(config, folder / "config.toml")
    return folder


@pytest.fixture
def colour_run(tmp_path: Path) -> Path:
    """A model of three frames whose class is the colour that there is more of."""
    import keras

    features = keras.Input((3, 2), name="features")
    mean = keras.layers.GlobalAveragePooling1D()(features)
    outputs = keras.layers.Dense(2, activation="softmax", name="probabilities")(mean)
    classifier = keras.Model(features, outputs, name="classify")
    classifier.get_layer("probabilities").set_weights([60 * np.eye(2)[::-1], np.zeros(2)])
    return save_model(tmp_path / "run", classifier, FitConfig.of(data="d", num_frames=3))


def frames_with_squares(count: int, red_in: set[int]) -> list[NDArray[np.uint8]]:
    """A green square at every top left, and a larger red one at some frames' bottom right."""
    frames = np.zeros((count, 96, 128, 3), np.uint8)
    frames[:, 12:24, 16:32] = (0, 255, 0)
    for i in red_in:
        frames[i, 60:84, 80:112] = (255, 0, 0)
    return list(frames)


def mass(heat: NDArray[np.float32], rows: slice, columns: slice) -> float:
    """Share of the heat in a part of the frame."""
    return float(heat[..., rows, columns].sum() / heat.sum())


LOWER, UPPER = slice(SIZE // 2, None), slice(0, SIZE // 2)


def test_evidence_is_where_the_square_is(colour_run: Path, tmp_path: Path) -> None:
    Image.fromarray(frames_with_squares(1, {0})[0]).save(tmp_path / "a.png")
    explainer = load_explainer(str(colour_run))
    found = explainer.explain(tmp_path / "a.png")
    assert (found.action, found.probability > 0.9) == ("red", True)
    assert found.heat.shape == (1, SIZE, SIZE)
    assert found.heat.max() == pytest.approx(1, abs=0.05)
    assert mass(found.heat, LOWER, LOWER) > 0.99
    other = explainer.explain(tmp_path / "a.png", "green")
    assert other.probability == pytest.approx(1 - found.probability, abs=1e-6)
    assert mass(other.heat, UPPER, UPPER) > 0.99


def test_evidence_is_in_the_frame_that_holds_it(colour_run: Path, tmp_path: Path) -> None:
    video = write_video(tmp_path / "a.mp4", frames_with_squares(7, {4}), 5.0)
    found = load_explainer(str(colour_run)).explain(video, "red")
    assert 4 in found.frames
    assert found.heat.shape == (3, SIZE, SIZE)
    shares = found.heat.sum(axis=(1, 2)) / found.heat.sum()
    assert shares[list(found.frames).index(4)] > 0.9
    assert found.running_heat.shape == (7, SIZE, SIZE)
    assert found.running_heat[4].sum() > 0.9 * found.running_heat.sum()


def test_short_clip_shows_each_of_its_frames_once(colour_run: Path, tmp_path: Path) -> None:
    video = write_video(tmp_path / "a.mp4", frames_with_squares(2, {1}), 5.0)
    found = load_explainer(str(colour_run)).explain(video, "red")
    assert found.frames.tolist() == [0, 1]
    assert found.heat[1].sum() > 0.9 * found.heat.sum()


def test_no_evidence_is_no_heat(colour_run: Path, tmp_path: Path) -> None:
    Image.new("RGB", (40, 40)).save(tmp_path / "a.png")
    (found,) = explain_files(load_explainer(str(colour_run)), [tmp_path / "a.png"], tmp_path)
    assert isinstance(found, Explanation)
    assert not found.heat.any()
    assert (tmp_path / "a.gradcam.png").is_file()


def reference_heat(explainer: Explainer, frames: NDArray[np.uint8], action: int) -> Any:
    """Equations 1 and 2 as they are published: the gradient by every pixel of every map."""
    import keras
    import tensorflow as tf

    classifier = explainer._run.classifier
    last = classifier.get_layer("probabilities")
    softmax, last.activation = last.activation, keras.activations.linear
    encoder = explainer._run.encoder
    maps_of = keras.Model(encoder.input, encoder.get_layer("features").input)
    maps = tf.constant(maps_of(frames.astype(np.float32)))
    with tf.GradientTape() as tape:
        tape.watch(maps)
        features = tf.reduce_mean(maps, axis=(1, 2))
        score = classifier(features[tf.newaxis], training=False)[0, action]
    weights = tf.reduce_mean(tape.gradient(score, maps), axis=(1, 2), keepdims=True)
    last.activation = softmax
    return tf.nn.relu(tf.reduce_sum(weights * maps, axis=-1)).numpy()


@pytest.mark.parametrize("head", ["lstm", "attention"])
def test_map_is_that_of_the_published_equations(head: Any, tmp_path: Path) -> None:
    import keras

    keras.utils.set_random_seed(5)
    config = FitConfig.of(data="d", num_frames=4, head=head, lstm_units=4, dense_units=(6,))
    run = save_model(tmp_path / "run", build_classifier(2, 2, config), config)
    explainer = load_explainer(str(run))
    random = np.random.default_rng(0)
    pixels = np.repeat(np.repeat(random.integers(0, 256, (4, 8, 8, 3), np.uint8), 8, 1), 8, 2)
    video = write_video(tmp_path / "a.mp4", list(pixels), 5.0)
    frames = load_frames(video, explainer.clip)
    cv2 = import_cv2()
    compared = 0
    for number, action in enumerate(("green", "red")):
        heat = reference_heat(explainer, frames, number)
        if not heat.any():
            continue
        expected = [cv2.resize(h / heat.max(), (SIZE, SIZE)) for h in heat]
        found = explainer.explain(video, action)
        assert found.frames.tolist() == [0, 1, 2, 3]
        assert np.abs(found.heat - np.stack(expected)).max() < 1e-4
        compared += 1
    assert compared


def test_files_show_the_whole_clip_in_its_own_proportions(colour_run: Path, tmp_path: Path) -> None:
    video = write_video(tmp_path / "a.mp4", frames_with_squares(7, {4}), 5.0)
    (tmp_path / "b").mkdir()
    twin = write_video(tmp_path / "b" / "a.mp4", frames_with_squares(3, {1}), 5.0)
    list(explain_files(load_explainer(str(colour_run)), [video, twin], tmp_path / "out"))
    assert {p.name for p in (tmp_path / "out").iterdir()} == {
        f"{name}.gradcam.{ending}" for name in ("a", "a-2") for ending in ("png", "mp4")
    }
    cv2 = import_cv2()
    capture = cv2.VideoCapture(str(tmp_path / "out" / "a.gradcam.mp4"))
    assert int(capture.get(cv2.CAP_PROP_FRAME_COUNT)) == 7
    assert capture.get(cv2.CAP_PROP_FPS) == 5
    assert (capture.get(cv2.CAP_PROP_FRAME_WIDTH), capture.get(cv2.CAP_PROP_FRAME_HEIGHT)) == (
        480,
        360 + 28,
    )
    capture.release()
    with Image.open(tmp_path / "out" / "a.gradcam.png") as picture:
        assert picture.format == "PNG"
        picture.load()


def test_overlay_leaves_cold_places_as_they_are() -> None:
    picture = np.full((20, 30, 3), 90, np.uint8)
    heat = np.zeros((20, 30), np.float32)
    heat[:, 20:] = 1
    found = overlay_heat(picture, heat)
    assert (found[:, :20] == 90).all()
    assert (np.abs(found[:, 20:].astype(int) - 90).max(axis=2) > 40).all()


def test_errors(colour_run: Path, tmp_path: Path) -> None:
    explainer = load_explainer(str(colour_run))
    (tmp_path / "bad.mp4").write_bytes(b"no video")
    with pytest.raises(SourceError, match=r"bad\.mp4"):
        explainer.explain(tmp_path / "bad.mp4")
    with pytest.raises(DataError, match=r"no action 'blue'. Expected one of green, red"):
        explainer.explain(tmp_path / "bad.mp4", "blue")
    with pytest.raises(DataError, match=r"only a Keras model has.*tiny-int8\.tflite"):
        load_explainer(str(ASSETS / "tiny-int8.tflite"))
    with pytest.raises(ModelFileError, match=r"no model m\.tflite"):
        load_explainer("m.tflite")
    with pytest.raises(DataError, match="should be a run folder"):
        load_run(tmp_path)


def test_a_converted_file_finds_its_run(
    colour_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs").mkdir()
    colour_run.rename(tmp_path / "runs" / "squares")
    spec = read_run(Path("runs") / "squares").spec
    network = read_model_file(ASSETS / "tiny-int8.tflite").flatbuffer
    (tmp_path / "squares-int8.tflite").write_bytes(pack_model_file(network, spec))
    assert load_explainer("squares-int8.tflite").path == Path("runs/squares/model.keras")


def test_bundled_models_are_explained() -> None:
    explainer = load_explainer("har15")
    assert explainer.name == "har15"
    assert explainer.explain(sample_path("lying.jpg")).action == "sleeping"


def test_command_goes_on_after_a_bad_file(
    har_train: RunCommand, colour_run: Path, tmp_path: Path
) -> None:
    (tmp_path / "bad.png").write_bytes(b"no picture")
    Image.fromarray(frames_with_squares(1, {0})[0]).save(tmp_path / "good.png")
    result = har_train("explain", colour_run, "bad.png", "good.png")
    assert result.returncode == 1
    assert "bad.png" in result.stderr
    assert result.stdout.startswith("good.png: red 9")
    assert [p.name for p in (tmp_path / "explain" / "squares").iterdir()] == ["good.gradcam.png"]


def test_other_backends_are_named(colour_run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import keras

    monkeypatch.setattr(keras.backend, "backend", lambda: "numpy")
    with pytest.raises(BackendError, match=r"tensorflow, torch\. Received 'numpy'.*KERAS_BACKEND"):
        load_explainer(str(colour_run))
