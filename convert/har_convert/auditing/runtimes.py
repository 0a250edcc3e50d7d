"""Which installed runtimes take a model file: each tries it in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from har_edge.model.runtimes import ONNX_RUNTIME, TFLITE_RUNTIMES, available_backends

LOAD_TIMEOUT_S = 120


def runtimes_for(path: Path) -> list[str]:
    """The installed runtimes that run a file's format, preferred first."""
    fitting = (ONNX_RUNTIME,) if path.suffix == ".onnx" else tuple(TFLITE_RUNTIMES)
    return [name for name in available_backends() if name in fitting]


def try_runtime(name: str, paths: Sequence[Path]) -> str:
    """Load and run a file in a process of its own: a runtime may crash on a foreign file."""
    command = [sys.executable, "-m", "har_convert.auditing.try_runtime", name, *map(str, paths)]
    try:
        result = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=LOAD_TIMEOUT_S
        )
    except subprocess.TimeoutExpired:
        return f"hangs (no answer in {LOAD_TIMEOUT_S} s)"
    if result.returncode < 0:
        return f"crashes (signal {-result.returncode})"
    lines = [line for line in result.stderr.splitlines() if line.strip()]
    return "loads and runs" if result.returncode == 0 else f"refuses it: {lines[-1]}"
