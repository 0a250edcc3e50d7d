"""A trained run with a backbone small enough to be converted in seconds, and its conversion."""

from __future__ import annotations

import functools
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

# Before TensorFlow is first imported: as the commands set them.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")

import numpy as np
import pytest
from PIL import Image

from har_convert.run_folder import Run, load_run
from har_convert.worker import Job, work
from har_edge.model.spec import ClipSpec
from har_train.config import FitConfig, Head, HeadInput
from har_train.run_folder import save_run
from har_train.training.fit import fit
from tests.conftest import write_video
from tests.support.once import made_once

RunCommand = Callable[..., "subprocess.CompletedProcess[str]"]
COLOURS = {"blue": (30, 60, 210), "green": (40, 200, 60), "red": (220, 40, 30)}


def residual_network(size: int = 32) -> Any:
    """MobileNetV2 in miniature: expand, depthwise, project, and an addition.

    Batch norms have moving statistics and scales as uneven as trained ones.
    """
    import keras

    layers = keras.layers

    def norm(x: Any, name: str) -> Any:
        return layers.BatchNormalization(name=name)(x)

    x = inputs = keras.Input((size, size, 3))
    x = layers.Conv2D(8, 3, strides=2, padding="same", use_bias=False, name="stem")(x)
    x = layers.ReLU(6.0, name="stem_relu")(norm(x, "stem_bn"))
    x = start = norm(layers.Conv2D(6, 1, use_bias=False, name="project_0")(x), "project_0_bn")
    x = norm(layers.Conv2D(12, 1, use_bias=False, name="expand")(x), "expand_bn")
    x = layers.ReLU(6.0, name="expand_relu")(x)
    x = layers.DepthwiseConv2D(3, padding="same", use_bias=False, name="depthwise")(x)
    x = layers.ReLU(6.0, name="depthwise_relu")(norm(x, "depthwise_bn"))
    x = norm(layers.Conv2D(6, 1, use_bias=False, name="project_1")(x), "project_1_bn")
    x = layers.Add(name="add")([start, x])
    x = norm(layers.Conv2D(16, 1, use_bias=False, name="head")(x), "head_bn")
    network = keras.Model(inputs, layers.ReLU(6.0, name="head_relu")(x), name="backbone")
    random = np.random.default_rng(0)
    for layer in network.layers:
        if isinstance(layer, layers.BatchNormalization):
            size = layer.get_weights()[0].shape
            layer.set_weights(
                [
                    np.exp(random.normal(0.5, 0.8, size)),
                    random.normal(0.2, 0.3, size),
                    random.normal(0, 0.1, size),
                    np.exp(random.normal(-1, 0.5, size)),
                ]
            )
    return network


@pytest.fixture
def network() -> Any:
    """A fresh residual network that a test may change."""
    keras = pytest.importorskip("keras")
    keras.utils.set_random_seed(0)
    return residual_network()


def _small_encoder(clip: ClipSpec, config: FitConfig) -> Any:
    """In place of `build_encoder`, whose MobileNetV2 takes minutes in all."""
    import keras

    del config
    frame = keras.Input(clip.frame_shape, name="frame")
    x = keras.layers.Rescaling(1 / 127.5, offset=-1)(frame)
    backbone = residual_network(clip.height)
    backbone.trainable = False
    x = keras.layers.GlobalAveragePooling2D(name="features")(backbone(x, training=False))
    return keras.Model(frame, x, name="encode")


@pytest.fixture(scope="session")
def stills(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of three classes with ten noisy pictures each."""
    return made_once(tmp_path_factory.getbasetemp(), "stills", _draw_stills) / "colours"


def _draw_stills(folder: Path) -> None:
    random = np.random.default_rng(0)
    for label, colour in COLOURS.items():
        (folder / "colours" / label).mkdir(parents=True)
        for i in range(10):
            noise = random.normal(0, 30, (40, 50, 3))
            pixels = np.clip(np.array(colour) + noise, 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(folder / "colours" / label / f"{i}.png")


@pytest.fixture(scope="session")
def flickering(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of three classes with ten clips each, which differ in how much they flicker."""
    return made_once(tmp_path_factory.getbasetemp(), "flickering", _draw_flickering) / "lights"


def _draw_flickering(folder: Path) -> None:
    random = np.random.default_rng(0)
    for label, strength in (("steady", 0), ("restless", 25), ("wild", 75)):
        (folder / "lights" / label).mkdir(parents=True)
        for i in range(10):
            colour, noise = random.uniform(100, 150, 3), random.normal(0, 10, (9, 40, 48, 3))
            flicker = strength * np.array([(-1) ** t for t in range(9)])[:, None, None, None]
            frames = np.clip(colour + flicker + noise, 0, 255).astype(np.uint8)
            # MJPG codes every frame for itself, so that none borrows its neighbour's light.
            clip = folder / "lights" / label / f"{i}.avi"
            write_video(clip, list(frames), fps=8.0, codec="MJPG")


@pytest.fixture(scope="session")
def train(
    stills: Path, flickering: Path, tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., Path]:
    """Train on `stills`, or on differences in `flickering`: a folder as `har-train fit` writes."""
    pytest.importorskip("tensorflow")
    base = tmp_path_factory.getbasetemp()
    cache = tmp_path_factory.mktemp("cache")  # its features serve all heads

    @functools.cache
    def train_head(head: Head, head_input: HeadInput = "features") -> Path:
        config = FitConfig.of(
            data=str(stills if head_input == "features" else flickering),
            num_frames=3,
            size=32,
            weights="none",
            head=head,
            head_input=head_input,
            lstm_units=6,
            dense_units=(8,),
            epochs=12,
            batch_size=4,
            learning_rate=0.02,
            about={"description": "Names colours.", "license": "MIT", "limits": "Three colours."},
        )

        def train_small(folder: Path) -> None:
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr("har_train.training.fit.build_encoder", _small_encoder)
                save_run(fit(config, cache=cache), folder / "colours")

        return made_once(base, f"{head}-{head_input}", train_small) / "colours"

    return train_head


@pytest.fixture(scope="session")
def run_folder(train: Callable[..., Path]) -> Path:
    """The run that most tests convert."""
    return train("lstm")


@pytest.fixture
def copied_run(run_folder: Path, tmp_path: Path) -> Path:
    """A copy of the run folder that a test may damage."""
    return Path(shutil.copytree(run_folder, tmp_path / "copied"))


@pytest.fixture
def run(run_folder: Path) -> Run:
    return load_run(run_folder)


def run_har_convert(
    folder: Path, *arguments: str | Path, **env: str
) -> subprocess.CompletedProcess[str]:
    """Run the installed `har-convert` in a folder; a traceback fails the test."""
    script = Path(sys.executable).with_name("har-convert")
    if not script.is_file():
        pytest.skip("har-convert is not installed beside this Python")
    result = subprocess.run(
        [script, *arguments],
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
        cwd=folder,
        timeout=300,
        env={**os.environ, **env},
    )
    assert "Traceback" not in result.stdout + result.stderr, result.stderr
    return result


@pytest.fixture
def har_convert(tmp_path: Path) -> RunCommand:
    """Run `har-convert` in an empty folder."""

    def run(*arguments: str | Path, **env: str) -> subprocess.CompletedProcess[str]:
        return run_har_convert(tmp_path, *arguments, **env)

    return run


@pytest.fixture(scope="session")
def converted(
    run_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, subprocess.CompletedProcess[str]]:
    """All variants of the run: the folder with them, which is to stay, and what was printed."""

    def convert(folder: Path) -> None:
        options = ("--all", "--max-accuracy-drop", "10", "--debug-layers")
        result = run_har_convert(folder, run_folder, *options)
        said = (result.args, result.returncode, result.stdout, result.stderr)
        (folder / "said.json").write_text(json.dumps(said, default=str), encoding="utf-8")

    folder = made_once(tmp_path_factory.getbasetemp(), "converted", convert)
    said = json.loads((folder / "said.json").read_text(encoding="utf-8"))
    return folder / "models" / "colours", subprocess.CompletedProcess(*said)


@pytest.fixture
def in_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have `convert` do the worker's part here, where TensorFlow is loaded: seconds saved."""

    def work_here(folder: Path, say: Callable[[str], object]) -> None:
        work(Job.load(folder), folder, say)

    monkeypatch.setattr("har_convert.conversion.run_worker", work_here)
