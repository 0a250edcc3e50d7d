"""Does `har-bench compare` catch a slow-down, and does it keep quiet where there is none?

    python benchmarks/compare_alarms.py run FOLDER --tries 20 [--slow-down 10%]
    python benchmarks/compare_alarms.py summary FOLDER [--out JSON]

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
from typing import Any

import click

from har_benchmarks.commands import Percent
from har_benchmarks.execute import worker
from har_benchmarks.execute.manager import carry_out
from har_benchmarks.plan.cases import find_models, make_cases
from har_benchmarks.plan.plan import Journal, Plan, Settings
from har_benchmarks.results.compare import compare
from har_benchmarks.results.results import build_report, to_json
from har_edge.commands.harness import note, run_command
from har_edge.machine.facts import machine_facts
from har_edge.model.loaded import LoadedModel, load_model
from har_edge.model.runtimes import Array

CALIBRATION_CALLS = 20
THRESHOLD = 0.05


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


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def cli() -> None:
    """Count alarms of har-bench compare with and without a slow-down."""


@cli.command("worker")
@click.argument("share", type=float)
def slow_worker(share: float) -> None:
    """Be the harness's worker, with a backend that is slower by SHARE."""

    def load(path: str, **options: Any) -> LoadedModel:
        model = load_model(path, **options)
        model.backend = SlowBackend(model, share)
        return model

    worker.main(load)


@cli.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--tries", type=click.IntRange(min=1), default=5, show_default=True)
@click.option("--slow-down", type=Percent(), default="0", help="Share to plant in the second run.")
@click.option("--model", default="har15", show_default=True)
def run(folder: Path, tries: int, slow_down: float, model: str) -> None:
    """Do tries and add them to FOLDER."""
    folder.mkdir(parents=True, exist_ok=True)
    plan = Plan(tuple(make_cases(find_models([model]), ("litert",), (1,))), Settings())
    slow = (sys.executable, __file__, "worker", str(slow_down))
    for number in range(tries):
        base = _measure(plan, worker_command())
        new = _measure(plan, slow if slow_down else worker_command())
        (found,) = compare(base, new, threshold=THRESHOLD)
        row = {"slow_down": slow_down, **found.to_record()}
        with (folder / "tries.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
        note(
            f"{number + 1}: {found.ratio - 1:+.2%} ({found.low - 1:+.2%} to {found.high - 1:+.2%})"
            f" {found.verdict}{', regression' if found.regression else ''}"
        )


def worker_command() -> Sequence[str]:
    """The harness's own worker."""
    from har_benchmarks.execute.jobs import WORKER

    return WORKER


def _measure(plan: Plan, command: Sequence[str]) -> dict[str, Any]:
    folder = Path(tempfile.mkdtemp())
    try:
        journal = Journal.create(folder, plan, machine_facts())
        carry_out(journal, note=lambda line: None, command=command)
        return build_report(journal)
    finally:
        shutil.rmtree(folder)


@cli.command()
@click.argument("folder", type=click.Path(exists=True, path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), help="JSON file to write.")
def summary(folder: Path, out: Path | None) -> None:
    """Count the alarms in FOLDER."""
    rows = [json.loads(line) for line in (folder / "tries.jsonl").read_text().splitlines()]
    facts: dict[str, Any] = {"threshold": THRESHOLD, "level": 0.95, "machine": machine_facts()}
    facts["groups"] = []
    for slow_down in sorted({row["slow_down"] for row in rows}):
        group = [row for row in rows if row["slow_down"] == slow_down]
        facts["groups"].append(
            {
                "slow_down": slow_down,
                "tries": len(group),
                "regressions": sum(row["regression"] for row in group),
                "called_different": sum(row["verdict"] != "same" for row in group),
                "intervals_without_1": sum(not row["low"] <= 1 <= row["high"] for row in group),
                "ratios": [round(row["ratio"], 4) for row in group],
                "interval_widths": [round(row["high"] - row["low"], 4) for row in group],
            }
        )
    for group in facts["groups"]:
        click.echo({k: v for k, v in group.items() if not isinstance(v, list)})
    if out:
        out.write_text(to_json(facts), encoding="utf-8")


if __name__ == "__main__":
    run_command(cli)
