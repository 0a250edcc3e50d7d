"""The command, as a user types it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from har_benchmarks.results.document import to_json
from tests.support.made_up import made_case, made_report
from tests.support.tiny import ASSETS

HarBench = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def har_bench(tmp_path: Path) -> HarBench:
    """Run `har-bench` in a process of its own and an empty folder."""

    def run(*arguments: str | Path, code: str = "") -> subprocess.CompletedProcess[str]:
        start = ["-c", code] if code else ["-m", "har_benchmarks"]
        result = subprocess.run(
            [sys.executable, *start, *map(str, arguments)],
            cwd=tmp_path, capture_output=True, text=True, encoding="utf-8", timeout=180,
            check=False,
        )  # fmt: skip
        assert "Traceback" not in result.stderr, result.stderr
        return result

    return run


def write(path: Path, *cases: dict[str, Any], **machine: Any) -> Path:
    path.write_text(to_json(made_report(*cases, **machine)), encoding="utf-8")
    return path


QUICK = ("--rounds", "2", "--num-runs", "3", "--warmup-runs", "1", "--threads", "1")


def test_run_measures_reports_and_recommends(har_bench: HarBench, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    models = [ASSETS / "tiny-float32.tflite", ASSETS / "tiny-int8.tflite"]
    result = har_bench("run", *models, *QUICK, "--out", "out")
    assert result.returncode == 0, result.stderr
    # Standard output holds the table alone.
    assert result.stdout.startswith("| variant | runtime | threads | p50 |")
    assert len(result.stdout.splitlines()) == 4
    assert "round 2: " in result.stderr
    assert "tiny: " in result.stderr
    assert "Open out/report.html" in result.stderr
    found = {path.name for path in (tmp_path / "out").iterdir()}
    assert {"report.json", "report.md", "report.csv", "report.html", "latency.png"} <= found
    settings = json.loads((tmp_path / "out/report.json").read_text())["settings"]
    assert (settings["rounds"], settings["num_runs"], settings["warmup_runs"]) == (2, 3, 1)
    again = har_bench("run", *models, *QUICK, "--out", "out")
    assert again.returncode == 1
    assert "har-bench run --resume out" in again.stderr


def test_limits_that_nothing_keeps_to_end_with_3(har_bench: HarBench, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    model = ASSETS / "tiny-int8.tflite"
    result = har_bench("run", model, *QUICK, "--max-memory-mb", "1", "--out", "out")
    assert result.returncode == 3
    assert "No case meets the limits" in result.stderr
    assert (tmp_path / "out/report.html").exists()


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("run", "nothing.tflite"), 1, "There is no model nothing.tflite"),
        (("run", "har15", "--data", "nowhere"), 1, "There is no dataset at nowhere"),
        (("run", "har15", "--threads", "0"), 2, "--threads"),
        (("run", "har15", "--backends", "tensorrt"), 2, "tensorrt"),
        (("run", "har15", "--backends", "onnxruntime"), 1, "Give --backends that run these files"),
        (("run", "har15", "--resume", "x"), 2, "Leave out MODELS"),
        (("run", "--rounds", "3", "--resume", "x"), 2, "Leave out --rounds"),
        (("run", "--resume", "x"), 1, "should contain a run to continue"),
        (("compare", "a", "b"), 1, "There is no report at a"),
        (("compare", "a", "b", "--fail-on-regression", "x%"), 2, "a share such as 5%"),
        (("collect", "a.json"), 1, "There is no report at a.json"),
        (("collect",), 2, "REPORTS"),
        (("peers", "nothing.mp4"), 2, "nothing.mp4"),
    ],
)
def test_wrong_calls_say_what_to_do(
    har_bench: HarBench, arguments: tuple[str, ...], code: int, message: str
) -> None:
    result = har_bench(*arguments)
    assert result.returncode == code
    assert message in result.stderr
    assert result.stdout == ""


def test_compare_is_a_gate(har_bench: HarBench, tmp_path: Path) -> None:
    write(tmp_path / "base.json", made_case(rounds_ms=[2.0] * 10))
    write(tmp_path / "new.json", made_case(rounds_ms=[2.2] * 10, seed=1))
    gate = har_bench("compare", "base.json", "new.json", "--fail-on-regression", "5%")
    assert gate.returncode == 3
    assert "Slower by more than 5.0%: made-int8/litert/1" in gate.stderr
    assert "REGRESSION" in gate.stdout
    assert har_bench("compare", "base.json", "new.json").returncode == 0  # no gate asked for
    loose = har_bench("compare", "base.json", "new.json", "--fail-on-regression", "20%")
    assert loose.returncode == 0
    same = har_bench("compare", "base.json", "base.json", "--fail-on-regression", "0.05")
    assert same.returncode == 0
    found = json.loads(
        har_bench("compare", "base.json", "new.json", "--output-format", "json").stdout
    )
    assert found["cases"][0]["regression"] is True
    assert found["cases"][0]["low"] < found["cases"][0]["ratio"] < found["cases"][0]["high"]
    write(tmp_path / "other.json", made_case("float32"))
    nothing = har_bench("compare", "base.json", "other.json")
    assert nothing.returncode == 1
    assert "at least one case in common" in nothing.stderr


def test_collect_writes_a_page(har_bench: HarBench, tmp_path: Path) -> None:
    write(tmp_path / "a.json", made_case(), board="Board A")
    write(tmp_path / "b.json", made_case(rounds_ms=[9.0] * 10), board="Board B")
    result = har_bench("collect", "a.json", "b.json", "--out", "fleet.html")
    assert result.returncode == 0
    page = (tmp_path / "fleet.html").read_text()
    assert page.index("Board A") < page.index("Board B")


def test_without_matplotlib_the_pip_line_is_said_before_measuring(
    har_bench: HarBench, tmp_path: Path
) -> None:
    code = (
        "import sys; sys.modules['matplotlib'] = None; sys.argv[0] = 'har-bench'\n"
        "from har_benchmarks.commands.main import main; main()"
    )
    result = har_bench("run", ASSETS / "tiny-int8.tflite", "--out", "out", code=code)
    assert result.returncode == 1
    assert 'pip install "har-edge[bench]"' in result.stderr
    assert not (tmp_path / "out").exists()


def test_help_is_light(har_bench: HarBench) -> None:
    code = (
        "import sys; from har_benchmarks.commands.main import cli\n"
        "cli.main(['run', '--help'], standalone_mode=False)\n"
        "heavy = {'numpy', 'cv2', 'matplotlib', 'ai_edge_litert'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    result = har_bench(code=code)
    assert result.returncode == 0, result.stderr
    assert "--sustained" in result.stdout
