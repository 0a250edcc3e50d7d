"""`har-convert` as a user types it."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest
from click.testing import CliRunner

from har_convert.commands import _say_too_few, cli, what_to_run
from har_convert.recipe import Recipe
from har_convert.results import Conversion, format_layers, format_table
from har_convert.tflite.sensitivity import LayerError
from har_convert.verify import Verification
from har_edge.commands.harness import run_command
from har_edge.model.spec import ClipSpec, ModelSpec, Variant, View

pytest.importorskip("tensorflow")
pytestmark = pytest.mark.train

Converted = tuple[Path, "CompletedProcess[str]"]
RunCommand = Callable[..., "CompletedProcess[str]"]


VARIANTS = ("float32", "float16", "dynamic", "int8", "onnx", "onnx-int8")
FILES = {
    variant: [f"colours-{variant}{suffix}" for suffix in Recipe(variant).suffixes()]
    for variant in VARIANTS
}
ALL_FILES = [name for names in FILES.values() for name in names]


@pytest.mark.parametrize(
    ("num_frames", "view", "command"),
    [
        (1, "picture", "har-edge run photo.jpg --model mine.tflite"),
        (16, "picture", "har-edge run --camera 0 --model mine.tflite"),
        (16, "person", "har-edge run --camera 0 --model mine.tflite --people people"),
    ],
)
def test_the_command_to_try_suits_the_model(num_frames: int, view: View, command: str) -> None:
    spec = ModelSpec("mine", ("a", "b"), ClipSpec(num_frames, 8.0, 32, 32), 8, view=view)
    assert what_to_run(spec, "mine.tflite") == command


def test_all_variants(converted: Converted) -> None:
    folder, result = converted
    assert result.returncode == 0, result.stderr
    assert sorted(p.name for p in folder.iterdir()) == sorted(
        [
            "MODEL_CARD.md",
            "SHA256SUMS",
            "colours-convert.log",
            *ALL_FILES,
        ]
    )
    header, *rows = result.stdout.splitlines()
    assert header.split()[0] == "variant"
    assert [row.split()[0] for row in rows] == list(VARIANTS)
    for variant, row in zip(VARIANTS, rows, strict=True):
        assert row.endswith(f"models/colours/{FILES[variant][0]}")
    for variant in VARIANTS:
        assert f"\n  converting to {variant}\n" in result.stderr
    assert " --model models/colours/colours-" in result.stderr
    assert "calibration frames were compared" not in result.stderr


def test_layers_are_listed_on_request(converted: Converted) -> None:
    lines = converted[1].stderr.splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith("layer "))
    assert lines[start].split() == ["layer", "error", "range", "on", "calibration", "frames",
                                    "clipped"]  # fmt: skip
    rows = [line.split() for line in lines[start + 1 : start + 5]]
    # All convolutions behind the stem, the most sensitive first.
    assert {row[0] for row in rows} == {"expand", "depthwise", "project_1", "head"}
    errors = [float(row[1].rstrip("%")) for row in rows]
    assert errors == sorted(errors, reverse=True)
    assert errors[0] > 0


def test_checksums_hold(converted: Converted) -> None:
    folder = converted[0]
    lines = (folder / "SHA256SUMS").read_text(encoding="utf-8").splitlines()
    sums = dict(reversed(line.split("  ")) for line in lines)
    assert sums.keys() == {"MODEL_CARD.md", *ALL_FILES}
    for name, digest in sums.items():
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == digest
    if shutil.which("sha256sum"):
        command = ["sha256sum", "--check", "--strict", "--quiet", "SHA256SUMS"]
        assert subprocess.run(command, cwd=folder, check=False).returncode == 0


def test_corrupt_model_exits_1_and_keeps_the_log(
    har_convert: RunCommand, copied_run: Path, tmp_path: Path
) -> None:
    content = (copied_run / "model.keras").read_bytes()
    (copied_run / "model.keras").write_bytes(content[: len(content) // 2])
    result = har_convert(copied_run, "--float32", "--out", "out")
    assert result.returncode == 1
    assert "Error: model.keras cannot be loaded: " in result.stderr
    assert result.stdout == ""
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["colours-convert.log"]


def test_missing_extra_is_explained(
    har_convert: RunCommand, run_folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "blocked").mkdir()
    text = "raise ModuleNotFoundError(\"No module named 'keras'\", name='keras')\n"
    (tmp_path / "blocked" / "keras.py").write_text(text, encoding="utf-8")
    first = os.pathsep.join([str(tmp_path / "blocked"), os.environ.get("PYTHONPATH", "")])
    result = har_convert(run_folder, "--int8", "--out", "out", PYTHONPATH=first)
    assert result.returncode == 1
    assert 'pip install "har-edge[convert]"' in result.stderr
    assert not (tmp_path / "out").exists()
    (tmp_path / "out").mkdir()
    har_convert(run_folder, "--int8", "--out", "out", PYTHONPATH=first)
    assert list((tmp_path / "out").iterdir()) == []


def test_bad_input_exits_1(
    copied_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "empty").mkdir()
    for arguments, message in (
        (
            [tmp_path / "empty"],
            "empty should be a run folder. It lacks model.keras",
        ),
        ([tmp_path / "gone"], "gone should be a run folder"),
        ([copied_run, "--data", tmp_path / "gone"], "no data folder"),
        ([copied_run, "--out", tmp_path / "file" / "out"], "cannot be written"),
    ):
        with pytest.raises(SystemExit) as stopped:
            run_command(cli, [str(a) for a in arguments])
        assert stopped.value.code == 1
        assert message in capsys.readouterr().err


@pytest.mark.slow
def test_a_manifest_calibrates_from_its_root(
    run_folder: Path, stills: Path, tmp_path: Path, har_convert: RunCommand
) -> None:
    rows = [f"{label}/{i}.png,{label}" for label in ("red", "green", "blue") for i in range(6)]
    (tmp_path / "list.csv").write_text("\n".join(["path,label", *rows]), encoding="utf-8")
    choice = ("--int8", "--calibration", "list.csv", "--max-accuracy-drop", "100")
    result = har_convert(run_folder, *choice, "--root", stills)
    assert result.returncode == 0, result.stderr
    assert "preparing the weights for 8 bits on 18 frames" in result.stderr
    result = har_convert(run_folder, *choice)
    assert result.returncode == 1
    assert "list.csv, line 2: there is no file" in result.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ["--int4"],
        ["a", "b"],
        ["--verify-clips", "-1"],
        ["--max-accuracy-drop", "-1"],
        ["--max-accuracy-drop", "much"],
        ["--calibration-frames", "-1"],
    ],
)
def test_usage_errors_exit_2(arguments: list[str]) -> None:
    assert CliRunner().invoke(cli, arguments).exit_code == 2


def test_help_and_version() -> None:
    assert (
        "har-convert clips --int8 --max-accuracy-drop" in CliRunner().invoke(cli, ["--help"]).output
    )
    assert "0.1.0" in CliRunner().invoke(cli, ["--version"]).output


def conversion(variant: Variant, *paths: str, **values: Any) -> Conversion:
    """What became of a variant; `values` are those of its verification."""
    plain = {
        "variant": variant, "windows": 8, "clips": 8, "agreement": 1.0, "max_difference": 1.2e-6,
        "feature_cosine": 1.0, "accuracy": None, "keras_accuracy": None, "drop": 0.0,
        "drop_interval": (0.0, 0.0), "held_out": False, "encode_ms": 1.234,
    }  # fmt: skip
    result = Verification(**{**plain, **values})
    return Conversion(Recipe(variant), result, tuple(map(Path, paths)), 12_340_000)


def test_table() -> None:
    rows = [
        conversion("float32", "out/x-float32.tflite"),
        conversion("int8", agreement=0.875, max_difference=0.0456, accuracy=0.75, drop=2.5,
                   drop_interval=(-1.25, 6.0)),
    ]  # fmt: skip
    _, first, second = format_table(rows).splitlines()
    assert first.split() == ["float32", "12.3", "MB", "100.0%", "1.2e-06", "-", "0.0", "(0.0",
                             "to", "0.0)", "1.23", "ms", "out/x-float32.tflite"]  # fmt: skip
    assert second.split() == ["int8", "-", "87.5%", "0.046", "75.0%", "2.5", "(-1.2", "to",
                              "6.0)", "1.23", "ms", "not", "written:", "missed", "the",
                              "gate"]  # fmt: skip


def test_a_sample_too_small_for_an_interval_is_called_so(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def said(*rows: Conversion) -> str:
        _say_too_few(rows)
        return capsys.readouterr().err

    few = {"held_out": True, "clips": 12}
    assert "12 held-out files, with no prediction changed" in said(conversion("int8", "x", **few))
    assert "up to 22 points could go unnoticed" in said(conversion("int8", "x", **few))
    assert "sample is small" not in said(conversion("float32", "x", **few))
    assert "sample is small" not in said(conversion("int8", "x", held_out=True, clips=900))
    wide = conversion("int8", "x", held_out=True, clips=12, drop_interval=(-8.0, 8.0))
    assert "sample is small" not in said(wide)


def test_layers_table_marks_what_a_fallback_leaves_in_float() -> None:
    layers = [LayerError("small", 0.001, 0.0, 6.0, 0.0), LayerError("large", 0.2, -1.5, 2.0, 0.25)]
    _, first, second = format_layers(layers).splitlines()
    assert first.split() == ["large", "20.00%", "-1.50", "to", "2.00", "25.00%", "float", "in",
                             "a", "fallback"]  # fmt: skip
    assert second.split() == ["small", "0.10%", "0.00", "to", "6.00", "0.00%"]
