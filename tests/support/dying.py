"""Commands that are killed in the middle of a write; see kill_at.c for how."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

SOURCE = Path(__file__).with_name("kill_at.c")
# HAR_KILLS=20 for a thorough look.
KILLS = int(os.environ.get("HAR_KILLS", "3"))
# What is never left behind by the next command that ends well.
LEFT = ("*.partial", "*.lock", "*-journal", ".har-0*", "*.new")


@dataclass(frozen=True)
class Disk:
    """A folder that commands write to, and the library that kills them at it."""

    folder: Path
    library: Path
    count: Path

    def run(self, words: Sequence[str | Path], *, at: int | None = None) -> int:
        """Run a command to its end, or until it is killed at a change: its exit code."""
        env = {**os.environ, "LD_PRELOAD": str(self.library), "HAR_KILL_UNDER": str(self.folder)}
        env |= {"HAR_KILL_COUNT": str(self.count)} if at is None else {"HAR_KILL_AT": str(at)}
        env["PYTHONPATH"] = os.pathsep.join(filter(None, sys.path))
        done = subprocess.run(
            [sys.executable, *map(str, words)],
            env=env,
            capture_output=True,
            text=True,
            check=False,
            timeout=900,
        )
        assert "Traceback" not in done.stderr, done.stderr
        assert done.returncode in (0, -signal.SIGKILL), done.stderr
        return done.returncode


def build(place: Path) -> Path:
    """Compile the library."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("there is no C compiler")
    library = place / "kill_at.so"
    command = [compiler, "-shared", "-fPIC", "-O1", "-o", library, SOURCE, "-ldl"]
    subprocess.run(command, check=True, timeout=120)
    return library


def kill_during_writes(
    disk: Disk,
    words: Sequence[str | Path],
    check: Callable[[bool], object],
    *,
    prepare: Callable[[], object] = lambda: None,
    then: Callable[[], Sequence[str | Path] | None] | None = None,
) -> int:
    """Run a command, kill it at random changes of files, and start it again after each kill.

    Args:
        disk: What it writes to.
        words: The command's words after `python`.
        check: Looks at what is there: True after a command that ended well, False after a kill.
        prepare: Called before each command that is killed.
        then: The words of the next start, None for none; by default the same.

    Returns:
        Changes of files that the whole command makes.
    """
    disk.count.unlink(missing_ok=True)
    prepare()
    assert disk.run(words) == 0
    check(True)
    changes = disk.count.stat().st_size
    killed = 0
    for at in sorted(random.Random(0).sample(range(1, changes + 1), min(KILLS, changes))):
        prepare()
        code = disk.run(words, at=at)
        killed += code != 0
        check(code == 0)
        again = then() if then else words
        if again is not None:
            assert disk.run(again) == 0
        check(True)
        left = [path.name for pattern in LEFT for path in disk.folder.rglob(pattern)]
        assert left == [], f"after a kill at change {at} of {changes}"
    assert killed  # the library does what it says
    sys.stdout.write(f"\n{changes} changes of files, {killed} kills\n")  # pytest -s shows it
    return changes
