"""The results of many devices on one page, a row for each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from har_benchmarks.results.recommend import Constraints, recommend
from har_benchmarks.results.results import Report, measured
from har_benchmarks.results.stability import find_problems
from har_benchmarks.results.text import NONE, megabytes, milliseconds, percent, points
from har_edge import __version__
from har_edge.page import render_page

HEAD = ("device", "model", "best", "p50", "p95", "frames/s", "memory", "accuracy", "change",
        "float32", "gain", "calm", "system", "runtime", "date")  # fmt: skip


def fleet_page(reports: Sequence[Report], limits: Constraints) -> str:
    """Merge reports into a page.

    Args:
        reports: Of any machines; several of one machine stay several rows.
        limits: For the choice in each row.
    """
    models = sorted({case["model"] for report in reports for case in measured(report)})
    return render_page(
        "har_benchmarks.render",
        "fleet",
        extra="bench",
        devices=len(reports),
        head=HEAD,
        models=[_Model(model, reports, limits) for model in models],
        version=__version__,
    )


class _Model:
    """What is shown of a model."""

    def __init__(self, name: str, reports: Sequence[Report], limits: Constraints) -> None:
        self.name = name
        rows = [row for report in reports for row in fleet_rows(report, name, limits)]
        self.rows = sorted(rows, key=lambda row: row[0])
        self.variant_head, self.variant_rows = _variants(reports, name)


def device_name(report: Report) -> str:
    """Board or processor, with its cores."""
    machine = report["machine"]
    name = machine.get("board") or machine.get("cpu") or machine.get("architecture") or "unknown"
    return f"{name}, {machine.get('cores_usable') or machine.get('cores') or '?'} cores"


def fleet_rows(report: Report, model: str, limits: Constraints) -> list[list[str]]:
    """The row of a device: its best case by the recommendation."""
    chosen = {r["model"]: r for r in recommend(report, limits)}.get(model)
    if chosen is None:
        return []
    machine = report["machine"]
    tail = [
        "yes" if not find_problems(report) else "no",
        str(machine.get("os") or NONE),
        ", ".join(_runtimes(report)),
        str(machine.get("date") or NONE)[:10],
    ]
    cases = {case["key"]: case for case in measured(report)}
    best = cases.get(chosen["case"])
    if best is None:
        return [[device_name(report), model, "none keeps to the limits", *[NONE] * 8, *tail]]
    summary = best["summary"]
    reference = _reference(report, model, best["num_threads"])
    gain = f"{reference / summary['p50_ms']:.1f}×" if reference else NONE
    drop = summary.get("drop_points")
    return [
        [
            device_name(report),
            model,
            f"{best['variant']} · {best['backend']} · {best['num_threads']}",
            milliseconds(summary["p50_ms"]),
            milliseconds(summary["p95_ms"]),
            f"{summary['frames_per_second']:.1f}",
            megabytes(summary["peak_memory_bytes"]),
            percent(summary.get("accuracy")),
            NONE if drop is None else points(-drop),
            milliseconds(reference),
            gain,
            *tail,
        ]
    ]


def _runtimes(report: Report) -> list[str]:
    found = {f"{c['backend']} {c['backend_version']}" for c in measured(report)}
    return sorted(found)


def _reference(report: Report, model: str, num_threads: int) -> float | None:
    """Latency of float32 with as many threads."""
    found = [
        float(case["summary"]["p50_ms"])
        for case in measured(report)
        if (case["model"], case["variant"], case["num_threads"]) == (model, "float32", num_threads)
    ]
    return min(found, default=None)


def _variants(reports: Sequence[Report], model: str) -> tuple[list[str], list[list[str]]]:
    """Devices by cases: the median step."""
    keys: dict[str, dict[str, Any]] = {}
    for report in reports:
        for case in measured(report):
            if case["model"] == model:
                keys.setdefault(case["key"], case)
    rows = []
    for report in reports:
        own = {case["key"]: case for case in measured(report)}
        if keys.keys() & own.keys():
            times = [own[k]["summary"]["p50_ms"] if k in own else None for k in keys]
            rows.append([device_name(report), *map(milliseconds, times)])
    head = [f"{c['variant']} · {c['backend']} · {c['num_threads']}" for c in keys.values()]
    return ["p50", *head], sorted(rows)
