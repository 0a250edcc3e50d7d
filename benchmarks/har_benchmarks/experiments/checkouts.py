"""Two checkouts of the project in turns: is the newer one slower, or larger in memory?

    har-bench experiment checkouts BEFORE AFTER [--rounds N] [--out JSON]

Each command of `har-edge` runs in a process of its own, once with each checkout's sources, in
turns; the packages that both need are this Python's. Wall-clock time, processor time and peak
memory are those that the system counts for the process.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import click

from har_benchmarks.experiments.result import SAMPLE, write_result
from har_benchmarks.experiments.turns import in_turns
from har_edge.commands.harness import note
from har_edge.errors import DataError
from har_edge.machine.facts import git_revision, machine_facts

ROOTS = ("edge", "train", "convert", "benchmarks")
PICTURE = SAMPLE.with_name("seated.jpg")
LAUNCHER = str(Path(__file__).with_name("launch.py"))


@dataclass(frozen=True)
class Cost:
    """What one run of a command took."""

    wall_ms: float
    cpu_ms: float
    peak_mb: float


def commands_of(video: str) -> dict[str, tuple[str, ...]]:
    """What is timed: name to the arguments of `har-edge`."""
    lines = ("--output-format", "jsonl")
    return {
        "help": ("--help",),
        "one picture": ("run", str(PICTURE), *lines),
        "video, har15": ("run", video, "--model", "har15", *lines),
        "video, clips": ("run", video, "--model", "clips", *lines),
    }


def cost_of(checkout: Path, arguments: tuple[str, ...]) -> Cost:
    """Run a command with the sources of a checkout.

    Raises:
        DataError: if it fails.
    """
    paths = os.pathsep.join(str(checkout / root) for root in ROOTS)
    launched = subprocess.run(
        [sys.executable, "-S", LAUNCHER, sys.executable, "-m", "har_edge", *arguments],
        env={**os.environ, "PYTHONPATH": paths},
        capture_output=True,
        check=True,
    )
    facts = json.loads(launched.stdout)
    code = facts.pop("exit")
    if code:
        raise DataError(
            f"har-edge {' '.join(arguments)} should exit with 0. Received {code} from {checkout}. "
            "Run it there to see why."
        )
    return Cost(**facts)


def compare(before: Path, after: Path, arguments: tuple[str, ...], rounds: int) -> dict[str, float]:
    """Medians of both, and the medians of the rounds' ratios, after to before."""
    costs = in_turns(
        {"before": lambda: cost_of(before, arguments), "after": lambda: cost_of(after, arguments)},
        rounds,
    )
    row: dict[str, float] = {}
    for figure in ("wall_ms", "cpu_ms", "peak_mb"):
        old, new = ([getattr(cost, figure) for cost in costs[side]] for side in costs)
        row[f"before_{figure}"] = round(median(old), 1)
        row[f"after_{figure}"] = round(median(new), 1)
        row[f"ratio_{figure}"] = round(median(b / a for a, b in zip(old, new, strict=True)), 3)
    return row


@click.command()
@click.argument("before", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("after", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--video", default=str(SAMPLE), help="Video to run on. [default: the bundled one]")
@click.option("--rounds", type=click.IntRange(min=1), default=9, show_default=True)
@click.option("-o", "--out", metavar="FILE", help="Write the result to this file, as JSON.")
def command(before: Path, after: Path, video: str, rounds: int, out: str | None) -> None:
    """Compare the start, speed and memory of har-edge in two checkouts, in turns.

    \b
    Example:
      git worktree add ../before v0.1.0
      har-bench experiment checkouts ../before . --out checkouts.json
    """
    rows = []
    for name, arguments in commands_of(video).items():
        row = compare(before.resolve(), after.resolve(), arguments, rounds)
        rows.append({"command": name, **row})
        note(
            f"{name}: {row['before_wall_ms']} ms before, {row['after_wall_ms']} ms after "
            f"({row['ratio_wall_ms']} times), processor {row['ratio_cpu_ms']}, "
            f"memory {row['ratio_peak_mb']} times"
        )
    facts = {
        "what": "har-edge of two checkouts in turns, a process each; medians, ratios by round",
        "before": git_revision(before),
        "after": git_revision(after),
        "rounds": rounds,
        "machine": machine_facts(),
        "rows": rows,
    }
    write_result(facts, out)
