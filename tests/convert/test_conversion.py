"""Files get their names only once they have been run and compared."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import numpy as np
import pytest

from har_convert.conversion import convert_run
from har_convert.process import ConversionError
from har_convert.recipe import VARIANTS, Recipe
from har_convert.run_folder import Run, iter_clips, load_run
from har_convert.worker import Maker, load_parts
from har_edge.errors import DataError, OutputError
from har_edge.model.loaded import load_model
from har_edge.model.spec import Variant
from har_edge.sources.clips import load_frames

pytest.importorskip("tensorflow")
pytestmark = pytest.mark.train

Converted = tuple[Path, "CompletedProcess[str]"]


def keras_probabilities(run: Run) -> Any:
    maker = Maker(run, *load_parts(run))
    clips = iter_clips(run, run.held_out(0))
    return np.concatenate([maker.predict(clip)[1] for clip in clips])


def path_of(converted: Converted, variant: Variant) -> Path:
    return converted[0] / f"colours-{variant}{Recipe(variant).suffixes()[0]}"


def edge_probabilities(run: Run, path: Path) -> Any:
    model = load_model(path)
    clips = [load_frames(item.path, run.spec.clip) for item in run.held_out(0)]
    return np.stack([model.classify_clip(frames[[0, 0, 0]]) for frames in clips])


@pytest.mark.parametrize(
    ("variant", "tolerance"),
    [("float32", 1e-4), ("float16", 1e-2), ("dynamic", 0.1), ("int8", 0.2), ("onnx", 1e-4),
     ("onnx-int8", 0.2)],
)  # fmt: skip
def test_files_say_what_keras_says(
    variant: Variant, tolerance: float, run: Run, converted: Converted
) -> None:
    path = path_of(converted, variant)
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
    assert metrics["verified_windows"] == metrics["verified_clips"] == len(expected)
    assert metrics["verified_on_held_out"] == 1
    truth = [run.spec.labels.index(item.label) for item in run.held_out(0)]
    accuracy = (found.argmax(axis=1) == truth).mean()
    keras_accuracy = (expected.argmax(axis=1) == truth).mean()
    assert metrics["verified_accuracy"] == pytest.approx(accuracy)
    assert metrics["verified_keras_accuracy"] == pytest.approx(keras_accuracy)
    assert metrics["accuracy_drop_points"] == pytest.approx(100 * (keras_accuracy - accuracy))
    assert metrics["accuracy_drop_low"] <= metrics["accuracy_drop_points"]
    assert metrics["accuracy_drop_points"] <= metrics["accuracy_drop_high"]
    assert metrics["feature_cosine"] > 0.99
    assert metrics["encode_ms"] > 0 < metrics["classify_ms"]


@pytest.mark.parametrize("variant", VARIANTS)
def test_files_carry_the_spec(variant: Variant, run: Run, converted: Converted) -> None:
    spec = load_model(path_of(converted, variant)).spec
    assert spec.variant == variant
    assert (spec.labels, spec.clip, spec.name) == (run.spec.labels, run.spec.clip, "colours")
    assert (spec.description, spec.license) == ("Names colours.", "MIT")
    assert spec.metrics.items() >= run.spec.metrics.items()


def test_calibration_frames_stand_in_for_held_out_files(
    run_folder: Path, in_process: None, tmp_path: Path
) -> None:
    empty = tmp_path / "no-data"
    empty.mkdir()
    run = load_run(run_folder, empty)
    lines: list[str] = []
    (made,) = convert_run(run, ["float32"], tmp_path / "out", say=lines.append).conversions
    assert not made.result.held_out
    assert made.result.accuracy is None
    assert made.result.windows == made.result.clips == len(run.representative().windows)
    assert made.result.max_difference < 1e-4
    assert [p.name for p in made.paths] == ["colours-float32.tflite"]
    assert made.size_bytes == made.paths[0].stat().st_size
    assert made.passed
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == [
        "MODEL_CARD.md",
        "SHA256SUMS",
        "colours-float32.tflite",
    ]
    assert "converting to float32" in lines
    assert "verified_accuracy" not in load_model(made.paths[0]).spec.metrics


def test_temperature_is_applied_to_both_sides(
    copied_run: Path, in_process: None, tmp_path: Path
) -> None:
    spec = json.loads((copied_run / "spec.json").read_text(encoding="utf-8"))
    spec["temperature"] = 3.0
    (copied_run / "spec.json").write_text(json.dumps(spec), encoding="utf-8")
    (made,) = convert_run(load_run(copied_run), ["float32"], tmp_path).conversions
    assert made.result.max_difference < 1e-4
    assert load_model(made.paths[0]).spec.temperature == 3.0


def test_broken_model_leaves_only_the_log(copied_run: Path, tmp_path: Path) -> None:
    (copied_run / "model.keras").write_bytes(b"no model")
    with pytest.raises(ConversionError, match=r"model.keras cannot be loaded"):
        convert_run(load_run(copied_run), ["float32", "int8"], tmp_path / "out")
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["colours-convert.log"]
    log = (tmp_path / "out" / "colours-convert.log").read_text(encoding="utf-8")
    assert "Traceback" in log


@pytest.mark.parametrize("out", ["file", "file/deeper"])
def test_out_that_cannot_be_written_is_refused_first(out: str, run: Run, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    lines: list[str] = []
    with pytest.raises(OutputError, match=r"cannot be written.*--out"):
        convert_run(run, ["float32"], tmp_path / out, say=lines.append)
    assert lines == []


def test_damaged_table_of_predictions_is_refused(copied_run: Path, tmp_path: Path) -> None:
    with (copied_run / "predictions.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([["path", "label"], ["red/0.png", "red"]])
    with pytest.raises(DataError, match=r"predictions.csv"):
        convert_run(load_run(copied_run), ["float32"], tmp_path / "out")
