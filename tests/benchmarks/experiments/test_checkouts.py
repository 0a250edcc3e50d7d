"""Two checkouts in turns."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from har_benchmarks.experiments.checkouts import cost_of
from har_edge.errors import DataError
from tests.benchmarks.experiments.conftest import Experiment
from tests.conftest import ROOT


@pytest.mark.skipif(not hasattr(os, "wait4"), reason="this system counts no child's costs")
def test_both_checkouts_run_in_turns(experiment: Experiment, tmp_path: Path) -> None:
    other, told = tmp_path / "other", tmp_path / "told"
    shutil.copytree(ROOT / "edge" / "har_edge", other / "edge" / "har_edge")
    main = other / "edge" / "har_edge" / "__main__.py"
    main.write_text(f"print(1, file=open({str(told)!r}, 'a')); ballast = b'x' * 50_000_000\n"
                    f"{main.read_text()}")  # fmt: skip
    experiment("checkouts", ROOT, other, "--rounds", "1", "--out", "out.json")
    result = json.loads(Path("out.json").read_text())
    assert [row["command"] for row in result["rows"]] == [
        "help", "one picture", "video, har15", "video, clips",
    ]  # fmt: skip
    assert len(told.read_text().split()) == 2 * 4  # the warm-up and one round of each
    help_row = result["rows"][0]
    assert help_row["after_peak_mb"] > help_row["before_peak_mb"] + 40
    assert all(row[f"ratio_{name}"] > 0 for row in result["rows"] for name in ("wall_ms", "cpu_ms"))


def test_a_command_that_fails_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"har-edge info gone should exit with 0\. Received 1 from"):
        cost_of(ROOT, ("info", "gone"))
