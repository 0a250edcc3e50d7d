"""The gate and what is done where it is missed; nothing half done gets a final name."""

from __future__ import annotations

import csv
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import numpy as np
import pytest

from har_convert.commands import cli
from har_convert.conversion import Options, convert_run
from har_convert.gate import reason_against
from har_convert.process import ConversionError
from har_convert.recipe import Recipe
from har_convert.results import Conversion, advise
from har_convert.run_folder import Run, load_run
from har_convert.verify import Verification
from har_convert.worker import LOG_NAME
from har_edge.commands.harness import run_command
from har_edge.errors import OutputError
from har_edge.model.loaded import load_model
from har_edge.model.spec import Variant
from tests.support.full_disk import fill_disk

pytest.importorskip("tensorflow")
pytestmark = pytest.mark.train

RunCommand = Callable[..., "CompletedProcess[str]"]


@pytest.fixture
def blind_run(copied_run: Path) -> Path:
    """A run whose calibration frames are all black: no range fits what comes.

    All pictures count as held out, for on a handful a blind model may be lucky.
    """
    with np.load(copied_run / "representative.npz") as arrays:
        frames, windows = arrays["frames"], arrays["windows"]
    black = np.zeros_like(frames)
    np.savez(copied_run / "representative.npz", frames=black, windows=windows)
    with (copied_run / "split.csv").open(encoding="utf-8", newline="") as file:
        samples = list(csv.DictReader(file))
    with (copied_run / "predictions.csv").open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(["path", "label", "first_frame"])
        table.writerows([s["path"], s["label"], -2] for s in samples)
    return copied_run


def test_int8_file_that_misses_the_gate_is_not_written(
    har_convert: RunCommand, blind_run: Path, tmp_path: Path
) -> None:
    result = har_convert(blind_run, "--int8", "--out", "out")
    assert result.returncode == 3, result.stderr
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["colours-convert.log"]
    assert "int8 loses " in result.stderr
    assert "the gate is 1." in result.stderr
    assert "int8 missed the gate and was not written. Let --fallback find one" in result.stderr
    assert result.stdout.splitlines()[1].endswith("not written: missed the gate")


Command = Callable[..., tuple[Any, str, str]]


@pytest.fixture
def convert_here(in_process: None, capsys: pytest.CaptureFixture[str]) -> Command:
    """Run `har-convert` in this process: exit code and what it printed."""

    def run(*arguments: Path | str) -> tuple[Any, str, str]:
        with pytest.raises(SystemExit) as stopped:
            run_command(cli, [str(a) for a in arguments])
        captured = capsys.readouterr()
        return stopped.value.code, captured.out, captured.err

    return run


def test_what_meets_the_gate_is_written_beside_what_does_not(
    convert_here: Command, blind_run: Path, tmp_path: Path
) -> None:
    code, _, err = convert_here(blind_run, "--float32", "--int8", "--out", tmp_path / "out")
    assert code == 3, err
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == [
        "MODEL_CARD.md",
        "SHA256SUMS",
        "colours-float32.tflite",
    ]
    assert "int8 missed the gate and was not written. Use float32 (0.0 points)" in err


def test_fallback_takes_the_first_that_meets_the_gate(
    convert_here: Command, blind_run: Path, tmp_path: Path
) -> None:
    code, out, err = convert_here(
        blind_run, "--int8", "--fallback", "--out", tmp_path, "--max-accuracy-drop", "0.5"
    )
    assert code == 0, err
    (path,) = tmp_path.glob("*.tflite")
    spec = load_model(path).spec
    assert path.name == f"colours-{spec.variant}.tflite"
    assert out.splitlines()[1].startswith(f"{spec.variant} ")
    assert spec.metrics["accuracy_drop_points"] <= 0.5
    (reason,) = [line for line in err.splitlines() if line.endswith(" instead.")]
    assert reason.startswith("int8 loses ")
    assert "the gate is 0.5" in reason
    misses, _, taken = reason.removesuffix(" instead.").partition(". Took ")
    assert taken.startswith(spec.variant)
    some_float = any(words in taken for words in ("sensitive layers", "classify in float"))
    assert bool(spec.float_layers) == some_float
    # All that was tried is named, in order, and nothing after what was taken.
    assert "measuring what rounding costs in each layer" in err
    made = [line for line in err.splitlines() if line.startswith("  converting to ")]
    tried = [line.removeprefix("  converting to ") for line in made]
    assert tried[-1] == taken
    assert [miss.partition(" loses ")[0].partition(" is unusable")[0]
            for miss in misses.split("; ")] == tried[:-1]  # fmt: skip


def test_gate_may_be_opened(convert_here: Command, blind_run: Path, tmp_path: Path) -> None:
    code, _, err = convert_here(
        blind_run, "--int8", "--max-accuracy-drop", "100", "--out", tmp_path / "out"
    )
    assert code == 0, err
    spec = load_model(tmp_path / "out" / "colours-int8.tflite").spec
    assert spec.metrics["accuracy_drop_points"] > 1


def verification(variant: Variant, **values: Any) -> Verification:
    plain = {
        "windows": 8, "clips": 8, "agreement": 1.0, "max_difference": 0.0, "feature_cosine": 1.0,
        "accuracy": None, "keras_accuracy": None, "drop": 0.0, "drop_interval": (0.0, 0.0),
        "held_out": True,
    }  # fmt: skip
    return Verification(variant, **{**plain, **values})


def miss_of(recipe: Recipe, gate: float = 1.0, **values: Any) -> str:
    return reason_against(recipe, verification(recipe.variant, **values), gate)


def test_what_misses_the_gate() -> None:
    int8 = Recipe("int8", ("expand",))
    assert miss_of(int8, drop=1.0, drop_interval=(-1.0, 3.0)) == ""
    assert miss_of(int8, drop=1.01, drop_interval=(-1.0, 3.0)) == (
        "int8 with 1 sensitive layers in float loses 1.0 points of accuracy "
        "(95 % interval -1.0 to 3.0), the gate is 1"
    )
    assert "loses an expected 2.0 points" in miss_of(int8, drop=2.0, held_out=False)
    assert miss_of(int8, gate=5.0, drop=2.0) == ""
    assert miss_of(int8, drop=-3.0, max_difference=0.9) == ""


@pytest.mark.parametrize(
    ("variant", "exact"),
    [("float32", True), ("onnx", True), ("float16", False), ("dynamic", False)],
)
def test_exact_variants_must_be_the_same_network(variant: Variant, exact: bool) -> None:
    message = miss_of(Recipe(variant), max_difference=0.002)
    assert ("should be the same network" in message) == exact
    assert miss_of(Recipe(variant), max_difference=0.0009) == ""


def test_advice() -> None:
    failed = Conversion(Recipe("int8"), verification("int8"), (), 0, "loses")
    large = Conversion(Recipe("float32"), verification("float32"), (Path("a"),), 100)
    small = Conversion(Recipe("dynamic"), verification("dynamic", drop=0.25), (Path("b"),), 30)
    assert advise([failed, large, small]).startswith("Use dynamic (0.2 points)")
    assert "--fallback" in advise([failed])


def test_candidate_that_cannot_be_made_is_passed_over(
    run_folder: Path, tmp_path: Path, in_process: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The worker refuses one, the gate another; the third is taken."""
    from har_convert import conversion as module

    lines: list[str] = []
    make = module.run_worker

    def refuse_layers(folder: Path, say: Any) -> None:
        (recipe, *_) = [*module.Job.load(folder).recipes, Recipe("int8")]
        if recipe.float_layers:
            raise module.ConversionError("no such layer\nsecond line")
        make(folder, say)

    monkeypatch.setattr(module, "run_worker", refuse_layers)
    monkeypatch.setattr(
        module,
        "reason_against",
        lambda recipe, *of: "" if recipe.float_classify else f"{recipe} is too bad",
    )
    options = Options(fallback=True)
    run = load_run(run_folder)
    (made,) = convert_run(run, ["int8"], tmp_path, options, say=lines.append).conversions
    assert made.recipe == Recipe("int8", float_classify=True)
    assert made.reason.startswith("int8 is too bad; int8 with ")
    assert "sensitive layers in float is unusable (no such layer)" in made.reason
    assert made.reason.endswith("Took int8 with classify in float instead")
    assert load_model(made.paths[0]).spec.variant == "int8"


def test_interrupt_leaves_nothing_half_done(run_folder: Path, tmp_path: Path) -> None:
    script = Path(sys.executable).with_name("har-convert")
    if not script.is_file():
        pytest.skip("har-convert is not installed beside this Python")
    command = [script, run_folder, "--float32", "--int8", "--out", "out"]
    with subprocess.Popen(
        command,
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if "converting to int8" in line:
                os.killpg(process.pid, signal.SIGINT)  # as a terminal does
                break
        rest = process.stderr.read()
    assert process.returncode == 130
    assert "Traceback" not in rest
    assert not list(tmp_path.glob("out/*.tflite"))
    assert not list(tmp_path.glob("out/.*"))


def test_full_disk_leaves_no_part_of_a_file(
    run: Run, tmp_path: Path, in_process: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill_disk(monkeypatch)
    with pytest.raises(OutputError, match=r"colours-float32.tflite cannot be written: No space"):
        convert_run(run, ["float32"], tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.slow
def test_disk_that_is_really_full(
    har_convert: RunCommand, run_folder: Path, small_disk: Callable[[int], Path]
) -> None:
    disk = small_disk(16)
    result = har_convert(run_folder, "--float32", "--out", disk)
    assert result.returncode == 1, result.stderr
    assert "No space left on device" in result.stderr
    assert not list(disk.glob("*.tflite"))
    assert not list(disk.glob(".*"))


def test_log_that_cannot_be_kept_hides_no_error(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(folder: Path, say: Callable[[str], object]) -> None:
        say("trying")
        (folder / LOG_NAME).write_text("noise", encoding="utf-8")
        raise ConversionError("no luck")

    monkeypatch.setattr("har_convert.conversion.run_worker", fail)
    (tmp_path / "colours-convert.log").mkdir()
    with pytest.raises(ConversionError, match="no luck"):
        convert_run(run, ["float32"], tmp_path)


def test_folder_that_is_read_only(
    har_convert: RunCommand, run_folder: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "sealed"
    folder.mkdir(mode=0o555)
    if os.access(folder, os.W_OK):
        pytest.skip("permissions do not bind this user")
    result = har_convert(run_folder, "--float32", "--out", folder)
    assert result.returncode == 1
    assert "cannot be written: Permission denied. Give another --out." in result.stderr
    assert "converting" not in result.stderr


def test_file_in_place_of_the_folder(
    har_convert: RunCommand, run_folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "taken").touch()
    result = har_convert(run_folder, "--float32", "--out", "taken")
    assert result.returncode == 1
    assert "taken cannot be written" in result.stderr
    assert "converting" not in result.stderr
