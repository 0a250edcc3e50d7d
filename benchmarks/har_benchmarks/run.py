"""A run from beginning to end: plan, measure, report."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator, Sequence
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
from har_edge.exclusive import one_at_a_time
from har_edge.files import sweep
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
                f"{display_path(folder)} was started on a machine with {key} "
                f"{journal.machine.get(key)}. Received {now[key]}. Continue there, or start a "
                "new run."
            )
    return journal


def finish(
    journal: Journal, limits: Constraints, *, note: Say, command: Sequence[str] = WORKER
) -> Table:
    """Do the rest of a run and write its report next to the journal.

    Args:
        journal: What is to be done and what was done.
        limits: For the recommendation.
        note: Takes lines for the user.
        command: Starts a worker.

    Returns:
        The report's table.

    Raises:
        OutputError: if it cannot be written, or another process goes on with the same run.
    """
    folder = journal.path.parent
    with one_at_a_time(folder, "Give another --out."):
        sweep(folder)
        return _finish(journal, limits, note=note, command=command)


def _finish(journal: Journal, limits: Constraints, *, note: Say, command: Sequence[str]) -> Table:
    folder = journal.path.parent
    try:
        with _ended_by_signals():
            carry_out(journal, note=note, command=command)
    except (KeyboardInterrupt, SystemExit):
        note(f"Stopped. Continue with: har-bench run --resume {display_path(folder)}")
        raise
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


@contextlib.contextmanager
def _ended_by_signals() -> Iterator[None]:
    numbers: list[int] = [signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) == signal.SIG_DFL:  # else nohup ignores it
        numbers.append(signal.SIGHUP)
    previous = {number: signal.signal(number, _terminate) for number in numbers}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def _terminate(number: int, _: FrameType | None) -> NoReturn:
    """Leave by an exception, so that the worker in hand is ended too."""
    raise SystemExit(128 + number)
