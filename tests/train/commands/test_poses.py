"""`har-train poses`: from a folder of classes to a dataset of poses that trains."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from har_edge.model.spec import ModelSpec
from har_train.commands.main import cli
from har_train.people.lossless import LosslessVideo
from tests.support.people import BrightLocator, draw_people

pytest.importorskip("av")


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two classes of six drawn clips, and what finds people in drawings."""
    monkeypatch.setattr("har_edge.people.open.open_locator", lambda people: BrightLocator())
    for label, step in (("still", 0.0), ("moving", 0.03)):
        folder = tmp_path / "data" / label
        folder.mkdir(parents=True)
        for i in range(6):
            video = LosslessVideo(folder / f"{i}.mkv", 8.0, (60, 80))
            for moment in range(9):
                left = 0.1 + step * moment + 0.01 * i
                video.write(draw_people([(left, 0.1, left + 0.3, 0.9)], shade=moment + i))
            video.close()
    return tmp_path / "data"


def test_help_shows_an_example() -> None:
    shown = CliRunner().invoke(cli, ["poses", "--help"])
    assert shown.exit_code == 0
    assert "--head-input pose,motion" in shown.output
    assert "har-train poses DATA" in shown.output


def test_poses_of_a_folder(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "poses"
    shown = CliRunner().invoke(cli, ["poses", str(data), "--out", str(out)])
    assert shown.exit_code == 0, shown.output
    assert f"Wrote 12 tracks. Next: har-train fit {out}/poses.csv --head-input" in shown.output
    assert len(list(out.glob("tracks/*.npz"))) == 12
    listed = (out / "poses.csv").read_text(encoding="utf-8").splitlines()
    assert len(listed) == 13
    assert all(line.startswith("tracks/") and ".npz#0," in line for line in listed[1:])


def test_a_dataset_without_people_is_an_error(data: Path, tmp_path: Path) -> None:
    for path in data.glob("*/*.mkv"):
        video = LosslessVideo(path, 8.0, (60, 80))
        video.write(draw_people([]))
        video.close()
    shown = CliRunner().invoke(cli, ["poses", str(data), "--out", str(tmp_path / "poses")])
    assert shown.exit_code == 1
    assert "Nobody was found in 12 of 12 files: moving 6, still 6." in shown.output
    assert "should show people. bright rectangles found none" in str(shown.exception)


@pytest.mark.train
def test_poses_train(data: Path, tmp_path: Path) -> None:
    pytest.importorskip("tensorflow")
    out, run = tmp_path / "poses", tmp_path / "run"
    shown = CliRunner().invoke(cli, ["poses", str(data), "--out", str(out)])
    assert shown.exit_code == 0, shown.output
    arguments = ["fit", f"{out}/poses.csv", "--out", str(run), "--head-input", "motion"]
    arguments += ["--num-frames", "4", "--epochs", "1", "--head", "mean", "--views", "1"]
    shown = CliRunner().invoke(cli, arguments)
    assert shown.exit_code == 0, shown.output
    spec = ModelSpec.from_json((run / "spec.json").read_text(encoding="utf-8"))
    assert spec.head_inputs == ("motion",)
    assert not spec.encodes
