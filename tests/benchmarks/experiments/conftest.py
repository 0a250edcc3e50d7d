"""How the tests here run an experiment: in this process, as `har-bench experiment NAME`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from har_benchmarks.commands.main import cli

Experiment = Callable[..., str]


@pytest.fixture
def experiment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Experiment:
    """Run an experiment in an empty folder; gives its standard output."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str | Path) -> str:
        result = CliRunner().invoke(
            cli, ["experiment", *map(str, arguments)], catch_exceptions=False
        )
        assert result.exit_code == 0, result.output
        return result.stdout

    return run
