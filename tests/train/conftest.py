"""One small trained run for all tests of har_train, and the data it comes from."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

# Before TensorFlow is first imported: as the commands set them.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")

import numpy as np
import pytest
from PIL import Image

from har_edge.frames.opencv import import_cv2
from har_train.commands.main import cli
from har_train.config import FitConfig
from har_train.run_folder import save_run
from har_train.training.fit import fit
from har_train.training.result import FitResult
from tests.support.commands import run_here

# Pixels a frame, and colour, of the square in each class.
CLASSES = {"left": (-3, (30, 200, 40)), "right": (3, (220, 30, 30))}

MakeClip = Callable[..., Path]
RunCommand = Callable[..., "subprocess.CompletedProcess[str]"]


def write_clip(path: Path, label: str = "left", *, count: int = 10, seed: int = 0) -> Path:
    """Render a square that moves as its class says, at 10 frames a second."""
    cv2 = import_cv2()
    path.parent.mkdir(parents=True, exist_ok=True)
    step, colour = CLASSES[label]
    top, left = np.random.default_rng(seed).integers(0, 32, 2)
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"mp4v"), 10.0, (64, 48))
    assert writer.isOpened()
    for i in range(count):
        frame = np.full((48, 64, 3), 60 + seed, np.uint8)
        x = (left + step * i) % 52
        frame[top : top + 12, x : x + 12] = colour
        writer.write(frame[..., ::-1])
    writer.release()
    return path


@pytest.fixture(scope="session")
def make_clip() -> MakeClip:
    """Render one clip: path, class, number of frames, seed."""
    return write_clip


@pytest.fixture(scope="session")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of two classes with six clips each; one clip is shorter than a window."""
    folder = tmp_path_factory.mktemp("data") / "squares"
    for label in CLASSES:
        for i in range(6):
            write_clip(folder / label / f"{i}.mp4", label, count=6 if i == 0 else 16, seed=i)
    return folder


@pytest.fixture
def stills(tmp_path: Path) -> Path:
    """A folder of two classes with four pictures each, no two alike."""
    for label, base in (("blue", (0, 0, 200)), ("red", (200, 0, 0))):
        (tmp_path / "stills" / label).mkdir(parents=True)
        for i in range(4):
            picture = Image.new("RGB", (40 + i, 30), tuple(c + i for c in base))
            picture.save(tmp_path / "stills" / label / f"{i}.png")
    return tmp_path / "stills"


@pytest.fixture(scope="session")
def weights(clips: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Backbone weights whose features tell pictures apart, unlike those of raw noise."""
    keras = pytest.importorskip("keras")
    from har_edge.model.spec import ClipSpec
    from har_edge.sources.clips import load_frames

    keras.utils.set_random_seed(1)
    backbone = keras.applications.MobileNetV2(
        input_shape=(32, 32, 3), include_top=False, weights=None
    )
    for layer in backbone.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = 0.0
    clip = ClipSpec(4, 5.0, 32, 32)
    frames = np.concatenate([load_frames(p, clip) for p in sorted(clips.rglob("*.mp4"))])
    backbone(frames.astype(np.float32) / 127.5 - 1, training=True)
    path = tmp_path_factory.mktemp("weights") / "backbone.weights.h5"
    backbone.save_weights(path)
    return path


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The feature cache that all trainings share."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="session")
def config(clips: Path, weights: Path) -> FitConfig:
    """Settings of the small run."""
    return FitConfig.of(
        data=str(clips),
        num_frames=6,
        frame_rate_hz=5.0,
        size=32,
        weights=str(weights),
        lstm_units=8,
        dense_units=(8,),
        epochs=3,
        batch_size=4,
        learning_rate=0.01,
        seed=3,
        about={"description": "Squares.", "license": "MIT"},
    )


@pytest.fixture(scope="session")
def trained(config: FitConfig, cache: Path) -> FitResult:
    """The result of the small run."""
    pytest.importorskip("tensorflow")
    return fit(config, cache=cache)


@pytest.fixture(scope="session")
def run_folder(trained: FitResult, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run folder of the small run."""
    folder = tmp_path_factory.mktemp("runs") / "squares"
    save_run(trained, folder)
    return folder


@pytest.fixture
def har_train(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunCommand:
    """Run `har-train` in an empty folder; a traceback fails the test.

    In this process, where TensorFlow is loaded; with variables of the environment in one of its
    own, as the installed command. `tests/test_pipeline.py` types all as a user does.
    """
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str | Path, **env: str) -> subprocess.CompletedProcess[str]:
        result = run_installed(arguments, env) if env else run_here(cli, arguments)
        assert "Traceback" not in result.stderr, result.stderr
        return result

    return run


def run_installed(
    arguments: Sequence[str | Path], env: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    """Run the installed command in a process of its own, in the working folder."""
    script = Path(sys.executable).with_name("har-train")
    if not script.is_file():
        pytest.skip("har-train is not installed beside this Python")
    return subprocess.run(
        [script, *arguments],
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
        timeout=300,
        env={**os.environ, **env},
    )
