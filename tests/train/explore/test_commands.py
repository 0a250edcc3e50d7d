"""`har-train explore` as a user types it: exit codes, folders, refusals."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from har_edge.commands.harness import run_command
from har_edge.errors import DataError, GateError, OutputError
from har_train.commands.main import cli
from har_train.explore.explore import OUTPUT_NAMES, ExploreConfig, check_gate, check_output
from tests.support.exploring import look, photos

for package in ("imagehash", "matplotlib"):
    pytest.importorskip(package)
pytestmark = pytest.mark.train


Command = Callable[..., int]


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    """Run `har-train explore` in an empty folder and give its exit code."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")

    def run(*arguments: str | Path) -> int:
        with pytest.raises(SystemExit) as end:
            run_command(cli, ["explore", *map(str, arguments)])
        assert isinstance(end.value.code, int)
        return end.value.code

    return run


def test_gate_by_kind(tmp_path: Path) -> None:
    found = look(photos(tmp_path, "walk"))
    check_gate(found, [])
    check_gate(found, ["leakage", "conflict"])
    with pytest.raises(GateError, match=r"no findings of leakage, constant-labels.*labels 1\. See"):
        check_gate(found, ["leakage", "constant-labels"])


def test_exit_codes(command: Command, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = photos(tmp_path / "data", "walk", "fall")
    assert command(data, "--out", "one") == 0
    assert "few                    2" in capsys.readouterr().out
    assert command(data, "--out", "two", "--fail-on", "leakage, unreadable") == 0
    assert command(data, "--out", "three", "--fail-on", "leakage,few") == 3
    captured = capsys.readouterr()
    assert "Received few 2." in captured.err
    assert "few                    2" in captured.out
    assert command(data, "--out", "four", "--fail-on", "few", "--min-samples", "4") == 0
    for folder in ("one", "three"):
        names = {p.name for p in Path(folder).iterdir()}
        assert names == set(OUTPUT_NAMES) - {"durations.png", "frame_rates.png"}
    assert command(data, "--out", "five", "--fail-on", "leakage,smells") == 2
    assert "smells" in capsys.readouterr().err
    assert command(tmp_path / "gone") == 1
    assert not Path("five").exists()
    assert not Path("explore").exists()


def test_default_folder_and_second_run(command: Command, tmp_path: Path) -> None:
    data = photos(tmp_path / "data", "walk", "fall")
    for _ in range(2):
        assert command(data) == 0
        assert Path("explore/data/explore.html").is_file()


def test_output_that_would_do_harm_is_refused(tmp_path: Path) -> None:
    data = ExploreConfig(str(photos(tmp_path / "data", "walk", "fall", count=1)))
    with pytest.raises(OutputError, match="would become a class"):
        check_output(tmp_path / "data" / "report", data)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "precious.txt").touch()
    with pytest.raises(OutputError, match=r"precious.txt.*another --out"):
        check_output(tmp_path / "mine", data)
    with pytest.raises(OutputError, match="cannot be created"):
        check_output(tmp_path / "mine" / "precious.txt" / "x", data)


def test_a_dataset_without_any_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "walk").mkdir()
    with pytest.raises(DataError, match=r"should contain pictures.*walk should contain pictures"):
        look(tmp_path)
