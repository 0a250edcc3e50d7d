"""What all workers of pytest-xdist share: made by the first one that asks, and only then."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Callable
from pathlib import Path


def made_once(base: Path, name: str, make: Callable[[Path], object]) -> Path:
    """A folder that is filled once in a run of the tests, however many workers ask for it.

    Args:
        base: Pytest's folder of this process, `tmp_path_factory.getbasetemp()`.
        name: Of the folder; no other may have it.
        make: Fills the folder, which is there and empty. What it writes must be the same whichever
            worker it runs in.
    """
    if "PYTEST_XDIST_WORKER" in os.environ:
        base = base.parent  # of the whole run; each worker has a folder below it
    folder, done = base / f"once-{name}", base / f"once-{name}.done"
    with (base / f"once-{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not done.exists():
            shutil.rmtree(folder, ignore_errors=True)  # of a worker that failed
            folder.mkdir()
            make(folder)
            done.touch()
    return folder
