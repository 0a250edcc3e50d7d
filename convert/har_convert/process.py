"""Runs a worker in a process of its own, and says what became of it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from har_convert.worker import ERROR_NAME, LOG_NAME
from har_edge.errors import HarError, MissingExtraError
from har_edge.say import Say


class ConversionError(HarError):
    """The converter failed."""


def run_worker(folder: Path, say: Say, module: str = "har_convert.worker") -> None:
    """Run a worker on a job in a process of its own, which ends when this one does.

    Args:
        folder: The job's; the converter's own temporary files lie in it, too.
        say: Takes a line for every step.
        module: What is run.

    Raises:
        ConversionError: if it fails or crashes.
        MissingExtraError: if TensorFlow or another package is missing.
    """
    command = [sys.executable, "-m", module, str(folder)]
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        env={**os.environ, "TMPDIR": os.fspath(folder)},
    ) as process:
        try:
            assert process.stdout is not None
            for line in process.stdout:
                say(line.rstrip())
        except BaseException:
            process.kill()
            raise
    if process.returncode == 0:
        return
    if (folder / ERROR_NAME).exists():
        raise ConversionError((folder / ERROR_NAME).read_text(encoding="utf-8"))
    log = folder / LOG_NAME
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines() if log.exists() else []
    for extra in ("tensorflow", "keras", "tf2onnx", "onnx", "onnxruntime"):
        if any(f"No module named '{extra}'" in line for line in lines):
            raise MissingExtraError("convert", extra)
    if process.returncode < 0:
        raise ConversionError(
            f"TensorFlow's converter crashed (signal {-process.returncode}). See the log in the "
            "output folder; try another variant or another TensorFlow release."
        )
    last = next((line for line in reversed(lines) if line.strip()), "no message")
    raise ConversionError(f"The conversion failed: {last}. See the log in the output folder.")
