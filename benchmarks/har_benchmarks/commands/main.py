"""The command `har-bench`."""

from __future__ import annotations

from typing import NoReturn

import click

from har_benchmarks.commands.alarms import alarms
from har_benchmarks.commands.collect import collect
from har_benchmarks.commands.compare import compare
from har_benchmarks.commands.experiment import experiment
from har_benchmarks.commands.peers import peers
from har_benchmarks.commands.run import run
from har_benchmarks.options import SETTINGS
from har_edge import __version__
from har_edge.commands.harness import run_command


@click.group(context_settings=SETTINGS)
@click.version_option(__version__, prog_name="har-bench")
def cli() -> None:
    """Measure what each variant of a model costs on this machine, and how accurate it is.

    \b
    Examples:
      har-bench run models/mine --threads 1,2 --out bench/mine
      har-bench compare bench/before bench/mine --fail-on-regression 5%
      har-bench alarms clips falls.csv --label falling
      har-bench peers video.mp4 --out bench/mine
      har-bench collect results/*.json --out fleet.html
    """


for command in (run, compare, alarms, peers, collect, experiment):
    cli.add_command(command)


def main() -> NoReturn:
    """Entry point of `har-bench`."""
    run_command(cli)
