"""A conversion that is ended takes its worker and its folder with it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

# In place of TensorFlow's converter: it says where it works, and never ends by itself.
SLOW = """import os, sys, time
if "har_convert.worker" in sys.orig_argv:
    import signal
    sys.path.insert(0, os.getcwd())
    import har_convert.worker as worker
    def work(job, folder, say):
        import tempfile
        left = tempfile.mkdtemp()
        say(f"{os.getpid()} {folder} {left}")
        time.sleep(120)
    worker.work = work
    sys.argv = sys.orig_argv[-2:]
    worker.main()
    os._exit(0)
"""


def gone(path: Path, pid: int) -> bool:
    return not path.exists() and not Path(f"/proc/{pid}/fd").exists()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_worker_and_folder_go_along(tmp_path: Path, number: int) -> None:
    shim, work = tmp_path / "shim", tmp_path / "work"
    shim.mkdir()
    work.mkdir()
    (shim / "sitecustomize.py").write_text(SLOW, encoding="utf-8")
    search = os.pathsep.join([str(shim), *filter(None, sys.path)])
    with subprocess.Popen(
        [sys.executable, "-m", "har_convert", "clips", "--int8", "--out", tmp_path / "out"],
        env={**os.environ, "PYTHONPATH": search, "TMPDIR": str(work)},
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        words: list[str] = []
        while len(words) != 3 or not words[0].isdigit():
            words = process.stderr.readline().split()
        pid, folder, left = int(words[0]), Path(words[1]), Path(words[2])
        assert folder.is_relative_to(work)
        assert left.is_relative_to(folder)  # the converter's own files lie in it, too
        process.send_signal(number)
        code = process.wait(timeout=30)
    assert code == (-number if number == signal.SIGKILL else 128 + number)
    deadline_s = time.monotonic() + 20
    while not gone(folder, pid) and time.monotonic() < deadline_s:
        time.sleep(0.02)
    assert gone(folder, pid)
    assert list(work.iterdir()) == []
    if number != signal.SIGKILL:
        assert not (tmp_path / ".out.lock").exists()
