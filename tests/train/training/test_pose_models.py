"""Models of poses: trained on tracks and skeletons, without any pixels."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

import har_train
from har_edge.datasets import Sample
from har_edge.errors import DataError
from har_edge.recognition.tracks_file import PoseTrack, track_rows, write_tracks
from har_edge.sources.clips import window_indices
from har_train.config import FitConfig
from har_train.dataset.samples import check_kind
from har_train.explain.files import load_explainer
from har_train.explore.explore import ExploreConfig, explore
from har_train.model.keras_run import load_run
from har_train.skeletons.camera import Camera, project
from har_train.skeletons.degrade import LIKE_A_NETWORK, boxes_of, degrade, inside_of
from har_train.trained_run import TrainedRun
from tests.support.skeletons import falling, save, standing
from tests.train.conftest import RunCommand

pytestmark = pytest.mark.train
pytest.importorskip("tensorflow")
MADE = {"falling": falling, "standing": standing, "waiting": standing}
T = 6


def tracked(label: str, count: int, seed: int) -> PoseTrack:
    """What a network would see of a drawn person."""
    random = np.random.default_rng(seed)
    camera = Camera(azimuth=random.uniform(-3, 3))
    joints = inside_of(project(MADE[label](count), camera))
    boxes = boxes_of(joints, camera.aspect, LIKE_A_NETWORK, random)
    joints = degrade(joints, boxes, camera.aspect, LIKE_A_NETWORK, random)
    return PoseTrack(joints, boxes, camera.aspect, 8.0, label, str(seed))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tracks and skeletons of three classes in one manifest; tracks shorter and longer than T."""
    folder = tmp_path_factory.mktemp("poses")
    rows = []
    for label, make in MADE.items():
        write_tracks(folder / f"{label}.npz", [tracked(label, 3 + 4 * i, i) for i in range(5)])
        joints = np.concatenate([make(12) for _ in range(4)])
        save(
            folder / f"{label}-3d.npz", xyz=joints, off=np.arange(5) * 12,
            label=np.array([label] * 4), group=np.array(list("abcd")), fps=np.full(4, 15.0),
        )  # fmt: skip
        for stem, count in ((label, 5), (f"{label}-3d", 4)):
            rows += [(f"{stem}.npz#{i}", label, f"{stem}-{i}") for i in range(count)]
    with (folder / "poses.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([("path", "label", "group"), *rows])
    return folder / "poses.csv"


@pytest.fixture(scope="module")
def run(data: Path, tmp_path_factory: pytest.TempPathFactory) -> TrainedRun:
    """A small run."""
    return har_train.fit(
        data, out=tmp_path_factory.mktemp("runs") / "poses", head_input="pose,motion",
        labels=("falling", "standing"), num_frames=T, views=2, head="mean", lstm_units=4,
        dense_units=(16,), feature_dropout=0.0, dropout=0.0, epochs=20, keep="last",
        learning_rate=0.02, balance="weights", label_smoothing=0.1,
    )  # fmt: skip


def test_the_run_folder_is_that_of_a_pose_model(run: TrainedRun) -> None:
    spec = json.loads((run.folder / "spec.json").read_text(encoding="utf-8"))
    assert (spec["view"], spec["head_inputs"]) == ("person", ["pose", "motion"])
    assert (spec["feature_size"], spec["backbone"], spec["variant"]) == (0, "", "keras")
    assert spec["labels"] == ["falling", "standing"]
    loaded = load_run(run.folder)
    assert loaded.encoder is None
    assert loaded.classifier.name == "classify"
    assert loaded.classifier.input_shape == (None, T, 45)
    assert loaded.classifier.output_shape == (None, 2)
    beside = (run.folder / "beside.csv").read_text(encoding="utf-8")
    assert "waiting.npz#" in beside and "falling.npz#" not in beside
    with np.load(run.folder / "representative.npz") as kept:
        rows, windows = kept["rows"], kept["windows"]
    assert rows.dtype == np.float32 and rows.shape[1] == 45
    assert windows.shape[1] == T and windows.max() < len(rows)


def test_it_learns(run: TrainedRun) -> None:
    """A fall is told from standing, whoever saw it."""
    assert run.metrics["train"]["accuracy"] > 0.6
    history = list(csv.DictReader((run.folder / "history.csv").open(encoding="utf-8")))
    assert float(history[-1]["loss"]) < 0.7 * float(history[0]["loss"])


def test_recorded_predictions_are_of_the_rows_that_the_edge_makes(
    run: TrainedRun, data: Path
) -> None:
    recorded = list(csv.DictReader((run.folder / "predictions.csv").open(encoding="utf-8")))
    names = {row["path"] for row in recorded}
    name = next(name for name in names if "-3d" not in name)
    stem, number = name.split(".npz#")
    track = tracked(stem, 3 + 4 * int(number), int(number))
    rows = track_rows(track, ("pose", "motion"), frame_rate_hz=8.0)
    windows = rows[window_indices(len(rows), T, max(1, T // 4))]
    expected = np.asarray(load_run(run.folder).classifier.predict_on_batch(windows))
    power = expected ** (1 / run.spec.temperature)
    expected = power / power.sum(axis=1, keepdims=True)
    found = [float(row["p(falling)"]) for row in recorded if row["path"] == name]
    np.testing.assert_allclose(found, expected[:, 0], atol=2e-5)


def test_it_is_judged_as_it_was_recorded(run: TrainedRun) -> None:
    found = har_train.evaluate(run)
    for split, metrics in run.metrics.items():
        assert found.metrics[split]["accuracy"] == metrics["accuracy"]


def test_it_is_judged_on_other_poses_and_on_poses_alone(
    run: TrainedRun, clips: Path, tmp_path: Path
) -> None:
    write_tracks(tmp_path / "new.npz", [tracked("falling", 20, 50), tracked("standing", 20, 51)])
    table = tmp_path / "new.csv"
    table.write_text("path,label\nnew.npz#0,falling\nnew.npz#1,standing\n", encoding="utf-8")
    assert har_train.evaluate(run, table).metrics["all"]["clips"] == 2
    with pytest.raises(DataError, match="learns from sequences of keypoints"):
        har_train.evaluate(run, clips)


def test_what_looks_at_pictures_says_that_there_are_none(run: TrainedRun, data: Path) -> None:
    with pytest.raises(DataError, match="sees pose and motion alone"):
        load_explainer(str(run.folder))
    with pytest.raises(DataError, match="Expected pictures or clips"):
        explore(ExploreConfig(str(data)))


def test_data_of_the_other_kind_is_refused(data: Path, clips: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"Expected pictures or clips.*--head-input pose,motion"):
        har_train.fit(data, out=tmp_path / "run")
    with pytest.raises(DataError, match=r"FILE\.npz#N.*har-train poses"):
        har_train.fit(clips, out=tmp_path / "run", head_input="pose")
    mixed = [Sample(Path("a.npz#0"), "a", ""), Sample(Path("a.png"), "a", "")]
    with pytest.raises(DataError, match=r"Received a\.png"):
        check_kind(mixed, poses=True)
    assert not (tmp_path / "run").exists()


def test_settings_of_pixels_are_refused_or_named(data: Path) -> None:
    with pytest.raises(DataError, match="no backbone to fine-tune"):
        FitConfig.of(data=str(data), head_input="pose", fine_tune_blocks=2)
    config = FitConfig.of(data=str(data), head_input="motion", size=96, weights="none")
    assert config.without_pixels == ["--size 96", "--weights none"]
    assert FitConfig.of(data=str(data), size=96).without_pixels == []
    assert config.head.of_people == ("motion",)


def test_command(data: Path, har_train: RunCommand) -> None:
    result = har_train(
        "fit", data, "--head-input", "motion", "--num-frames", "4", "--epochs", "1",
        "--head", "mean", "--out", "mine", "--size", "64",
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    assert "sees no pixels, so that these have no effect: --size 64" in result.stderr
    assert "motion" in json.loads(Path("mine/spec.json").read_text(encoding="utf-8"))["head_inputs"]
