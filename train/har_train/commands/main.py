"""The command `har-train`."""

from __future__ import annotations

from typing import NoReturn

import click

from har_edge import __version__
from har_edge.commands.harness import ends_like_an_interrupt, run_command
from har_edge.model.native_log import keep_own_stderr
from har_train.commands.crops import crops
from har_train.commands.evaluate import evaluate
from har_train.commands.explain import explain
from har_train.commands.explore import explore
from har_train.commands.fit import fit
from har_train.commands.people import people
from har_train.commands.poses import poses


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 96})
@click.version_option(__version__, prog_name="har-train")
def cli() -> None:
    """Train action recognition on your own stills or clips.

    \b
    Examples:
      har-train explore DATA --out report
      har-train fit DATA --out runs/mine
      har-train fit DATA --weights mobilenet_v2.weights.h5 --num-frames 16 --frame-rate 8
      har-train evaluate runs/mine
      har-train explain runs/mine clip.mp4
    """


for command in (explore, fit, evaluate, explain, people, crops, poses):
    cli.add_command(command)


def main() -> NoReturn:
    """Entry point of `har-train`."""
    keep_own_stderr()
    with ends_like_an_interrupt():
        run_command(cli, speaks=True)
