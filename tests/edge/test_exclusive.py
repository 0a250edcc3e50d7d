"""One process at a time writes a result; a kill frees it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from har_edge.errors import OutputError
from har_edge.exclusive import one_at_a_time

ADVICE = "Give another --out."
HOLD = """import sys, time
from pathlib import Path
from har_edge.exclusive import one_at_a_time
with one_at_a_time(Path(sys.argv[1]), ""):
    print("held", flush=True)
    time.sleep(60)
"""


def test_the_second_is_told_at_once(tmp_path: Path) -> None:
    with one_at_a_time(tmp_path / "run", ADVICE):
        assert (tmp_path / ".run.lock").stat().st_mode & 0o777 == 0o600
        told = r"one process at a time\. .* Give another --out\."
        with pytest.raises(OutputError, match=told), one_at_a_time(tmp_path / "run", ADVICE):
            pass
        with one_at_a_time(tmp_path / "other", ADVICE):
            pass
    assert list(tmp_path.iterdir()) == []
    with one_at_a_time(tmp_path / "run", ADVICE):
        pass


def test_a_kill_frees_it(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOLD, str(tmp_path / "run")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(OutputError), one_at_a_time(tmp_path / "run", ADVICE):
            pass
        holder.send_signal(signal.SIGKILL)
        holder.wait(timeout=30)
    assert (tmp_path / ".run.lock").exists()  # and says nothing
    with one_at_a_time(tmp_path / "run", ADVICE):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_planted_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / ".run.lock").symlink_to(tmp_path / "victim")
    refused = pytest.raises(OutputError, match="cannot be written")
    with refused, one_at_a_time(tmp_path / "run", ADVICE):
        pass
    assert not (tmp_path / "victim").exists()


def test_names_as_long_as_names_may_be(tmp_path: Path) -> None:
    with one_at_a_time(tmp_path / ("\u20ac" * 85), ADVICE):
        pass


def test_without_an_error_in_between_the_lock_goes(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), one_at_a_time(tmp_path / "run", ADVICE):
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []


def test_a_file_system_without_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(descriptor: int, operation: int) -> None:
        raise OSError(38, os.strerror(38))

    monkeypatch.setattr("har_edge.locks.fcntl.flock", refuse)
    with one_at_a_time(tmp_path / "run", ADVICE):
        pass
    assert list(tmp_path.iterdir()) == []
