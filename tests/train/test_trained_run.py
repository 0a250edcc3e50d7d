"""`import har_train`: a training and an evaluation from Python."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import har_train
from har_edge.errors import DataError
from har_train import EvaluateMeans, FitConfig, FitMeans, TrainedRun, Watch

pytestmark = pytest.mark.train


def test_names_are_complete_sorted_and_loaded_late() -> None:
    assert har_train.__all__ == sorted(har_train.__all__)
    assert set(har_train.__all__) == set(har_train._HOMES)
    assert all(getattr(har_train, name) for name in har_train.__all__)
    assert set(har_train.__all__) <= set(dir(har_train))
    with pytest.raises(AttributeError, match="no attribute 'train'"):
        _ = har_train.train
    code = "import sys, har_train; print({'numpy', 'click', 'tensorflow'} & set(sys.modules))"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    assert shown.stdout.strip() == "set()"


def test_settings_that_do_not_fit_are_refused_before_anything_is_done(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such settings: numframes"):
        har_train.fit("DATA", out=tmp_path / "run", numframes=16)
    with pytest.raises(DataError, match="data is missing"):
        har_train.fit(out=tmp_path / "run")
    assert not list(tmp_path.iterdir())


@pytest.fixture(scope="module")
def run(
    config: FitConfig, clips: Path, cache: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[TrainedRun, list[str]]:
    pytest.importorskip("tensorflow")
    lines: list[str] = []
    means = FitMeans(cache=cache, watch=Watch(say=lines.append))
    out = tmp_path_factory.mktemp("python") / "mine"
    found = har_train.fit(clips, out=out, config=config, means=means, epochs=2, num_frames=6)
    return found, lines


def test_a_training_gives_a_run_folder(run: tuple[TrainedRun, list[str]]) -> None:
    found, lines = run
    assert found.labels == ("left", "right")
    assert found.written
    assert Path(found) == found.folder  # it stands for its folder, wherever a path is taken
    assert found.spec.name == "mine"
    written = json.loads((found.folder / "metrics.json").read_text(encoding="utf-8"))
    assert written == {"best_epoch": found.best_epoch, **found.metrics}
    assert str(found).split()[:3] == ["train", "val", "test"]
    assert len([line for line in lines if line.startswith("epoch ")]) == 2
    assert not list(found.folder.parent.glob("*.partial"))


def test_a_run_is_judged_on_its_own_data(
    run: tuple[TrainedRun, list[str]], cache: Path, tmp_path: Path
) -> None:
    found = har_train.evaluate(
        run[0], splits=["test"], out=tmp_path / "report", means=EvaluateMeans(cache=cache)
    )
    assert list(found.metrics) == ["test"]
    assert found.metrics["test"] == pytest.approx(run[0].metrics["test"])
    assert found.model == os.fspath(run[0])
    assert (tmp_path / "report" / "metrics.json").is_file()
