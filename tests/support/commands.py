"""Our commands within the process of the tests: starting TensorFlow anew takes seconds."""

from __future__ import annotations

import contextlib
import io
import subprocess
from collections.abc import Sequence
from pathlib import Path

import click

from har_edge.commands.harness import run_command


def run_here(
    cli: click.Command, arguments: Sequence[str | Path]
) -> subprocess.CompletedProcess[str]:
    """Run a command as its entry point does; give what a process would.

    Args:
        cli: The command, as its entry point hands it to `run_command`.
        arguments: What is typed behind its name.
    """
    typed = [str(argument) for argument in arguments]
    stdout, stderr = io.StringIO(), io.StringIO()
    code: object = 0
    with contextlib.redirect_stdout(stdout), contextlib.redirect_stderr(stderr):
        try:
            run_command(cli, typed)
        except SystemExit as error:
            code = error.code
    return subprocess.CompletedProcess(
        typed, code if isinstance(code, int) else 1, stdout.getvalue(), stderr.getvalue()
    )
