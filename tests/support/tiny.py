"""Short runs of the tiny models, well-behaved and not."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from har_benchmarks.execute.manager import carry_out
from har_benchmarks.plan.cases import find_models, make_cases
from har_benchmarks.plan.data import Item
from har_benchmarks.plan.plan import Journal, Plan, Settings
from har_benchmarks.results.build import build_report
from har_benchmarks.results.document import Report
from har_benchmarks.results.recommend import Constraints, recommend
from har_benchmarks.results.stability import find_problems
from har_benchmarks.results.table import Table
from har_edge.machine.facts import machine_facts

ASSETS = Path(__file__).parents[1] / "assets"
WORKERS = Path(__file__).with_name("workers.py")


def bad_worker(kind: str, word: str) -> tuple[str, ...]:
    """The command of a worker that does something to models with this word in their path."""
    return (sys.executable, str(WORKERS), kind, word)


def tiny_plan(
    folder: Path | None = None,
    *,
    variants: Sequence[str] = ("float32", "int8"),
    threads: Sequence[int] = (1,),
    items: Sequence[Item] = (),
    **settings: Any,
) -> Plan:
    """A plan for the tiny models that takes a second or two."""
    facts = find_models([str((folder or ASSETS) / f"tiny-{v}.tflite") for v in variants])
    quick = {"rounds": 2, "num_runs": 5, "warmup_runs": 2, **settings}
    cases = make_cases(facts, ("litert",), threads)
    return Plan(tuple(cases), Settings(**quick), tuple(items), "data" if items else "")


def measure(folder: Path, plan: Plan, **options: Any) -> Report:
    """Carry out a plan and judge what was found."""
    journal = Journal.create(folder, plan, machine_facts())
    carry_out(journal, note=lambda line: None, **options)
    report = build_report(journal)
    report["problems"] = find_problems(Table.of(report))
    report["recommendations"] = recommend(Table.of(report), Constraints())
    return report
