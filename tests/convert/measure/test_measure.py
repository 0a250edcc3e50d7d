"""The experiments of `har-convert measure`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import numpy as np
import pytest
from click.testing import CliRunner

from har_convert.measure.commands import measure
from har_convert.measure.smaller import clustered, pruned


@pytest.mark.parametrize("arguments", [["--help"], ["int8", "--help"], ["smaller", "--help"]])
def test_help(arguments: list[str]) -> None:
    result = CliRunner().invoke(measure, arguments)
    assert result.exit_code == 0
    assert result.output.startswith("Usage: measure")


def test_pruning_takes_the_smallest() -> None:
    kernel = np.array([[0.1, -2.0], [0.5, -0.2]], np.float32)
    np.testing.assert_array_equal(pruned(kernel, 0.5), np.float32([[0, -2.0], [0.5, 0]]))


def test_clustering_leaves_few_values() -> None:
    kernel = np.float32([[0.0, 0.1, 5.0], [5.1, 0.05, 5.05]])
    shared = clustered(kernel, 2)
    np.testing.assert_allclose(np.unique(shared), [0.05, 5.05], atol=1e-6)
    assert (shared.shape, shared.dtype) == (kernel.shape, np.float32)


@pytest.mark.slow
@pytest.mark.train
@pytest.mark.parametrize(
    ("experiment", "rows"),
    [
        ("int8", {"plain", "plain, stem in float", "prepared, stem in int8", "prepared"}),
        ("smaller", {"30 % pruned"}),
    ],
)
def test_experiment(
    experiment: str,
    rows: set[str],
    har_convert: Callable[..., CompletedProcess[str]],
    run_folder: Path,
) -> None:
    result = har_convert("measure", experiment, run_folder, "--clips", "4")
    assert result.returncode == 0, result.stderr
    found = json.loads(result.stdout)
    assert found["model"] == "colours"
    assert rows <= found["rows"].keys()
