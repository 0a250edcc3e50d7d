"""`har-convert` as a user types it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest
from click.testing import CliRunner

from har_convert.cli import cli, format_table
from har_convert.convert import Verification
from har_edge.cli import run_command

pytest.importorskip("tensorflow")
pytestmark = pytest.mark.train

Converted = tuple[Path, "CompletedProcess[str]"]
RunCommand = Callable[..., "CompletedProcess[str]"]


def test_both_variants(converted: Converted) -> None:
    folder, result = converted
    assert result.returncode == 0, result.stderr
    assert sorted(p.name for p in folder.iterdir()) == [
        "MODEL_CARD.md",
        "colours-convert.log",
        "colours-float32.tflite",
        "colours-int8.tflite",
    ]
    header, *rows = result.stdout.splitlines()
    assert header.split()[0] == "variant"
    assert [row.split()[0] for row in rows] == ["float32", "int8"]
    assert "har-edge run --demo --model models/colours/colours-int8.tflite" in result.stderr
    assert "calibration frames" not in result.stderr


def test_corrupt_model_exits_1_and_keeps_the_log(
    har_convert: RunCommand, copied_run: Path, tmp_path: Path
) -> None:
    content = (copied_run / "model.keras").read_bytes()
    (copied_run / "model.keras").write_bytes(content[: len(content) // 2])
    result = har_convert(copied_run, "--float32", "--out", "out")
    assert result.returncode == 1
    assert "Error: The conversion failed: " in result.stderr
    assert result.stdout == ""
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["colours-convert.log"]


def test_missing_extra_is_explained(
    har_convert: RunCommand, run_folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "blocked").mkdir()
    text = "raise ModuleNotFoundError(\"No module named 'keras'\", name='keras')\n"
    (tmp_path / "blocked" / "keras.py").write_text(text, encoding="utf-8")
    result = har_convert(run_folder, "--int8", "--out", "out", PYTHONPATH=str(tmp_path / "blocked"))
    assert result.returncode == 1
    assert 'pip install "har-edge[convert]"' in result.stderr
    assert not list((tmp_path / "out").glob("*.tflite"))


def test_bad_input_exits_1(
    copied_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "empty").mkdir()
    for arguments, message in (
        ([tmp_path / "empty"], "empty is no run folder: model.keras, spec.json, representative"),
        ([tmp_path / "gone"], "gone is no run folder"),
        ([copied_run, "--data", tmp_path / "gone"], "no data folder"),
        ([copied_run, "--out", tmp_path / "file" / "out"], "cannot be written"),
    ):
        with pytest.raises(SystemExit) as stopped:
            run_command(cli, [str(a) for a in arguments])
        assert stopped.value.code == 1
        assert message in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["--float16"], ["a", "b"], ["--verify-clips", "-1"]])
def test_usage_errors_exit_2(arguments: list[str]) -> None:
    assert CliRunner().invoke(cli, arguments).exit_code == 2


def test_help_and_version() -> None:
    assert "har-convert clips --int8" in CliRunner().invoke(cli, ["--help"]).output
    assert "0.1.0" in CliRunner().invoke(cli, ["--version"]).output


def test_table() -> None:
    path = Path("out/x-int8.tflite")
    rows = [
        Verification("float32", path, 12_340_000, 8, 1.0, 1.2e-6, None, None, False),
        Verification("int8", path, 4_321_000, 8, 0.875, 0.0456, 0.75, 1.0, True),
    ]
    _, first, second = format_table(rows).splitlines()
    assert first.split() == ["float32", "12.3", "MB", "100.0%", "of", "8", "1.2e-06", "-",
                             "out/x-int8.tflite"]  # fmt: skip
    assert second.split() == ["int8", "4.3", "MB", "87.5%", "of", "8", "0.046", "75.0%",
                              "out/x-int8.tflite"]  # fmt: skip
