"""The group of commands: each is loaded when it is asked for."""

from __future__ import annotations

import subprocess
import sys

import pytest
from click.testing import CliRunner

from har_edge.commands.main import COMMANDS, cli


@pytest.mark.parametrize("name", COMMANDS)
def test_commands_are_found(name: str) -> None:
    result = CliRunner().invoke(cli, [name, "--help"])
    assert result.exit_code == 0
    assert f"har-edge {name}" in result.output or name == "doctor"


def test_help_lists_them_in_order() -> None:
    listed = CliRunner().invoke(cli, ["--help"]).output.partition("Commands:")[2].split("\n")
    assert tuple(line.split()[0] for line in listed if line.strip()) == tuple(COMMANDS)


def test_a_name_that_is_none_is_refused() -> None:
    result = CliRunner().invoke(cli, ["rum"])
    assert result.exit_code == 2
    assert "No such command 'rum'" in result.output


def test_a_command_loads_no_other() -> None:
    code = (
        "import sys; from har_edge.commands.main import cli; "
        "cli.main(['run', '--help'], standalone_mode=False); print(*sys.modules)"
    )
    loaded = subprocess.check_output([sys.executable, "-c", code], text=True).split()
    assert "har_edge.commands.run" in loaded
    assert "har_edge.commands.serve" not in loaded
