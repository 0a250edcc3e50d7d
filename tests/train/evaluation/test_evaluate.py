"""Finished models judged again: as they were, on other data, in the edge's runtimes."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import numpy as np
import pytest
from PIL import Image

from har_edge.errors import DataError, HarError, OutputError, SpecError
from har_edge.frames.sampling import FrameSampler
from har_edge.model.loaded import load_model
from har_edge.model.spec import ModelSpec
from har_edge.recognition.recognizer import Recognizer
from har_edge.sources.open import open_source
from har_train.config import FitConfig
from har_train.evaluation import evaluate as evaluation
from har_train.evaluation.evaluate import (
    OUTPUT_NAMES,
    Evaluation,
    LabelledData,
    check_labels,
    check_output,
    default_folder,
    evaluate,
    load_data,
    save_evaluation,
)
from har_train.evaluation.predict import KerasPredictor, Predictor, load_predictor
from har_train.model.keras_run import load_run
from har_train.run_folder import start_checkpoints
from har_train.watch import Watch
from tests.conftest import ASSETS

pytest.importorskip("tensorflow")
pytestmark = pytest.mark.train

RunCommand = Callable[..., "CompletedProcess[str]"]
TINY = ASSETS / "tiny-float32.tflite"


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="session")
def judged(run_folder: Path, cache: Path) -> Evaluation:
    """The small run on its own data."""
    predictor = load_predictor(str(run_folder), cache=cache)
    return evaluate(str(run_folder), predictor, load_data(str(run_folder), None))


@pytest.fixture
def tiny_clips(tmp_path: Path, make_clip: Callable[..., Path]) -> Path:
    """Clips for the tiny model's classes, one of them shorter than its window."""
    for number, label in enumerate(load_model(TINY).spec.labels):
        for count in (3, 23):
            make_clip(tmp_path / "tiny" / label / f"{count}.mp4", count=count, seed=number)
    return tmp_path / "tiny"


def test_a_run_is_found_as_good_as_it_was_recorded(judged: Evaluation, run_folder: Path) -> None:
    recorded = json.loads((run_folder / "metrics.json").read_text(encoding="utf-8"))
    assert list(judged.metrics) == ["train", "val", "test"]
    for part, figures in judged.metrics.items():
        assert figures == pytest.approx(recorded[part], abs=1e-6)


def test_tables_say_what_fit_wrote(judged: Evaluation, run_folder: Path, tmp_path: Path) -> None:
    save_evaluation(judged, tmp_path / "out")
    assert {p.name for p in (tmp_path / "out").iterdir()} == OUTPUT_NAMES
    found = [r for r in rows_of(tmp_path / "out" / "predictions.csv") if r["split"] == "test"]
    recorded = {(r["path"], r["first_frame"]): r for r in rows_of(run_folder / "predictions.csv")}
    assert len(found) == len(recorded)
    for row in found:
        expected = recorded[row["path"], row["first_frame"]]
        assert float(row["p(left)"]) == pytest.approx(float(expected["p(left)"]), abs=2e-6)
    for name in ("per_class.csv", "classification_report.txt", "confusion_matrix.csv"):
        assert (tmp_path / "out" / name).read_bytes() == (run_folder / name).read_bytes()
    metrics = json.loads((tmp_path / "out" / "metrics.json").read_text(encoding="utf-8"))
    assert (metrics["variant"], metrics["test"]) == ("keras", dict(judged.metrics["test"]))


def test_the_page_shows_all_and_loads_nothing(judged: Evaluation, tmp_path: Path) -> None:
    save_evaluation(judged, tmp_path / "out")
    page = (tmp_path / "out" / "evaluate.html").read_text(encoding="utf-8")
    assert page.count("data:image/png;base64,") == 5
    for text in ("left", "right", "window accuracy", "95 % interval", "test files"):
        assert text in page.replace("window_accuracy", "window accuracy")
    assert "http://" not in page and "https://" not in page
    # What was written before there was a page is written over, too.
    (tmp_path / "out" / "evaluate.html").unlink()
    save_evaluation(judged, tmp_path / "out")
    assert (tmp_path / "out" / "evaluate.html").is_file()


def test_confidence_is_tempered_once(run_folder: Path, cache: Path, judged: Evaluation) -> None:
    run = load_run(run_folder)
    hot = replace(run, spec=run.spec.with_(temperature=run.spec.temperature * 3))
    data = load_data(str(run_folder), None, splits=["test"])
    cooler = evaluate("hot", KerasPredictor(hot, cache), data).parts["test"].probabilities
    ours = judged.parts["test"].probabilities
    powers = ours ** (1 / 3)
    assert np.abs(cooler - powers / powers.sum(axis=1, keepdims=True)).max() < 1e-5


@pytest.mark.parametrize("name", ["tiny-int8.tflite", "tiny-onnx.classify.onnx"])
def test_converted_files_say_what_the_runner_says(name: str, tiny_clips: Path) -> None:
    """Windows are those of `har-edge run` that end T / 4 frames apart, and the last."""
    if name.endswith("onnx"):
        pytest.importorskip("onnxruntime")
    path = ASSETS / name
    predictor = load_predictor(str(path), cache=Path("unused"), stride=1)
    found = evaluate(name, predictor, load_data(str(path), str(tiny_clips)))
    part, labels = found.parts["all"], found.spec.labels
    for clip, file in enumerate(part.paths):
        recognizer = Recognizer(load_model(path))
        said = [
            recognizer.push(f)
            for f in open_source(file).frames(FrameSampler(found.spec.clip.frame_rate_hz))
        ]
        expected = [p.probabilities for p in [*said, recognizer.flush()] if p is not None]
        assert np.array_equal(part.probabilities[part.clip_of == clip], np.stack(expected))
        assert labels[part.targets[clip]] == file.parent.name


def test_parts(tmp_path: Path, stills: Path) -> None:
    assert list(load_data("m.tflite", str(stills)).parts) == ["all"]
    lines = ["path,label,split", "red/0.png,red,test", "blue/0.png,blue,", "red/1.png,red,train"]
    (stills / "list.csv").write_text("\n".join(lines), encoding="utf-8")
    data = load_data("m.tflite", str(stills / "list.csv"))
    assert {k: [s.path.name for s in v] for k, v in data.parts.items()} == {
        "train": ["0.png", "1.png"],
        "test": ["0.png"],
    }
    chosen = load_data("m.tflite", str(stills / "list.csv"), splits=["test"])
    assert list(chosen.parts) == ["test"]
    with pytest.raises(DataError, match=r"no part val\. Expected some of train, test"):
        load_data("m.tflite", str(stills / "list.csv"), splits=["val"])


def test_data_of_a_run_is_split_as_it_was(run_folder: Path, clips: Path) -> None:
    expected = {(clips / r["path"], r["split"]) for r in rows_of(run_folder / "split.csv")}
    for arguments in ((str(run_folder), None), ("m.tflite", str(run_folder)),
                      (str(run_folder / "model.keras"), None)):  # fmt: skip
        data = load_data(*arguments)
        found = {(s.path, s.split) for part in data.parts.values() for s in part}
        assert found == expected
        assert data.stride == 1


def test_moved_data_is_found_by_root(run_folder: Path, clips: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(run_folder, run)
    text = (run / "config.toml").read_text(encoding="utf-8").replace(str(clips), "gone")
    (run / "config.toml").write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=r"should be in gone, which does not exist.*--root"):
        load_data(str(run), None)
    assert load_data(str(run), None, root=str(clips)).base == clips


def test_classes_are_compared(stills: Path) -> None:
    data = load_data("m.tflite", str(stills))
    check_labels(("red", "blue"), data)
    with pytest.raises(DataError, match=r"does not know: red\. Expected some of blue, green"):
        check_labels(("blue", "green"), data, allow_missing=True)
    with pytest.raises(DataError, match=r"no files of green.*--allow-missing"):
        check_labels(("blue", "green", "red"), data)
    check_labels(("blue", "green", "red"), data, allow_missing=True)


def test_absent_classes_can_be_left_out_of_the_figures(
    run_folder: Path, clips: Path, cache: Path, tmp_path: Path
) -> None:
    shutil.copytree(clips / "left", tmp_path / "data" / "left")
    predictor = load_predictor(str(run_folder), cache=cache)
    found = evaluate("m", predictor, load_data(str(run_folder), str(tmp_path / "data")))
    assert found.metrics["all"]["macro_recall"] == found.metrics["all"]["accuracy"]
    save_evaluation(found, tmp_path / "out")
    right = next(r for r in rows_of(tmp_path / "out" / "per_class.csv") if r["label"] == "right")
    assert right["support"] == "0"


@pytest.mark.parametrize("kind", ["keras", "tflite"])
def test_unreadable_files_are_named_and_left_out(
    kind: str, tiny_clips: Path, clips: Path, run_folder: Path, cache: Path, tmp_path: Path
) -> None:
    model, data = str(TINY), tiny_clips
    if kind == "keras":
        model, data = str(run_folder), tmp_path / "squares"
        shutil.copytree(clips, data)
    next(p for p in data.iterdir() if p.is_dir()).joinpath("bad.mp4").write_bytes(b"no video")
    said = list[str]()
    predictor = load_predictor(model, cache=cache)
    found = evaluate(model, predictor, load_data(model, str(data)), watch=Watch(said.append))
    assert len(said) == 1
    assert "bad.mp4" in said[0]
    names = [p.name for p in found.parts["all"].paths]
    assert "bad.mp4" not in names
    assert found.metrics["all"]["clips"] == len(names)


def test_nothing_readable_is_an_error(run_folder: Path, cache: Path, tmp_path: Path) -> None:
    for label in ("left", "right"):
        (tmp_path / "data" / label).mkdir(parents=True)
        (tmp_path / "data" / label / "a.png").write_bytes(b"")
    data = load_data(str(run_folder), str(tmp_path / "data"))
    predictor = load_predictor(str(run_folder), cache=cache)
    with pytest.raises(DataError, match="None of the files"):
        evaluate("m", predictor, data)


def test_models_that_cannot_be_loaded(run_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"It lacks model\.keras, spec\.json\."):
        load_run(tmp_path)
    run = tmp_path / "run"
    shutil.copytree(run_folder, run)
    (run / "model.keras").write_bytes(b"damaged")
    with pytest.raises(DataError, match=r"model\.keras cannot be loaded.*Copy it again"):
        load_run(run)
    shutil.copy(run_folder / "model.keras", run)
    spec = ModelSpec.from_json((run / "spec.json").read_bytes())
    (run / "spec.json").write_text(spec.with_(labels=("a", "b", "c")).to_json(), encoding="utf-8")
    with pytest.raises(DataError, match=r"3 classes.*Received 2"):
        load_run(run)
    (run / "spec.json").write_text("{", encoding="utf-8")
    with pytest.raises(SpecError):
        load_run(run)
    with pytest.raises(HarError, match=r"gone\.tflite"):
        load_predictor("gone.tflite", cache=tmp_path)


def test_an_evaluation_replaces_its_like_and_nothing_else(
    judged: Evaluation, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    save_evaluation(judged, out)
    (out / "metrics.json").write_text("old", encoding="utf-8")
    check_output(out)
    save_evaluation(judged, out)
    assert (out / "metrics.json").read_text(encoding="utf-8") != "old"
    (out / "precious").touch()
    with pytest.raises(OutputError, match="not empty"):
        check_output(out)
    with pytest.raises(OutputError):
        save_evaluation(judged, out)
    assert (out / "precious").exists()
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


def test_nothing_half_written_stays(
    judged: Evaluation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_evaluation(judged, tmp_path / "out")
    before = (tmp_path / "out" / "errors.png").read_bytes()

    def fail(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(evaluation, "write_report", fail)
    with pytest.raises(OutputError, match="No space left"):
        save_evaluation(judged, tmp_path / "out")
    assert [p.name for p in tmp_path.iterdir()] == ["out"]
    assert (tmp_path / "out" / "errors.png").read_bytes() == before


@pytest.mark.parametrize(
    ("model", "data", "expected"),
    [
        ("runs/mine", None, "mine"),
        ("runs/mine/model.keras", None, "mine"),
        ("a/mine-int8.tflite", "runs/mine", "mine-int8-mine"),
        ("a/v1.2-onnx.encode.onnx", "DATA.csv", "v1.2-onnx-DATA"),
        ("runs/mine", "NEW", "mine-NEW"),
    ],
)
def test_default_folder(model: str, data: str | None, expected: str) -> None:
    assert default_folder(model, data) == Path("evaluate") / expected


def test_stills_among_clips_are_seen_as_in_training(
    run_folder: Path, cache: Path, tmp_path: Path
) -> None:
    """Training stills are crop paths, held-out ones are one frame, as the runner sees them."""
    path = tmp_path / "a.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (60, 80, 3), np.uint8)).save(path)
    predictor: Predictor = load_predictor(str(run_folder), cache=cache)
    lines = [f"path,label,split\n{path},left,{split}\n" for split in ("train", "test")]
    said = []
    for text in lines:
        (tmp_path / "list.csv").write_text(text, encoding="utf-8")
        data: LabelledData = load_data(str(run_folder), str(tmp_path / "list.csv"))
        (part,) = evaluate("m", predictor, data).parts.values()
        said.append((part.probabilities[0], int(part.first_frames[0])))
    assert [first for _, first in said] == [0, -5]
    assert np.abs(said[0][0] - said[1][0]).max() > 1e-6


def test_command(
    har_train: RunCommand, run_folder: Path, cache: Path, tmp_path: Path, tiny_clips: Path
) -> None:
    result = har_train("evaluate", run_folder, "--cache", cache)
    assert result.returncode == 0, result.stderr
    lines = [line.split() for line in result.stdout.splitlines()]
    assert lines[0] == ["train", "val", "test"]
    assert {"accuracy", "accuracy_95%_interval", "macro_f1"} <= {line[0] for line in lines if line}
    assert ["precision", "recall", "f1", "support"] in lines
    folder = tmp_path / "evaluate" / run_folder.name
    assert {p.name for p in folder.iterdir()} == OUTPUT_NAMES
    result = har_train("evaluate", TINY, tiny_clips, "--out", "report", "--num-threads", "1")
    assert result.returncode == 0, result.stderr
    assert result.stdout.split()[0] == "all"
    result = har_train("evaluate", "runs/typo")
    assert result.returncode == 1
    assert "There is no model runs/typo" in result.stderr
    (tmp_path / "runs" / "bare").mkdir(parents=True)
    start_checkpoints(FitConfig.of(data="pictures"), tmp_path / "runs" / "mine")
    for name, said in (
        ("bare", "not a finished run folder: model.keras is missing"),
        ("mine", "Continue with: har-train fit --resume runs/mine"),
        ("mine.partial", "Continue with: har-train fit --resume runs/mine\n"),
    ):
        for command in (["evaluate", f"runs/{name}"], ["explain", f"runs/{name}", "a.jpg"]):
            result = har_train(*command)
            assert result.returncode == 1
            assert said in result.stderr
    result = har_train("evaluate", TINY)
    assert result.returncode == 1
    assert "comes without the data that it was trained on" in result.stderr


def test_a_bundled_model_by_its_name_whatever_lies_around(
    har_train: RunCommand, tmp_path: Path, make_clip: Callable[..., Path]
) -> None:
    result = har_train("evaluate", "clips")
    assert result.returncode == 1
    assert "har-train evaluate clips DATA" in result.stderr
    make_clip(tmp_path / "clips" / "falling" / "a.mp4", count=23)
    result = har_train("evaluate", "clips", "clips", "--allow-missing")
    assert result.returncode == 0, result.stderr
    assert (tmp_path / "evaluate" / "clips-clips").is_dir()
    rows = rows_of(tmp_path / "evaluate" / "clips-clips" / "predictions.csv")
    assert {row["label"] for row in rows} == {"falling"}
