"""`har-train crops`: from a folder of classes to a dataset of single people that trains."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from har_edge.datasets import Sample
from har_edge.model.spec import ModelSpec
from har_train.commands.crops import fit_command
from har_train.commands.main import cli
from har_train.people.lossless import LosslessVideo
from tests.support.people import BrightLocator, draw_people

pytest.importorskip("av")
LARGE = (0.1, 0.1, 0.4, 0.9)


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two classes of six drawn clips, and what finds people in drawings."""
    monkeypatch.setattr("har_edge.people.open.open_locator", lambda people: BrightLocator())
    for label, shade in (("bright", 90), ("dim", 0)):
        folder = tmp_path / "data" / label
        folder.mkdir(parents=True)
        for i in range(6):
            video = LosslessVideo(folder / f"{i}.mkv", 8.0, (60, 80))
            for moment in range(6):
                video.write(draw_people([LARGE], shade=shade + moment + i))
            video.close()
    return tmp_path / "data"


def test_help_shows_an_example() -> None:
    shown = CliRunner().invoke(cli, ["crops", "--help"])
    assert shown.exit_code == 0
    assert "--view person" in shown.output


def test_crops_of_a_folder(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "crops"
    shown = CliRunner().invoke(cli, ["crops", str(data), "--out", str(out), "--size", "32"])
    assert shown.exit_code == 0, shown.output
    assert (
        f"Wrote 12 crops. Next: har-train fit {out}/crops.csv --view person --weights clips "
        "--num-frames 16 --size 32\n" in shown.output
    )
    assert len(list(out.glob("*/*.mkv"))) == 12


def test_the_next_command_is_that_of_the_crops() -> None:
    def command(*names: str, frame_rate: float = 8.0, size: int = 224) -> str:
        crops = [Sample(Path(name), "walking", name) for name in names]
        return fit_command(Path("my crops/crops.csv"), crops, frame_rate, size)

    begin = "har-train fit 'my crops/crops.csv' --view person"
    assert command("a.png") == f"{begin} --weights har15 --num-frames 1"
    assert command("a.png", "a.mkv") == f"{begin} --weights clips --num-frames 16"
    assert command("a.mkv", frame_rate=12.5).endswith(" --num-frames 16 --frame-rate 12.5")


def test_a_dataset_without_people_is_an_error(data: Path, tmp_path: Path) -> None:
    for path in data.glob("*/*.mkv"):
        video = LosslessVideo(path, 8.0, (60, 80))
        video.write(draw_people([]))
        video.close()
    arguments = ["crops", str(data), "--out", str(tmp_path / "crops"), "--size", "32"]
    shown = CliRunner().invoke(cli, arguments)
    assert shown.exit_code == 1
    assert "should show people. bright rectangles found none" in str(shown.exception)


@pytest.mark.train
def test_a_model_of_crops_says_so(data: Path, tmp_path: Path) -> None:
    pytest.importorskip("tensorflow")
    runner, out, run = CliRunner(), tmp_path / "crops", tmp_path / "run"
    runner.invoke(cli, ["crops", str(data), "--out", str(out), "--size", "32"])
    shown = runner.invoke(
        cli,
        ["fit", str(out / "crops.csv"), "--view", "person", "--weights", "none", "--size", "32",
         "--alpha", "0.35", "--num-frames", "4", "--epochs", "1", "--cache", str(tmp_path / "f"),
         "--out", str(run)],
    )  # fmt: skip
    assert shown.exit_code == 0, shown.output
    assert ModelSpec.from_json((run / "spec.json").read_text()).view == "person"
