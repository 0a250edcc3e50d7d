"""Child processes for work on files that may crash or hang whoever looks at them."""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn

from har_edge.errors import HarError

PR_SET_PDEATHSIG = 1  # Source: linux/prctl.h
REFUSED = 3  # the child's exit code for an error of ours, whose message is its answer


def ask_child(
    module: str, arguments: Sequence[str], error: type[HarError], *, shown: str, limit_s: float
) -> bytes:
    """Run `python -m MODULE ARGUMENTS` and give its answer; its end is never this process's.

    Args:
        module: Its main function calls `answer_parent`.
        arguments: Of its command line.
        error: What to raise.
        shown: The file that it looks at, for messages.
        limit_s: Time that it may take.

    Raises:
        HarError: of the kind asked for, if the child refuses the file, crashes or hangs.
    """
    advice = "The file is damaged or made to do harm. Use another one."
    try:
        done = subprocess.run(
            [sys.executable, "-m", module, *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            env=_environment(),
            timeout=limit_s,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise error(
            f"{shown} should load and answer within {limit_s:g} s. It does not. {advice}"
        ) from None
    except OSError as problem:
        raise error(
            f"{shown} cannot be tried in a process of its own: {problem.strerror}. Make room "
            "for one."
        ) from problem
    if done.returncode == 0:
        return done.stdout
    if done.returncode == REFUSED:
        raise error(done.stdout.decode(errors="replace"))
    if done.returncode < 0:
        raise error(
            f"{shown} should load and answer. The runtime crashes on it "
            f"({_signal_name(-done.returncode)}). {advice}"
        )
    said = done.stderr.decode(errors="replace").strip()
    last = said.rsplit("\n", 1)[-1] or f"exit code {done.returncode}"
    raise error(f"{shown} should load and answer. Received: {last}. {advice}")


def answer_parent(work: Callable[[], bytes], limit_bytes: int) -> NoReturn:
    """Do the child's part of `ask_child`, and end the process.

    Args:
        work: Gives the answer.
        limit_bytes: Memory that it may take.
    """
    _end_with_parent()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_DATA, (limit_bytes, limit_bytes))
    # If memory runs out nevertheless, this process shall be the one that is ended.
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000", "ascii")
    # Runtimes print to where the answer goes.
    stream = os.dup(1)
    os.dup2(2, 1)
    code = 0
    try:
        answer = work()
    except HarError as error:
        code, answer = REFUSED, str(error).encode(errors="backslashreplace")
    except MemoryError:
        sys.exit(f"it takes more than {limit_bytes >> 20} MB of memory")
    with os.fdopen(stream, "wb") as file:
        file.write(answer)
    # Not by the interpreter's own end, in which native libraries wait for their threads.
    os._exit(code)


def _environment() -> dict[str, str]:
    """Let a child import what this process imports, and no other."""
    # Without it `python -m` looks into the current folder first, where anybody's files may lie.
    search = os.pathsep.join(path for path in sys.path if path)
    # numpy's threads would reserve memory of their own, which counts as taken.
    one = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    return {**os.environ, "PYTHONPATH": search, "PYTHONSAFEPATH": "1", **one}


def _end_with_parent() -> None:
    # Other libraries of C than glibc and musl, and other systems than Linux, have no prctl.
    with contextlib.suppress(AttributeError, OSError):
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
