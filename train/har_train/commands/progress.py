"""What the commands show while they work: lines above bars, and tables in the end."""

from __future__ import annotations

from collections.abc import Mapping

from har_edge.commands.harness import note, show
from har_edge.counted import counted
from har_edge.progress import Progress, cleared
from har_train.watch import Tick, Watch


def say(line: str) -> None:
    """Tell the user, above a progress bar if there is one."""
    with cleared():
        note(line)


def sample_bar(samples: int, classes: int, verb: str = "Encoding") -> Tick:
    """Open a bar over samples."""
    return Progress(samples, f"{verb} ({counted(classes, 'class', 'classes')})", "file")


def epoch_bar(epochs: int) -> Tick:
    """Open a bar over epochs."""
    return Progress(epochs, "Training", "epoch")


def show_metrics(metrics: Mapping[str, Mapping[str, float]], num_frames: int) -> None:
    """Print the table of figures, and what its intervals say."""
    from har_train.reports.tables import interval_note, metrics_table

    show(metrics_table(metrics, num_frames=num_frames))
    if said := interval_note(metrics):
        note(said)


WATCH = Watch(say, sample_bar, epoch_bar)
