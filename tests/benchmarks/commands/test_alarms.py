"""`har-bench alarms`, from videos to the page."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

pytest.importorskip("matplotlib")
pytest.importorskip("jinja2")

from har_benchmarks.commands.main import cli
from har_edge.model.loaded import load_model
from tests.conftest import moving_square, write_video
from tests.support.commands import run_here
from tests.support.tiny import ASSETS

TINY = ASSETS / "tiny-int8.tflite"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Four clips of which half show the event, by their folders."""
    for label in ("fall", "walk"):
        (tmp_path / "data" / label).mkdir(parents=True)
        for i in range(2):
            write_video(tmp_path / "data" / label / f"{i}.mp4", moving_square(40 + i), 10.0)
    return tmp_path / "data"


def test_from_videos_to_the_page(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    label = load_model(TINY).spec.labels[0]
    options = ("--label", label, "--event-label", "fall", "--score-threshold", "0")
    result = run_here(cli, ("alarms", TINY, data, *options, "--out", "out"))
    assert result.returncode == 0, result.stderr
    assert "At 0.00: " in result.stdout
    assert " of 2 events found" in result.stdout
    assert {p.name for p in Path("out").iterdir()} == {
        "alarms.html", "alarms.json", "alarms.md", "alarms.png", "traces",
    }  # fmt: skip
    found = json.loads(Path("out/alarms.json").read_text(encoding="utf-8"))
    assert found["chosen"]["events"] == 2
    # The two clips that show something else, of 40 and 41 frames at 10 a second.
    assert found["chosen"]["hours"] == pytest.approx(8.1 / 3600, abs=0.5 / 3600)
    assert [row["threshold"] for row in found["curve"]] == [
        0.0,
        *(h / 100 for h in range(5, 100, 5)),
    ]
    counts = [row["found"] + row["false_alarms"] for row in found["curve"]]
    assert counts[-1] <= counts[0]
    page = Path("out/alarms.html").read_text(encoding="utf-8")
    assert "By threshold" in page and "data:image/svg+xml" in page

    again = run_here(
        cli, ("alarms", TINY, data, *options, "--out", "out", "--output-format", "json")
    )
    assert json.loads(again.stdout)["curve"] == found["curve"]


def test_an_unknown_action_is_told_before_anything_is_predicted(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    options = ("--label", "flying", "--event-label", "fall")
    result = run_here(cli, ("alarms", TINY, data, *options, "--out", "out"))
    assert result.returncode == 1
    assert "does not know 'flying'" in result.stderr
    assert not Path("out").exists()


def test_videos_that_cannot_be_read_are_told(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (data / "walk" / "0.mp4").write_bytes(b"no video")
    label = load_model(TINY).spec.labels[0]
    options = ("--label", label, "--event-label", "fall", "--out", "out")
    result = run_here(cli, ("alarms", TINY, data, *options))
    assert result.returncode == 0
    assert "Note: " in result.stderr and "0.mp4" in result.stderr
    assert "Not read to the end" in Path("out/alarms.html").read_text(encoding="utf-8")
    for path in (data / "fall").iterdir():
        path.write_bytes(b"no video")
    result = run_here(cli, ("alarms", TINY, data, *options))
    assert result.returncode == 1
    assert "At least one video with the event should be readable" in result.stderr
