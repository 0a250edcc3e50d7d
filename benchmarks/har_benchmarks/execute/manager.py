"""Carries out a plan: round by round, each case in its own process."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence

from har_benchmarks.execute.jobs import WORKER, JobError, run_job
from har_benchmarks.plan.plan import Journal, Task, pending
from har_benchmarks.stats import median
from har_benchmarks.tasks.protocol import Event
from har_edge.machine.facts import machine_state
from har_edge.say import Say
from har_edge.silence import doing, in_view


class Progress:
    """A bar on a terminal, a line a round elsewhere."""

    def __init__(self, note: Say, total: int, done: int) -> None:
        """Start.

        Args:
            note: Takes lines for the user.
            total: Tasks in all.
            done: Those that an earlier start did.
        """
        self._note, self._total, self._done = note, total, done
        self._started, self._at_start = time.monotonic(), done
        self._live = sys.stderr.isatty()
        self._said = ""

    def begin(self, task: Task) -> None:
        """Say what is measured now."""
        if self._live:
            share = self._done / max(1, self._total)
            bar = ("#" * int(24 * share)).ljust(24, "-")
            line = f"[{bar}] {share:>4.0%}  {self._left():<12}{task.case.key} ({_shown(task)})"
            sys.stderr.write("\r\x1b[2K" + line[:110])
            sys.stderr.flush()
        elif (said := _shown(task)) != self._said:
            self._said = said
            self._note(f"{said}: {self._done} of {self._total} done  {self._left()}")

    def end(self, message: str = "") -> None:
        """Count a task; a message stays on the screen."""
        self._done += 1
        if message:
            self.clear()
            self._note(message)

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_: object) -> None:
        self.clear()

    def clear(self) -> None:
        """Remove the bar."""
        if self._live:
            sys.stderr.write("\r\x1b[2K")
            sys.stderr.flush()

    def _left(self) -> str:
        count = self._done - self._at_start
        if not count:
            return ""
        seconds = (time.monotonic() - self._started) / count * (self._total - self._done)
        return f"{int(seconds) // 60}:{int(seconds) % 60:02d} left"


def _shown(task: Task) -> str:
    rounds = task.name in ("timing", "end_to_end")
    return f"round {task.round + 1}" if rounds else task.name


def carry_out(journal: Journal, *, note: Say, command: Sequence[str] = WORKER) -> None:
    """Do what the journal's plan still wants done.

    A case whose worker crashes, hangs or complains is given up and the others go on. An
    interruption loses the job in hand alone: the journal goes on from there.

    Args:
        journal: The plan and what was done.
        note: Takes lines for the user.
        command: Starts a worker.
    """
    plan = journal.plan
    tasks = list(plan.tasks())
    todo = pending(journal, tasks)
    progress = Progress(note, len(tasks), len(tasks) - len(todo))
    # On a terminal the bar is in view; elsewhere a long round is told of every ten seconds.
    with in_view() if sys.stderr.isatty() else doing("Measuring"), progress:
        for task in todo:
            if not pending(journal, [task]):  # its case failed meanwhile
                progress.end()
                continue
            progress.begin(task)
            progress.end(_do(journal, task, command))
        if plan.settings.sustained_min:
            _sustain(journal, progress, command)


def _do(
    journal: Journal,
    task: Task,
    command: Sequence[str],
    samples: list[dict[str, object]] | None = None,
) -> str:
    """Do one task; returns what the user should know of it."""
    settings = journal.plan.settings

    def listen(event: Event) -> None:
        if samples is not None and event["event"] == "sample":
            sample = {k: v for k, v in event.items() if k != "event"}
            samples.append({**sample, **machine_state()})

    try:
        result, environment = run_job(
            journal.plan.job(task), command=command, timeout_s=settings.timeout_s, on_event=listen
        )
    except JobError as error:
        journal.add(task, {"error": str(error)})
        what = "measuring" if task.name == "timing" else task.name
        return f"{task.case.key}: {what} failed. {error}"
    if samples is not None:
        result["samples"] = samples
    journal.add(task, {"result": result, "environment": environment.to_record()})
    return ""


def _sustain(journal: Journal, progress: Progress, command: Sequence[str]) -> None:
    """Run the fastest case without a pause."""
    speeds = {}
    for case in journal.plan.cases:
        rounds = journal.timings(case)
        if rounds and not journal.errors(case):
            speeds[case] = median([median(r["step_ms"]) for r in rounds])
    if not speeds:
        return
    task = Task("sustained", min(speeds, key=lambda case: speeds[case]))
    if task.key not in journal.entries:
        progress.begin(task)
        progress.end(_do(journal, task, command, samples=[]))
