"""The run folder: complete, consistent, and never half written."""

from __future__ import annotations

import csv
import errno
import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from har_edge.datasets import Sample
from har_edge.errors import DataError, OutputError
from har_edge.frames.sampling import FrameSampler
from har_edge.model.loaded import LoadedModel
from har_edge.model.spec import ClipSpec, ModelSpec
from har_edge.recognition.recognizer import Recognizer
from har_edge.sources.clips import load_frames
from har_edge.sources.open import open_source
from har_train.config import FitConfig, load_config
from har_train.dataset.samples import load_dataset
from har_train.evaluation.predict import is_run
from har_train.reports.predictions import SplitPredictions
from har_train.reports.tables import write_predictions
from har_train.run_folder import (
    _write_samples,
    check_finished,
    check_free,
    data_root,
    representative_set,
    resume_config,
    save_run,
    start_checkpoints,
)
from har_train.training.fit import fit
from har_train.training.result import FitResult
from tests.conftest import ASSETS

pytest.importorskip("tensorflow")
pytestmark = pytest.mark.train

FILES = {
    "model.keras", "spec.json", "labels.txt", "history.csv", "metrics.json",
    "training_history.png", "confusion_matrix.png", "per_class_accuracy.png",
    "classification_report.txt", "representative.npz", "config.toml", "predictions.csv",
    "split.csv", "per_class.csv", "reliability.png", "risk_coverage.png", "errors.png",
}  # fmt: skip


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_everything_is_there_and_nothing_unfinished(run_folder: Path) -> None:
    assert {p.name for p in run_folder.iterdir()} >= FILES
    assert all(p.stat().st_size > 0 for p in run_folder.iterdir())
    assert [p.name for p in run_folder.parent.iterdir()] == [run_folder.name]
    for name in FILES:
        if name.endswith(".png"):
            with Image.open(run_folder / name) as image:
                image.load()


def test_spec_labels_and_settings(run_folder: Path, trained: FitResult) -> None:
    assert ModelSpec.from_json((run_folder / "spec.json").read_bytes()) == trained.spec
    assert (run_folder / "labels.txt").read_text(encoding="utf-8") == "left\nright\n"
    assert FitConfig.of(**load_config(run_folder / "config.toml")) == trained.config


def test_model_loads_and_says_the_same(run_folder: Path, trained: FitResult) -> None:
    import keras

    model = keras.models.load_model(run_folder / "model.keras")
    pixels = np.random.default_rng(0).integers(0, 256, (2, 6, 32, 32, 3)).astype(np.float32)
    expected = trained.model.predict_on_batch(pixels)
    assert np.abs(model.predict_on_batch(pixels) - expected).max() < 1e-6
    assert not model.compiled


def test_history_and_metrics(run_folder: Path, trained: FitResult) -> None:
    rows = rows_of(run_folder / "history.csv")
    assert [int(row["epoch"]) for row in rows] == [1, 2, 3]
    for key, values in trained.history.items():
        assert [float(row[key]) for row in rows] == pytest.approx(list(values))
    metrics = json.loads((run_folder / "metrics.json").read_text(encoding="utf-8"))
    assert metrics == {"best_epoch": trained.best_epoch, **trained.metrics}


def test_predictions_and_confusion(run_folder: Path, trained: FitResult, clips: Path) -> None:
    test = trained.predictions["test"]
    rows = rows_of(run_folder / "predictions.csv")
    assert len(rows) == len(test.probabilities)
    counts = np.zeros((2, 2), int)
    for path in test.paths:
        name = path.relative_to(clips).as_posix()
        own = [row for row in rows if row["path"] == name]
        assert {row["label"] for row in own} == {path.parent.name}
        means = [np.mean([float(row[f"p({c})"]) for row in own]) for c in ("left", "right")]
        counts[("left", "right").index(path.parent.name), int(np.argmax(means))] += 1
        for row in own:
            values = {c: float(row[f"p({c})"]) for c in ("left", "right")}
            assert row["action"] == max(values, key=lambda c: values[c])
    with (run_folder / "confusion_matrix.csv").open(encoding="utf-8", newline="") as file:
        head, *matrix = csv.reader(file)
    assert head == ["true \\ predicted", "left", "right"]
    assert matrix == [[c, *map(str, row)] for c, row in zip(head[1:], counts, strict=True)]
    assert [int(r["first_frame"]) for r in rows] == test.first_frames.tolist()


def test_split_is_a_manifest_that_gives_the_same_split(
    run_folder: Path, trained: FitResult, clips: Path
) -> None:
    again = load_dataset(run_folder / "split.csv", clips)
    assert {(s.path, s.label, s.split) for s in again} == {
        (s.path, s.label, s.split) for s in trained.samples
    }
    assert all(not Path(s.group).is_absolute() for s in again)


def test_representative_frames_are_those_of_training_files(
    run_folder: Path, trained: FitResult
) -> None:
    """Every window, frame by frame, is a window of a training file, to the pixel."""
    clip = trained.spec.clip
    train = [s for s in trained.samples if s.split == "train"]
    files = {s.path: load_frames(s.path, clip) for s in train}
    with np.load(run_folder / "representative.npz", allow_pickle=False) as arrays:
        frames, windows = arrays["frames"], arrays["windows"]
    assert frames.dtype == np.uint8
    assert frames.shape[1:] == clip.frame_shape
    found = set()
    for window in windows:
        pixels = frames[window]
        sources = [path for path, own in files.items() if _holds(own, pixels)]
        assert sources
        found.update(sources)
    assert {path.parent.name for path in found} == {"left", "right"}
    assert set(windows.ravel()) == set(range(len(frames)))


def _holds(frames: NDArray[np.uint8], window: NDArray[np.uint8]) -> bool:
    count = len(window)
    starts = range(min(0, len(frames) - count), max(1, len(frames) - count + 1))
    candidates = (frames[[max(0, i) for i in range(s, s + count)]] for s in starts)
    return any(np.array_equal(candidate, window) for candidate in candidates)


class SeenPixels:
    """A backend that keeps what it is given."""

    name = version = "spy"

    def __init__(self) -> None:
        self.frames: list[NDArray[Any]] = []

    def encode(self, frame: NDArray[Any]) -> NDArray[Any]:
        self.frames.append(frame[0].copy())
        return np.zeros((1, 1280), np.float32)

    def classify(self, features: NDArray[Any]) -> NDArray[Any]:
        return np.full((1, 2), 0.5, np.float32)


def test_training_sees_the_pixels_that_the_runner_sees(trained: FitResult) -> None:
    for s in trained.samples[:4]:
        backend = SeenPixels()
        recognizer = Recognizer(LoadedModel(trained.spec, Path("m"), 0, backend))
        for frame in open_source(s.path).frames(FrameSampler(trained.spec.clip.frame_rate_hz)):
            recognizer.push(frame)
        assert np.array_equal(np.stack(backend.frames), load_frames(s.path, trained.spec.clip))


def test_representative_set_is_balanced_and_seeded(clips: Path) -> None:
    samples = [Sample(p, p.parent.name, str(p), "train") for p in sorted(clips.rglob("*.mp4"))]
    samples += [Sample(p, p.parent.name, str(p), "test") for p in [clips / "gone.mp4"]]
    clip = ClipSpec(6, 5.0, 32, 32)
    frames, windows = representative_set(samples, clip, seed=1, num_frames=36)
    again = representative_set(samples, clip, seed=1, num_frames=36)
    other = representative_set(samples, clip, seed=2, num_frames=36)
    assert windows.shape == (6, 6)
    assert len(frames) <= 36
    assert np.array_equal(frames, again[0])
    assert np.array_equal(windows, again[1])
    assert frames.shape != other[0].shape or not np.array_equal(frames, other[0])


@pytest.mark.parametrize("make", ["file", "folder"])
def test_non_empty_out_is_refused(make: str, tmp_path: Path) -> None:
    out = tmp_path / "out"
    if make == "folder":
        out.mkdir()
        (out / "precious").touch()
    else:
        out.touch()
    with pytest.raises(OutputError, match=r"out.*Give another --out"):
        check_free(out)


def test_empty_or_missing_out_is_fine(tmp_path: Path) -> None:
    check_free(tmp_path)
    check_free(tmp_path / "deep" / "er")
    assert not (tmp_path / "deep" / "er").exists()


def test_out_below_a_file_is_refused(tmp_path: Path, trained: FitResult) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match=r"cannot be created.*--out"):
        check_free(tmp_path / "file" / "out")
    with pytest.raises(OutputError, match="cannot be written"):
        save_run(trained, tmp_path / "file" / "out")


def test_tables_name_spans_as_a_manifest_does(tmp_path: Path) -> None:
    for name in ("a.mp4", "b.mp4"):
        (tmp_path / name).touch()
    spans = [(0.0, 2.5), (2.5, math.inf)]
    samples = [
        Sample(tmp_path / "a.mp4", label, "g", "train", *span)
        for label, span in zip("xy", spans, strict=True)
    ]
    config = FitConfig.of(data=str(tmp_path / "split.csv"))
    _write_samples([*samples, Sample(tmp_path / "b.mp4", "x", "h", "test")], config,
                   tmp_path / "split.csv")  # fmt: skip
    found = load_dataset(tmp_path / "split.csv")
    assert found[:2] == samples
    assert (found[2].start_s, found[2].end_s) == (0.0, math.inf)
    predictions = SplitPredictions(
        paths=[s.path for s in samples],
        targets=np.array([0, 1]),
        probabilities=np.eye(2, dtype=np.float32),
        clip_of=np.array([0, 1]),
        first_frames=np.array([0, 0]),
        spans=spans,
    )
    write_predictions({"test": predictions}, ("x", "y"), tmp_path, tmp_path / "predictions.csv")
    rows = rows_of(tmp_path / "predictions.csv")
    assert [(r["start_s"], r["end_s"]) for r in rows] == [("", "2.5"), ("2.5", "")]


@pytest.mark.filterwarnings("ignore:Glyph:UserWarning")
def test_odd_labels_reach_every_file(
    config: FitConfig, cache: Path, make_clip: Callable[..., Path], tmp_path: Path
) -> None:
    """A label with commas, quotes or an emoji is a folder's name, a column, a cell and a title."""
    labels = ('says "hi"', "walk, fast", "🏃 läuft")
    for number, label in enumerate(labels):
        for i in range(3):
            make_clip(tmp_path / "data" / label / f"{i}.mp4", seed=3 * number + i)
    result = fit(config.with_(data=str(tmp_path / "data"), epochs=1, name="odd"), cache=cache)
    folder = tmp_path / "run"
    save_run(result, folder)

    assert (folder / "labels.txt").read_text(encoding="utf-8").splitlines() == list(labels)
    assert ModelSpec.from_json((folder / "spec.json").read_text("utf-8")).labels == labels
    samples = load_dataset(folder / "split.csv", tmp_path / "data")
    assert {(s.path, s.label, s.split) for s in samples} == {
        (s.path, s.label, s.split) for s in result.samples
    }
    predictions = rows_of(folder / "predictions.csv")
    assert {row["label"] for row in predictions} == set(labels)
    for row in predictions:
        values = [float(row[f"p({label})"]) for label in labels]
        assert row["action"] == labels[int(np.argmax(values))]
        assert (tmp_path / "data" / row["path"]).is_file()
    assert {row["label"] for row in rows_of(folder / "per_class.csv")} == set(labels)
    report = (folder / "classification_report.txt").read_text(encoding="utf-8")
    assert all(label in report for label in labels)
    for path in folder.glob("*.png"):
        with Image.open(path) as image:
            image.load()


def test_checkpoints_outlive_a_failure_to_write(
    trained: FitResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk at the end costs no training, and leaves no half-written run."""
    checkpoints = start_checkpoints(trained.config, tmp_path / "out")
    (checkpoints / "head.npz").touch()

    def savez(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(np, "savez_compressed", savez)
        with pytest.raises(OutputError, match=r"No space left on device.*Free some disk space"):
            save_run(trained, tmp_path / "out")
    assert [p.name for p in tmp_path.iterdir()] == ["out.partial"]
    assert [p.name for p in checkpoints.parent.iterdir()] == ["checkpoints"]
    assert resume_config(tmp_path / "out") == trained.config
    with pytest.raises(OutputError, match="unfinished training"):
        start_checkpoints(trained.config, tmp_path / "out")
    save_run(trained, tmp_path / "out")
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


def test_leftovers_of_a_killed_run_are_replaced(trained: FitResult, tmp_path: Path) -> None:
    (tmp_path / "out.partial").mkdir()
    (tmp_path / "out.partial" / "junk").touch()
    (tmp_path / "out").mkdir()
    save_run(trained, tmp_path / "out")
    assert [p.name for p in tmp_path.iterdir()] == ["out"]
    assert not (tmp_path / "out" / "junk").exists()


def test_out_may_be_the_current_folder(
    trained: FitResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Refused before training, or written; not lost after training."""
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    try:
        check_free(Path())
    except OutputError:
        return
    save_run(trained, Path())
    assert (tmp_path / "empty" / "model.keras").is_file()


def test_nothing_half_written_stays_after_an_error(trained: FitResult, tmp_path: Path) -> None:
    """A sample of an unknown split stands for any failure in the middle of writing."""
    broken = replace(trained, samples=[replace(trained.samples[0], split="lost")])
    with pytest.raises(ValueError, match=r"tuple.index"):
        save_run(broken, tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_root_of_the_paths_in_tables(tmp_path: Path) -> None:
    (tmp_path / "list.csv").touch()
    assert data_root(FitConfig.of(data=str(tmp_path))) == tmp_path
    assert data_root(FitConfig.of(data=str(tmp_path / "list.csv"))) == tmp_path
    assert data_root(FitConfig.of(data=str(tmp_path / "list.csv"), root="r")) == Path("r")


def test_a_finished_run_has_nothing_to_resume(run_folder: Path) -> None:
    with pytest.raises(DataError, match="is finished, so there is nothing to resume"):
        resume_config(run_folder)


def test_a_folder_of_converted_files_is_no_run(tmp_path: Path) -> None:
    (tmp_path / "mine-int8.tflite").write_bytes((ASSETS / "tiny-int8.tflite").read_bytes())
    check_finished(tmp_path)
    assert not is_run(tmp_path)
    (tmp_path / "mine-int8.tflite").unlink()
    assert is_run(tmp_path)
