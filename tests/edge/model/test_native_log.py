"""Muting what native code writes: only for as long as it lasts, on any number of threads."""

from __future__ import annotations

import os
import subprocess
import sys
import threading

import pytest

from har_edge.model.native_log import native_log_muted


def test_nothing_comes_through(capfd: pytest.CaptureFixture[str]) -> None:
    os.write(2, b"before ")
    with native_log_muted():
        os.write(2, b"within ")
    os.write(2, b"after")
    assert capfd.readouterr().err == "before after"


def test_threads_that_overlap_leave_it_as_it_was(capfd: pytest.CaptureFixture[str]) -> None:
    """The first to mute is the first to end, while the second still mutes."""
    second_in, first_out = threading.Event(), threading.Event()

    def second() -> None:
        with native_log_muted():
            second_in.set()
            first_out.wait(5)

    thread = threading.Thread(target=second)
    with native_log_muted():
        thread.start()
        assert second_in.wait(5)
    os.write(2, b"one still mutes ")
    first_out.set()
    thread.join(5)
    os.write(2, b"none does")
    assert capfd.readouterr().err == "none does"


def test_an_error_ends_it(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ValueError, match="seen"), native_log_muted():
        raise ValueError("seen")
    os.write(2, b"after")
    assert capfd.readouterr().err == "after"


def test_a_program_with_a_stderr_of_its_own_is_heard_meanwhile() -> None:
    code = (
        "import os, sys; from har_edge.model.native_log import *; keep_own_stderr()\n"
        "with native_log_muted(): print('ours', file=sys.stderr); os.write(2, b'native')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr == "ours\n"
