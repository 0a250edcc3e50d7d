"""The command `har-edge`: its group and its entry point."""

from __future__ import annotations

from typing import NoReturn

import click

from har_edge import __version__
from har_edge.commands.doctor import doctor
from har_edge.commands.harness import leave, run_command
from har_edge.commands.info import info
from har_edge.commands.run import run
from har_edge.commands.serve import serve
from har_edge.commands.teach import teach
from har_edge.model.native_log import keep_own_stderr


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 96})
@click.version_option(__version__, prog_name="har-edge")
def cli() -> None:
    """Say what a person is doing, from a camera, a video or a photo.

    \b
    Examples:
      har-edge run --demo
      har-edge run --camera 0
      har-edge info clips
    """


for command in (run, serve, info, teach, doctor):
    cli.add_command(command)


def main() -> NoReturn:
    """Entry point of `har-edge`."""
    keep_own_stderr()
    try:
        run_command(cli)
    except SystemExit as end:
        leave(end.code if isinstance(end.code, int) else 1)
