"""A run from beginning to end: plan, measure, report."""

from __future__ import annotations

import signal
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import NoReturn

from har_benchmarks.execute.jobs import WORKER
from har_benchmarks.execute.manager import carry_out
from har_benchmarks.plan.plan import Journal, Plan
from har_benchmarks.render.plots import import_matplotlib
from har_benchmarks.render.write import write_report
from har_benchmarks.results.build import build_report
from har_benchmarks.results.recommend import Constraints, recommend
from har_benchmarks.results.stability import find_problems
from har_benchmarks.results.table import Table
from har_edge.errors import DataError
from har_edge.machine.facts import machine_facts
from har_edge.paths import display_path
from har_edge.say import Say

# What must be the same for two halves of a run to be one.
SAME = ("board", "cpu", "cores_usable", "architecture")


def begin(plan: Plan, folder: Path) -> Journal:
    """Start a run in a new folder.

    Raises:
        MissingExtraError: if the report could not be drawn afterwards.
        OutputError: if the folder holds a run already or cannot be written.
    """
    import_matplotlib()
    return Journal.create(folder, plan, machine_facts())


def go_on(folder: Path) -> Journal:
    """Take up a run that was stopped.

    Raises:
        DataError: if there is none, or it began on another machine.
        MissingExtraError: if the report could not be drawn afterwards.
    """
    journal = Journal.load(folder)
    import_matplotlib()
    now = machine_facts()
    for key in SAME:
        if journal.machine.get(key) != now[key]:
            raise DataError(
                f"{display_path(folder)} began on a machine with {key} "
                f"{journal.machine.get(key)}. Received {now[key]}. Go on there, or start anew."
            )
    return journal


def finish(
    journal: Journal, limits: Constraints, *, note: Say, command: Sequence[str] = WORKER
) -> Table:
    """Do what is left of a run and write its report beside the journal.

    Args:
        journal: What is to be done and what was done.
        limits: For the recommendation.
        note: Takes lines for the user.
        command: Starts a worker.

    Returns:
        The report's table.
    """
    folder = journal.path.parent
    previous = signal.signal(signal.SIGTERM, _terminate)
    try:
        carry_out(journal, note=note, command=command)
    except (KeyboardInterrupt, SystemExit):
        note(f"Stopped. Go on with: har-bench run --resume {display_path(folder)}")
        raise
    finally:
        signal.signal(signal.SIGTERM, previous)
    report = build_report(journal)
    table = Table.of(report)
    report["problems"] = find_problems(table)
    report["recommendations"] = recommend(table, limits)
    table = replace(
        table,
        problems=tuple(report["problems"]),
        recommendations=tuple(report["recommendations"]),
    )
    write_report(report, table, folder)
    return table


def _terminate(number: int, _: FrameType | None) -> NoReturn:
    """Leave by an exception, so that the worker in hand is ended too."""
    raise SystemExit(128 + number)
