"""Experiments are found by name, explain themselves, and load nothing before their turn."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

import har_benchmarks.experiments
from har_benchmarks.commands.experiment import EXPERIMENTS
from har_benchmarks.commands.main import cli

SHARED = {
    "__init__",
    "composed",
    "decode_same",
    "empty_pictures",
    "launch",
    "programs",
    "result",
    "turns",
}


def test_every_experiment_is_listed() -> None:
    folder = Path(har_benchmarks.experiments.__file__).parent
    modules = {path.stem for path in folder.glob("*.py")} - SHARED
    assert {name.replace("-", "_") for name in EXPERIMENTS} == modules
    listed = CliRunner().invoke(cli, ["experiment", "--help"]).output
    assert all(name in listed for name in EXPERIMENTS)


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_help_has_an_example(name: str) -> None:
    result = CliRunner().invoke(cli, ["experiment", name, "--help"], catch_exceptions=False)
    assert result.exit_code == 0
    assert f"har-bench experiment {name} " in result.output
    module = importlib.import_module(f"har_benchmarks.experiments.{name.replace('-', '_')}")
    assert isinstance(module.command, click.Command)
    assert f"har-bench experiment {name}" in (module.__doc__ or "")


def test_an_unknown_name_is_a_wrong_call() -> None:
    result = CliRunner().invoke(cli, ["experiment", "warp-speed"])
    assert result.exit_code == 2
    assert "warp-speed" in result.output


def test_the_list_is_light() -> None:
    code = (
        "import sys; from har_benchmarks.commands.main import cli\n"
        "cli.main(['experiment', '--help'], standalone_mode=False)\n"
        "heavy = {'numpy', 'cv2', 'matplotlib', 'ai_edge_litert'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
