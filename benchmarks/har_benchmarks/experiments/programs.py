"""Our other packages as programs: what trains and converts is not imported here."""

from __future__ import annotations

import subprocess
import sys

import click


def run_package(module: str, *arguments: object, capture: bool = False) -> str:
    """Run `python -m MODULE ARGUMENTS` in this Python and wait for its end.

    Args:
        module: A module of ours, dotted.
        arguments: What it is told.
        capture: Whether its standard output is taken; else it goes to the user.

    Returns:
        Its standard output if captured, else "".

    Raises:
        click.exceptions.Exit: with its exit code, if it fails; it has said why.
    """
    command = [sys.executable, "-m", module, *map(str, arguments)]
    output = subprocess.PIPE if capture else None
    done = subprocess.run(command, stdout=output, text=True, encoding="utf-8", check=False)
    if done.returncode:
        raise click.exceptions.Exit(max(1, done.returncode))
    return done.stdout or ""
