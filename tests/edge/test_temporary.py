"""Temporary folders that go with their process."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from har_edge.temporary import temporary_folder

WORK = """import sys, time
from pathlib import Path
from har_edge.temporary import temporary_folder
with temporary_folder("har-test-", Path(sys.argv[1])) as folder:
    (folder / "deep").mkdir()
    (folder / "deep" / "file").write_text("x")
    print("works", flush=True)
    time.sleep(60)
"""


def wait_until_empty(folder: Path) -> None:
    deadline_s = time.monotonic() + 20
    while any(folder.iterdir()) and time.monotonic() < deadline_s:
        time.sleep(0.02)
    assert list(folder.iterdir()) == []


def test_it_goes_at_the_end(tmp_path: Path) -> None:
    with temporary_folder("har-test-", tmp_path) as folder:
        assert folder.stat().st_mode & 0o777 == 0o700
        (folder / "file").write_text("x")
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(KeyboardInterrupt), temporary_folder("har-test-", tmp_path):
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGHUP])
def test_it_goes_with_its_process(tmp_path: Path, number: signal.Signals) -> None:
    command = [sys.executable, "-c", WORK, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "works\n"
        process.send_signal(number)
        process.wait(timeout=30)
    wait_until_empty(tmp_path)


def test_what_was_left_nevertheless_is_swept(tmp_path: Path) -> None:
    left = tmp_path / "har-test-abcd_123"
    (left / "deep").mkdir(parents=True)
    others = [tmp_path / "har-test-", tmp_path / "har-test-of-somebody", tmp_path / "har-other-a"]
    for folder in others:
        folder.mkdir()
    (tmp_path / "har-test-00000000").symlink_to(others[1])
    with (
        temporary_folder("har-test-", tmp_path) as first,
        temporary_folder("har-test-", tmp_path) as second,
    ):
        assert first.is_dir()  # one that somebody works in stays
        assert second.is_dir()
    assert not left.exists()
    assert all(folder.is_dir() for folder in others)
    assert (tmp_path / "har-test-00000000").is_symlink()


def test_without_room_for_a_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(11, "Resource temporarily unavailable")

    monkeypatch.setattr("har_edge.temporary.subprocess.Popen", refuse)
    with temporary_folder("har-test-", tmp_path) as folder:
        assert folder.is_dir()
    assert list(tmp_path.iterdir()) == []
