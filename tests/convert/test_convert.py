"""Files get their names only once they have been run and compared."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import numpy as np
import pytest

from har_convert.convert import ConversionError, _clip_accuracy, _finish, convert
from har_convert.run_folder import Run, iter_clips, load_run
from har_convert.to_tflite import load_parts, predict
from har_edge.clips import load_frames
from har_edge.errors import DataError, OutputError
from har_edge.recognizer import load_model

pytest.importorskip("tensorflow")
pytestmark = pytest.mark.train

Converted = tuple[Path, "CompletedProcess[str]"]


def keras_probabilities(run: Run) -> Any:
    encoder, classifier = load_parts(run)
    clips = iter_clips(run, run.held_out(0))
    return np.concatenate([predict(encoder, classifier, clip) for clip in clips])


def edge_probabilities(run: Run, path: Path) -> Any:
    model = load_model(path)
    clips = [load_frames(item.path, run.spec.clip) for item in run.held_out(0)]
    return np.stack([model.classify_clip(frames[[0, 0, 0]]) for frames in clips])


@pytest.mark.parametrize(("variant", "tolerance"), [("float32", 1e-4), ("int8", 0.2)])
def test_files_say_what_keras_says(
    variant: str, tolerance: float, run: Run, converted: Converted
) -> None:
    path = converted[0] / f"colours-{variant}.tflite"
    expected, found = keras_probabilities(run), edge_probabilities(run, path)
    assert np.ptp(expected, axis=0).min() > 0.2  # the classes are told apart
    assert np.abs(found - expected).max() < tolerance
    metrics = load_model(path).spec.metrics
    assert metrics["max_probability_difference"] == pytest.approx(
        np.abs(found - expected).max(), abs=1e-6
    )
    agreement = (found.argmax(axis=1) == expected.argmax(axis=1)).mean()
    assert metrics["top_1_agreement_with_keras"] == pytest.approx(agreement)
    assert agreement >= 0.9
    assert metrics["verified_windows"] == len(expected)
    assert metrics["verified_on_held_out"] == 1
    truth = [run.spec.labels.index(item.label) for item in run.held_out(0)]
    assert metrics["verified_accuracy"] == pytest.approx((found.argmax(axis=1) == truth).mean())


def test_tempered_files_are_compared_with_tempered_keras(
    run: Run, converted: Converted, tmp_path: Path
) -> None:
    tempered = Run(run.folder, run.spec.with_(temperature=3.0), run.data_root)
    content = (converted[0] / "colours-float32.tflite").read_bytes()
    result = _finish(
        tempered,
        "float32",
        content,
        "",
        tmp_path / "warm.tflite",
        run.held_out(0),
        keras_probabilities(run),
    )
    assert result.max_difference < 1e-4
    assert load_model(tmp_path / "warm.tflite").spec.temperature == 3.0


@pytest.mark.parametrize("variant", ["float32", "int8"])
def test_files_carry_the_spec(variant: str, run: Run, converted: Converted) -> None:
    spec = load_model(converted[0] / f"colours-{variant}.tflite").spec
    assert spec.variant == variant
    assert (spec.labels, spec.clip, spec.name) == (run.spec.labels, run.spec.clip, "colours")
    assert (spec.description, spec.license) == ("Names colours.", "MIT")
    assert spec.metrics.items() >= run.spec.metrics.items()


def test_calibration_frames_stand_in_for_held_out_files(run_folder: Path, tmp_path: Path) -> None:
    empty = tmp_path / "no-data"
    empty.mkdir()
    run = load_run(run_folder, empty)
    lines: list[str] = []
    (result,) = convert(run, ["float32"], tmp_path / "out", say=lines.append)
    assert not result.held_out
    assert result.accuracy is None
    assert result.windows == len(run.representative().windows)
    assert result.max_difference < 1e-4
    assert result.size_bytes == result.path.stat().st_size
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == [
        "colours-convert.log",
        "colours-float32.tflite",
    ]
    assert "converting to float32" in lines


def test_broken_model_leaves_only_the_log(copied_run: Path, tmp_path: Path) -> None:
    (copied_run / "model.keras").write_bytes(b"no model")
    with pytest.raises(ConversionError, match=r"The conversion failed: .*model.keras"):
        convert(load_run(copied_run), ["float32", "int8"], tmp_path / "out")
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["colours-convert.log"]
    log = (tmp_path / "out" / "colours-convert.log").read_text(encoding="utf-8")
    assert "Traceback" in log


@pytest.mark.parametrize("out", ["file", "file/deeper"])
def test_out_that_cannot_be_written_is_refused_first(out: str, run: Run, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    lines: list[str] = []
    with pytest.raises(OutputError, match=r"cannot be written.*--out"):
        convert(run, ["float32"], tmp_path / out, say=lines.append)
    assert lines == []


def plain_accuracy(rows: Any, clip_of: Sequence[int], labels: list[str], known: str) -> float:
    hits = 0
    for clip, label in enumerate(labels):
        own = [row for row, of in zip(rows, clip_of, strict=True) if of == clip]
        means = [sum(column) / len(own) for column in zip(*own, strict=True)]
        hits += known[means.index(max(means))] == label
    return hits / len(labels)


@pytest.mark.parametrize("seed", range(3))
def test_accuracy_per_clip(seed: int) -> None:
    random = np.random.default_rng(seed)
    clip_of = np.repeat(np.arange(8), random.integers(1, 5, 8))
    rows = random.dirichlet(np.ones(3), len(clip_of)).astype(np.float32)
    labels = [str(c) for c in random.choice(list("abc"), 8)]
    expected = plain_accuracy(rows, clip_of.tolist(), labels, "abc")
    assert _clip_accuracy(rows, clip_of, labels, "abc") == pytest.approx(expected)
    assert _clip_accuracy(rows, clip_of, [*labels[:-1], ""], "abc") is None


def test_damaged_table_of_predictions_is_refused(copied_run: Path, tmp_path: Path) -> None:
    with (copied_run / "predictions.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([["path", "label"], ["red/0.png", "red"]])
    with pytest.raises(DataError, match=r"predictions.csv"):
        convert(load_run(copied_run), ["float32"], tmp_path / "out")
