"""Packages of ours as programs."""

from __future__ import annotations

import click
import pytest

from har_benchmarks.experiments.programs import run_package


def test_output_is_taken() -> None:
    assert "har-edge" in run_package("har_edge", "--help", capture=True)


def test_failure_ends_with_the_programs_exit_code(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(click.exceptions.Exit) as end:
        run_package("har_edge", "info", "nothing.tflite")
    assert end.value.exit_code == 1
    assert "nothing.tflite" in capfd.readouterr().err
