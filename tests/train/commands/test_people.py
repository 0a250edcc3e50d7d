"""`har-train people`: what it asks for, and judging a file."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from har_edge.arrays import FloatArray, Pixels
from har_train.commands.main import cli
from har_train.people import files, teachers
from har_train.people.teachers import ROW


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    """Two pictures, one of them kept out."""
    for name in ("a", "b"):
        Image.new("RGB", (64, 48), "grey").save(tmp_path / f"{name}.png")
    path = tmp_path / "people.csv"
    path.write_text("path,label,group,split\na.png,x,1,train\nb.png,y,2,test\n")
    return path


def test_help_shows_an_example() -> None:
    shown = CliRunner().invoke(cli, ["people", "--help"])
    assert shown.exit_code == 0
    assert "--start movenet-multipose.json" in shown.output


def test_training_needs_a_start(manifest: Path) -> None:
    arguments = ["people", str(manifest), "--detector", "d.tflite", "--pose", "p.tflite"]
    shown = CliRunner().invoke(cli, arguments)
    assert shown.exit_code == 2
    assert "--start is missing" in shown.output


def test_weights_are_for_fine_tuning(manifest: Path) -> None:
    arguments = ["people", str(manifest), "--detector", "d.tflite", "--pose", "p.tflite"]
    shown = CliRunner().invoke(cli, [*arguments, "--weights", "run"])
    assert shown.exit_code == 2
    assert "give --fine-tune" in shown.output


def test_a_file_is_judged_on_what_was_kept_out(
    manifest: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Teachers and file are scripted here; their networks have tests of their own."""

    def find(picture: Pixels) -> FloatArray:
        assert picture.shape == (48, 64, 3)
        row = np.zeros((1, ROW), np.float32)
        row[0, :5] = 0.9, 0.2, 0.1, 0.6, 0.9
        return row

    class Scripted:
        def __init__(self, *paths: object) -> None:
            self.spec = self
            self.score_threshold = 0.5

        def __call__(self, picture: Pixels) -> FloatArray:
            return find(picture)

    monkeypatch.setattr(teachers, "Teacher", Scripted)
    monkeypatch.setattr(files, "FileFinder", Scripted)
    out = tmp_path / "report"
    arguments = [
        "people", str(manifest), "--detector", "d.tflite", "--pose", "p.tflite",
        "--work", str(tmp_path / "work"), "--evaluate", "mine.tflite", "--out", str(out),
    ]  # fmt: skip
    shown = CliRunner().invoke(cli, arguments, catch_exceptions=False)
    assert shown.exit_code == 0
    found = json.loads((out / "people.json").read_text())
    assert found["files"] == 1
    assert found["networks"]["mine.tflite"]["large"]["recall"] == 1.0
    assert found["networks"]["mine.tflite"]["small"]["boxes"] == 0
