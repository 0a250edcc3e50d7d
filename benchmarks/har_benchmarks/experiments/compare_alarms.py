"""Does `har-bench compare` catch a slow-down, and does it keep quiet where there is none?

    har-bench experiment compare-alarms run FOLDER --tries 20 [--slow-down 10%]
    har-bench experiment compare-alarms summary FOLDER [--out JSON]

Every try is two runs of one short case by the harness itself, one after the other, and their
comparison; with --slow-down the second run's backend sleeps after each frame for that share of
what a frame takes. Tries are added to FOLDER/tries.jsonl: they may be done in several goes.
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import TypedDict

import click

from har_benchmarks.execute import worker
from har_benchmarks.execute.jobs import WORKER
from har_benchmarks.execute.manager import carry_out
from har_benchmarks.experiments.result import write_result
from har_benchmarks.options import Percent
from har_benchmarks.plan.cases import find_models, make_cases
from har_benchmarks.plan.plan import Journal, Plan, Settings
from har_benchmarks.results.build import build_report
from har_benchmarks.results.compare import compare
from har_benchmarks.results.table import Table
from har_edge.commands.harness import note
from har_edge.machine.facts import machine_facts
from har_edge.model.loaded import LoadedModel, load_model
from har_edge.model.tensors import Array

CALIBRATION_CALLS = 20
THRESHOLD = 0.05
ITSELF = (sys.executable, "-m", "har_benchmarks", "experiment", "compare-alarms")


class Try(TypedDict):
    """What is read of a try: what was planted, and the comparison's own record."""

    slow_down: float
    ratio: float
    low: float
    high: float
    verdict: str
    regression: bool


class SlowBackend:
    """A backend whose `encode` sleeps for a share of its own time."""

    def __init__(self, model: LoadedModel, share: float) -> None:
        import numpy as np

        self._inner = model.backend
        self.name, self.version = self._inner.name, self._inner.version
        self.classify = self._inner.classify
        frame = np.zeros((1, *model.spec.clip.frame_shape), np.uint8)
        times = []
        for _ in range(CALIBRATION_CALLS):
            started = time.perf_counter()
            self._inner.encode(frame)
            times.append(time.perf_counter() - started)
        # A sleep is longer than asked for, by the kernel's slack and the way back.
        wanted_s = share * median(times)
        self._sleep_s = max(0.0, wanted_s - (median(_sleeps(wanted_s)) - wanted_s))

    def encode(self, frame: Array) -> Array:
        """Encode, then sleep."""
        features = self._inner.encode(frame)
        time.sleep(self._sleep_s)
        return features


def _sleeps(wanted_s: float) -> list[float]:
    """How long sleeps take that should take so long."""
    times = []
    for _ in range(CALIBRATION_CALLS):
        started = time.perf_counter()
        time.sleep(wanted_s)
        times.append(time.perf_counter() - started)
    return times


@click.group()
def command() -> None:
    """Count the alarms of har-bench compare with and without a slowdown.

    \b
    Examples:
      har-bench experiment compare-alarms run tries --tries 20
      har-bench experiment compare-alarms run tries --tries 20 --slow-down 10%
      har-bench experiment compare-alarms summary tries --out compare-alarms.json
    """


@command.command("worker")
@click.argument("share", type=float)
def slow_worker(share: float) -> None:
    """Run the harness's worker with a runtime that is slower by SHARE."""

    def load(model_path: str, /, *, backend: str, num_threads: int) -> LoadedModel:
        model = load_model(model_path, backend=backend, num_threads=num_threads)
        model.backend = SlowBackend(model, share)
        return model

    worker.main(load)


@command.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--tries", type=click.IntRange(min=1), default=5, show_default=True)
@click.option(
    "--slow-down",
    type=Percent(),
    default="0",
    help="Slowdown to plant in the second run, as a share.",
)
@click.option("--model", default="har15", show_default=True)
def run(folder: Path, tries: int, slow_down: float, model: str) -> None:
    """Run tries and add them to FOLDER."""
    folder.mkdir(parents=True, exist_ok=True)
    plan = Plan(tuple(make_cases(find_models([model]), ("litert",), (1,))), Settings())
    slow = (*ITSELF, "worker", str(slow_down))
    for number in range(tries):
        base = _measure(plan, WORKER)
        new = _measure(plan, slow if slow_down else WORKER)
        (found,) = compare(base, new, threshold=THRESHOLD)
        row = {"slow_down": slow_down, **found.to_record()}
        with (folder / "tries.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
        note(
            f"{number + 1}: {found.ratio - 1:+.2%} ({found.low - 1:+.2%} to {found.high - 1:+.2%})"
            f" {found.verdict}{', regression' if found.regression else ''}"
        )


def _measure(plan: Plan, command: Sequence[str]) -> Table:
    folder = Path(tempfile.mkdtemp())
    try:
        journal = Journal.create(folder, plan, machine_facts())
        carry_out(journal, note=lambda line: None, command=command)
        return Table.of(build_report(journal))
    finally:
        shutil.rmtree(folder)


@command.command()
@click.argument("folder", type=click.Path(exists=True, path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), help="JSON file to write.")
def summary(folder: Path, out: Path | None) -> None:
    """Count the alarms in FOLDER."""
    rows: list[Try] = [
        json.loads(line) for line in (folder / "tries.jsonl").read_text().splitlines()
    ]
    groups = []
    for slow_down in sorted({row["slow_down"] for row in rows}):
        group = [row for row in rows if row["slow_down"] == slow_down]
        counts = {
            "slow_down": slow_down,
            "tries": len(group),
            "regressions": sum(row["regression"] for row in group),
            "called_different": sum(row["verdict"] != "same" for row in group),
            "intervals_without_1": sum(not row["low"] <= 1 <= row["high"] for row in group),
        }
        click.echo(counts)
        ratios = [round(row["ratio"], 4) for row in group]
        widths = [round(row["high"] - row["low"], 4) for row in group]
        groups.append({**counts, "ratios": ratios, "interval_widths": widths})
    facts = {"threshold": THRESHOLD, "level": 0.95, "machine": machine_facts(), "groups": groups}
    write_result(facts, out)
