"""`har-train fit` on a disk that is really full: nothing half-written, nothing lost."""

from __future__ import annotations

import csv
import subprocess
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import numpy as np
import pytest

pytest.importorskip("tensorflow")
pytestmark = pytest.mark.train

RunCommand = Callable[..., "CompletedProcess[str]"]
Disk = Callable[[int], Path]
SETTINGS = (
    "--weights", "none", "--size", "32", "--alpha", "0.35", "--num-frames", "4",
    "--frame-rate", "5", "--no-deterministic", "--learning-rate", "0.01",
)  # fmt: skip


def files_below(folder: Path) -> list[str]:
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())


def used_kb(folder: Path) -> int:
    line = subprocess.check_output(["df", "-k", "--output=used", folder], text=True)
    return int(line.split()[1])


def check_run(folder: Path, epochs: int) -> None:
    """Check that a run folder is whole and no epoch was done twice or not at all."""
    with (folder / "history.csv").open(encoding="utf-8", newline="") as file:
        assert [int(row["epoch"]) for row in csv.DictReader(file)] == list(range(1, epochs + 1))
    assert {"model.keras", "training_history.png"} <= {p.name for p in folder.iterdir()}
    assert not list(folder.parent.glob("*.partial"))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("epochs", "message"),
    [
        (1, "run cannot be written: No space left on device. Free some disk space"),
        (2, "head.npz cannot be written: No space left on device. Free some disk space"),
    ],
)
def test_run_folder_and_checkpoint(
    epochs: int, message: str, har_train: RunCommand, clips: Path, cache: Path, small_disk: Disk
) -> None:
    # Room for one checkpoint of 11 MB; not for another beside it, nor for the run of 6 MB.
    disk = small_disk(15_000)
    run, cached = disk / "run", ("--cache", cache)
    result = har_train("fit", clips, "--out", run, "--epochs", str(epochs), *SETTINGS, *cached)
    assert result.returncode == 1
    assert message in result.stderr
    assert f"continue with --resume {run}" in result.stderr
    kept = ["run.partial/checkpoints/config.toml", "run.partial/checkpoints/head.npz"]
    assert files_below(disk) == kept
    small_disk(40_000)
    result = har_train("fit", "--resume", run, *cached)
    assert result.returncode == 0, result.stderr
    assert "epoch   1" not in result.stderr
    check_run(run, epochs)


@pytest.mark.slow
def test_cache(har_train: RunCommand, clips: Path, tmp_path: Path, small_disk: Disk) -> None:
    disk = small_disk(100)
    # Which head it is does not matter here; this one is built in no time.
    arguments = (clips, "--epochs", "1", "--head", "mean", *SETTINGS, "--cache", disk)
    result = har_train("fit", *arguments, "--out", "run")
    assert result.returncode == 1
    assert "cannot be written: No space left on device. Free some disk space, or" in result.stderr
    entries = files_below(disk)
    assert all(np.isfinite(np.load(disk / name)).all() for name in entries)
    assert 0 < len(entries) < 12
    assert not list(tmp_path.glob("run*"))  # no epoch was done: there is nothing to go on with

    small_disk(4_000)
    result = har_train("fit", *arguments, "--out", "run")
    assert result.returncode == 0, result.stderr
    check_run(tmp_path / "run", 1)

    entries = files_below(disk)
    small_disk(used_kb(disk) + 12)  # the head's features are there; not all maps find room
    tuning = ("--fine-tune-blocks", "1", "--fine-tune-epochs", "1")
    result = har_train("fit", *arguments, "--out", "tuned", *tuning)
    assert result.returncode == 1
    assert "cannot be written: No space left on device" in result.stderr
    assert "continue with --resume tuned" in result.stderr
    assert {Path(name).suffix for name in files_below(disk)} == {".npy"}
    assert len(files_below(disk)) < 2 * len(entries)

    small_disk(4_000)
    result = har_train("fit", "--resume", "tuned", "--cache", disk)
    assert result.returncode == 0, result.stderr
    check_run(tmp_path / "tuned", 3)  # the head, the blocks, the head again
