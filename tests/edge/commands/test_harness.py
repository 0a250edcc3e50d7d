"""How commands end: by a signal, what was begun is undone, and the exit code says which."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

COMMAND = """import sys, time
import click
from har_edge.commands.harness import ends_like_an_interrupt, run_command
from har_edge.exclusive import one_at_a_time
from pathlib import Path
@click.command()
@click.argument("path", type=click.Path(path_type=Path))
def command(path):
    with one_at_a_time(path, ""):
        print("works", flush=True)
        time.sleep(60)
with ends_like_an_interrupt():
    run_command(command)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signals_end_a_command_in_order(tmp_path: Path, number: signal.Signals) -> None:
    command = [sys.executable, "-c", COMMAND, str(tmp_path / "run")]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True) as process:
        assert process.stdout is not None and process.stderr is not None
        assert process.stdout.readline() == "works\n"
        assert (tmp_path / ".run.lock").exists()
        process.send_signal(number)
        assert process.wait(timeout=30) == 128 + number
        assert process.stderr.read().strip() == "Interrupted."
    assert list(tmp_path.iterdir()) == []


def test_what_nohup_ignores_stays_ignored(tmp_path: Path) -> None:
    code = "import signal; signal.signal(signal.SIGHUP, signal.SIG_IGN)\n" + COMMAND
    command = [sys.executable, "-c", code, str(tmp_path / "run")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "works\n"
        process.send_signal(signal.SIGHUP)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(timeout=1)
        process.terminate()
        assert process.wait(timeout=30) == 128 + signal.SIGTERM
