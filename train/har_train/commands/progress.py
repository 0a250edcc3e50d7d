"""What the commands show while they work: lines above bars, and tables in the end."""

from __future__ import annotations

import sys
from collections.abc import Mapping

import click

from har_edge.commands.harness import note
from har_train.watch import Tick, Watch


def say(line: str) -> None:
    """Tell the user, above a progress bar if there is one."""
    from tqdm import tqdm

    with tqdm.external_write_mode(file=sys.stderr):
        note(line)


def sample_bar(samples: int, classes: int, verb: str = "Encoding") -> Tick:
    """Open a bar over samples."""
    return open_bar(samples, f"{verb} ({classes} classes)", "file")


def epoch_bar(epochs: int) -> Tick:
    """Open a bar over epochs."""
    return open_bar(epochs, "Training", "epoch")


def open_bar(total: int, title: str, unit: str) -> Tick:
    """Open a bar on a terminal; elsewhere nothing is shown."""
    from tqdm import tqdm

    bar = tqdm(
        total=total,
        desc=title,
        unit=unit,
        file=sys.stderr,
        disable=not sys.stderr.isatty(),
        leave=False,
    )
    update: Tick = bar.update
    return update


def show_metrics(metrics: Mapping[str, Mapping[str, float]], num_frames: int) -> None:
    """Print the table of figures, and what its intervals say."""
    from har_train.reports.tables import interval_note, metrics_table

    click.echo(metrics_table(metrics, num_frames=num_frames))
    if said := interval_note(metrics):
        note(said)


WATCH = Watch(say, sample_bar, epoch_bar)
