"""A run as the teacher of another: it answers as it does alone; what does not fit is refused."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from subprocess import CompletedProcess

import numpy as np
import pytest

from har_edge.errors import DataError
from har_train.config import FitConfig
from har_train.model.network import build_classifier, import_keras
from har_train.run_folder import save_run
from har_train.training.fit import fit
from har_train.training.result import FitResult
from har_train.training.teacher import load_teacher

pytest.importorskip("tensorflow")
pytestmark = pytest.mark.train

LABELS = ("left", "right")


@pytest.fixture
def taught(config: FitConfig, run_folder: Path) -> FitConfig:
    return config.with_(teacher=str(run_folder), fresh_views=True, fine_tune_blocks=1)


def pixels(config: FitConfig, size: int) -> np.ndarray:
    shape = (3, config.window.num_frames, size, size, 3)
    return np.random.default_rng(0).uniform(0, 255, shape).astype(np.float32)


def test_answers_are_those_of_the_model(taught: FitConfig, trained: FitResult) -> None:
    teacher = load_teacher(taught, LABELS)
    assert teacher is not None
    inputs = pixels(taught, 32)
    expected = np.asarray(trained.model.predict_on_batch(inputs))
    assert np.abs(teacher(inputs) - expected).max() < 1e-5


def test_several_answer_by_their_mean(
    taught: FitConfig, trained: FitResult, run_folder: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    shutil.copytree(run_folder, other)
    model = import_keras().models.load_model(other / "model.keras", compile=False)
    head = model.get_layer("classify")
    *before, kernel, bias = head.get_weights()
    head.set_weights([*before, -kernel, -bias])
    model.save(other / "model.keras")
    inputs = pixels(taught, 32)
    answers = [
        load_teacher(taught.with_(teacher=text), LABELS)
        for text in (str(run_folder), str(other), f"{run_folder}, {other}")
    ]
    first, second, both = (answer(inputs) for answer in answers if answer)
    assert np.abs(first - second).max() > 1e-3
    assert np.abs(both - (first + second) / 2).max() < 1e-6
    with pytest.raises(DataError, match="gone should be a run folder"):
        load_teacher(taught.with_(teacher=f"{run_folder},{tmp_path / 'gone'}"), LABELS)


def test_it_sees_frames_of_the_size_that_is_drawn(taught: FitConfig) -> None:
    teacher = load_teacher(taught.with_(fine_tune_size=48), LABELS)
    assert teacher is not None
    answers = teacher(pixels(taught, 48))
    assert answers.shape == (3, 2)
    assert answers.sum(axis=1) == pytest.approx(1, abs=1e-5)


def test_it_sees_as_many_frames_as_are_drawn(taught: FitConfig, trained: FitResult) -> None:
    teacher = load_teacher(taught.with_(fine_tune_frames=2), LABELS)
    assert teacher is not None
    inputs = pixels(taught, 32)[:, :2]
    encode = trained.model.get_layer("frames").layer
    features = np.stack([encode.predict_on_batch(window) for window in inputs])
    head = build_classifier(len(LABELS), features.shape[-1], taught.with_(num_frames=2))
    head.set_weights(trained.model.get_layer("classify").get_weights())
    assert np.abs(teacher(inputs) - head.predict_on_batch(features)).max() < 1e-5


def test_without_one(config: FitConfig) -> None:
    assert load_teacher(config, LABELS) is None


@pytest.mark.parametrize("drawn_frames", [0, pytest.param(2, marks=pytest.mark.slow)])
def test_it_is_asked_while_the_backbone_learns(
    taught: FitConfig, cache: Path, monkeypatch: pytest.MonkeyPatch, drawn_frames: int
) -> None:
    asked: list[tuple[int, ...]] = []

    def answer(inputs: np.ndarray) -> np.ndarray:
        asked.append(inputs.shape)
        return np.full((len(inputs), len(LABELS)), 0.5, np.float32)

    monkeypatch.setattr("har_train.training.fit.load_teacher", lambda config, labels: answer)
    config = taught.with_(
        epochs=1, fine_tune_epochs=1, teacher_share=1.0, fine_tune_frames=drawn_frames
    )
    result = fit(config, cache=cache)
    assert result.model.input_shape[1] == config.window.num_frames
    assert sum(shape[0] for shape in asked) >= 8  # each training clip, of the twelve
    assert {shape[1:] for shape in asked} == {(drawn_frames or config.window.num_frames, 32, 32, 3)}
    # What it says is all that is learnt: no answer is better than an even one, at ln 2.
    assert result.history["loss"][1] >= np.log(2) - 1e-6


def test_one_that_does_not_fit_is_refused(taught: FitConfig, tmp_path: Path) -> None:
    with pytest.raises(
        DataError, match=r"labels to learn: left, other, right. Received left, right\."
    ):
        load_teacher(taught, ("left", "other", "right"))
    with pytest.raises(DataError, match=r"windows of 4 frames. Received 6. .*--num-frames 4"):
        load_teacher(taught.with_(num_frames=4), LABELS)
    with pytest.raises(DataError, match="should be a run folder"):
        load_teacher(taught.with_(teacher=str(tmp_path)), LABELS)
    with pytest.raises(DataError, match=r"gone should be .* lacks model.keras, spec.json"):
        load_teacher(taught.with_(teacher=str(tmp_path / "gone")), LABELS)
    with pytest.raises(DataError, match="without --fine-tune-blocks"):
        taught.with_(fine_tune_blocks=0)


def test_one_that_sees_differences_is_not_asked_about_one_frame(
    taught: FitConfig, trained: FitResult, tmp_path: Path
) -> None:
    config = trained.config.with_(head_input="differences")
    save_run(replace(trained, config=config), tmp_path / "run")
    asked = taught.with_(teacher=str(tmp_path / "run"), fine_tune_frames=1)
    with pytest.raises(DataError, match=r"at least 2\. Received --fine-tune-frames 1"):
        load_teacher(asked, LABELS)


@pytest.mark.slow
def test_command(
    har_train: Callable[..., CompletedProcess[str]], run_folder: Path, tmp_path: Path, cache: Path
) -> None:
    """It is told before anything is trained that only drawn pixels can be asked about."""
    command = ("fit", "--config", run_folder / "config.toml", "--cache", cache, "--out", "student")
    result = har_train(*command, "--teacher", run_folder, "--fine-tune-blocks", "1")
    assert result.returncode == 1
    assert "Expected --fresh-views" in result.stderr
    assert f"Received --teacher {run_folder} without it" in result.stderr
    tuning = ("--fresh-views", "--fine-tune-blocks", "1", "--fine-tune-epochs", "1")
    result = har_train(*command, "--teacher", run_folder, *tuning, "--epochs", "1")
    assert result.returncode == 0, result.stderr
    assert (tmp_path / "student" / "model.keras").is_file()
    assert f'teacher = "{run_folder}"' in (tmp_path / "student" / "config.toml").read_text()
