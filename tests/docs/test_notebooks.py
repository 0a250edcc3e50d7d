"""The notebooks run from top to bottom, and carry no output of somebody's machine."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.pages import NOTEBOOKS, code_cells

NEED_TENSORFLOW = {"2-train-and-convert"}
# What IPython has, as far as the notebooks use it.
PRELUDE = "def display(shown):\n    print(getattr(shown, '_repr_html_', shown.__repr__)())\n"


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_nothing_is_left_of_a_run(path: Path) -> None:
    content = json.loads(path.read_text(encoding="utf-8"))
    cells = [cell for cell in content["cells"] if cell["cell_type"] == "code"]
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in cells)
    assert content["nbformat"] == 4


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_all_cells_run(path: Path, desk: Path, request: pytest.FixtureRequest) -> None:
    if path.stem in NEED_TENSORFLOW:
        if "slow" not in request.config.option.markexpr.replace("not slow", ""):
            pytest.skip("trains and converts for minutes; run with -m slow")
        pytest.importorskip("tensorflow")
    pytest.importorskip("matplotlib")
    code = PRELUDE + "\n\n".join(code_cells(path))
    result = subprocess.run(
        [sys.executable, "-c", code],
        cwd=desk, capture_output=True, text=True, timeout=3600, check=False,
        env={**__import__("os").environ, "MPLBACKEND": "agg"},
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
