"""The command `har-edge`: its group and its entry point."""

from __future__ import annotations

from typing import NoReturn

import click

from har_edge import __version__
from har_edge.commands.harness import leave, run_command
from har_edge.model.native_log import keep_own_stderr

# What the list of commands says of each, so that `har-edge --help` loads none of them.
COMMANDS = {
    "demo": "Show what the bundled models see in bundled pictures and clips.",
    "doctor": "Check this machine and say how to fix what is wrong.",
    "info": "Show everything that a model file says about itself.",
    "models": "List the bundled models, what each knows and what it is for.",
    "run": "Recognise actions in pictures, videos, cameras and streams.",
    "serve": "Serve a REST API and a dashboard.",
    "teach": "Teach a model an action from a few seconds of recording.",
}


class Commands(click.Group):
    """Loads a command when it is needed: a start need not wait for the options of the others."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Name the commands, as help lists them."""
        return list(COMMANDS)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands with a line for each."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Load a command; None if there is none of this name."""
        match cmd_name:
            case "demo":
                from har_edge.commands.demo import demo as command
            case "doctor":
                from har_edge.commands.doctor import doctor as command
            case "info":
                from har_edge.commands.info import info as command
            case "models":
                from har_edge.commands.models import models as command
            case "run":
                from har_edge.commands.run import run as command
            case "serve":
                from har_edge.commands.serve import serve as command
            case "teach":
                from har_edge.commands.teach import teach as command
            case _:  # click suggests one of those that it holds
                found = ((name, self.get_command(ctx, name)) for name in COMMANDS)
                self.commands = {name: command for name, command in found if command is not None}
                return None
        return command


@click.group(
    cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 96}
)
@click.version_option(__version__, prog_name="har-edge")
def cli() -> None:
    """Recognise what a person is doing, from a camera, a video or a photo.

    \b
    Examples:
      har-edge demo
      har-edge run --camera 0
      har-edge models
    """


def main() -> NoReturn:
    """Entry point of `har-edge`."""
    keep_own_stderr()
    try:
        run_command(cli)
    except SystemExit as end:
        leave(end.code if isinstance(end.code, int) else 1)
