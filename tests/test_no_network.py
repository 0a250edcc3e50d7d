"""No command of ours opens a connection or looks up a name that nobody asked for.

Commands run in a network namespace without any device. Python's own sockets and look-ups are
written down by an audit hook, also of child processes; those of native code by strace, where it
is installed. Training and conversion by TensorFlow are not covered.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ASSETS

HOOK = """
import os, sys
def note(event, arguments):
    if event in ("socket.getaddrinfo", "socket.gethostbyname", "socket.sendto") or (
        event == "socket.connect" and not isinstance(arguments[1], (str, bytes))
    ):
        with open(os.environ["HAR_TEST_ASKED"], "a") as file:
            file.write(f"{event} {arguments[1:]} {sys.argv}\\n")
sys.addaudithook(note)
"""
ONNX = str(ASSETS / "tiny-onnx.encode.onnx")
QUANTIZE = """
import sys
import numpy as np
from har_convert.onnx.quantize import quantize_onnx
from har_edge.model.file import read_model_file
window = np.zeros((1, 4, 8), np.float32)
quantize_onnx(read_model_file(sys.argv[1]).networks[1], "features", [window])
"""
RUN = ("-m", "har_edge", "run", "--demo", "--headless", "--max-frames", "4")
COMMANDS = {
    "info": ("-m", "har_edge", "info"),
    "info-onnx": ("-m", "har_edge", "info", ONNX),
    "run": RUN,
    "run-onnx": (*RUN, "--model", ONNX),
    "doctor": ("-m", "har_edge", "doctor"),
    "audit": ("-m", "har_convert", "audit", str(ASSETS / "tiny-int8.tflite")),
    "audit-onnx": ("-m", "har_convert", "audit", ONNX),
    "quantize-onnx": ("-c", QUANTIZE, ONNX),
}


def _works(*command: str) -> bool:
    if shutil.which(command[0]) is None:
        return False
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def _can_unshare() -> bool:
    if shutil.which("unshare") is None:
        return False
    return (
        subprocess.run(["unshare", "-n", "true"], capture_output=True, check=False).returncode == 0
    )


@pytest.mark.skipif(not _can_unshare(), reason="an empty network namespace needs root")
@pytest.mark.parametrize("name", COMMANDS)
def test_nothing_is_asked_of_the_network(name: str, tmp_path: Path) -> None:
    if "onnx" in name:
        pytest.importorskip("onnxruntime")
        pytest.importorskip("onnx")
    hooks, home, asked, calls = (tmp_path / part for part in ("hooks", "home", "asked", "calls"))
    hooks.mkdir()
    home.mkdir()
    (hooks / "sitecustomize.py").write_text(HOOK)
    environment = {
        **{k: v for k, v in os.environ.items() if not k.startswith(("XDG_", "HAR_", "ORT_"))},
        "HOME": str(home),
        "PYTHONPATH": os.pathsep.join([str(hooks), *filter(None, sys.path)]),
        "HAR_TEST_ASKED": str(asked),
    }
    trace = ["strace", "-f", "-qq", "-o", str(calls), "-e", "trace=connect,sendto,sendmmsg"]
    done = subprocess.run(
        ["unshare", "-n", *(trace if _can_trace() else ()), sys.executable, *COMMANDS[name]],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
        timeout=120,
    )
    assert done.returncode in (0, 1), done.stderr  # doctor finds what it finds
    assert "Traceback" not in done.stderr
    assert not asked.exists(), asked.read_text()
    if calls.exists():
        foreign = [line for line in calls.read_text().splitlines() if "AF_INET" in line]
        assert foreign == []
    left = [str(p.relative_to(home)) for p in home.rglob("*") if p.is_file()]
    assert [path for path in left if "har-edge" not in path] == []


def _can_trace() -> bool:
    if shutil.which("strace") is None:
        return False
    return (
        subprocess.run(["strace", "-qq", "true"], capture_output=True, check=False).returncode == 0
    )
