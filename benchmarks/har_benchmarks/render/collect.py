"""The results of many devices on one page, a row for each."""

from __future__ import annotations

from collections.abc import Sequence

from har_benchmarks.results.recommend import Constraints, recommend
from har_benchmarks.results.stability import find_problems
from har_benchmarks.results.table import Row, Table
from har_benchmarks.results.text import NONE, megabytes, milliseconds, percent, points
from har_edge import __version__
from har_edge.page import render_page

HEAD = ("device", "model", "best", "p50", "p95", "frames/s", "memory", "accuracy", "change",
        "float32", "gain", "calm", "system", "runtime", "date")  # fmt: skip


def fleet_page(reports: Sequence[Table], limits: Constraints) -> str:
    """Merge reports into a page.

    Args:
        reports: The tables of any machines; several of one machine stay several rows.
        limits: For the choice in each row.
    """
    models = sorted({row.model for report in reports for row in report.rows})
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

    def __init__(self, name: str, reports: Sequence[Table], limits: Constraints) -> None:
        self.name = name
        rows = [row for report in reports for row in fleet_rows(report, name, limits)]
        self.rows = sorted(rows, key=lambda row: row[0])
        self.variant_head, self.variant_rows = _variants(reports, name)


def device_name(report: Table) -> str:
    """Board or processor, with its cores."""
    machine = report.machine
    name = machine.get("board") or machine.get("cpu") or machine.get("architecture") or "unknown"
    return f"{name}, {machine.get('cores_usable') or machine.get('cores') or '?'} cores"


def fleet_rows(report: Table, model: str, limits: Constraints) -> list[list[str]]:
    """The row of a device: its best case by the recommendation."""
    chosen = {r["model"]: r for r in recommend(report, limits)}.get(model)
    if chosen is None:
        return []
    machine = report.machine
    tail = [
        "yes" if not find_problems(report) else "no",
        str(machine.get("os") or NONE),
        ", ".join(_runtimes(report)),
        str(machine.get("date") or NONE)[:10],
    ]
    best = report.by_key.get(chosen["case"] or "")
    if best is None:
        return [[device_name(report), model, "none meets the limits", *[NONE] * 8, *tail]]
    figures = best.figures
    reference = _reference(report, model, best.num_threads)
    gain = f"{reference / figures.p50_ms:.1f}×" if reference else NONE
    drop = figures.drop_points
    return [
        [
            device_name(report),
            model,
            _case_name(best),
            milliseconds(figures.p50_ms),
            milliseconds(figures.p95_ms),
            f"{figures.frames_per_second:.1f}",
            megabytes(figures.peak_memory_bytes),
            percent(figures.accuracy),
            NONE if drop is None else points(-drop),
            milliseconds(reference),
            gain,
            *tail,
        ]
    ]


def _case_name(row: Row) -> str:
    return f"{row.variant} · {row.backend} · {row.num_threads}"


def _runtimes(report: Table) -> list[str]:
    return sorted({f"{row.backend} {row.backend_version}" for row in report.rows})


def _reference(report: Table, model: str, num_threads: int) -> float | None:
    """Latency of float32 with as many threads."""
    found = [
        row.figures.p50_ms
        for row in report.rows
        if (row.model, row.variant, row.num_threads) == (model, "float32", num_threads)
    ]
    return min(found, default=None)


def _variants(reports: Sequence[Table], model: str) -> tuple[list[str], list[list[str]]]:
    """Devices by cases: the median step."""
    known: dict[str, Row] = {}
    for report in reports:
        for row in report.rows:
            if row.model == model:
                known.setdefault(row.key, row)
    lines = []
    for report in reports:
        own = report.by_key
        if known.keys() & own.keys():
            times = [own[key].figures.p50_ms if key in own else None for key in known]
            lines.append([device_name(report), *map(milliseconds, times)])
    head = [_case_name(row) for row in known.values()]
    return ["p50", *head], sorted(lines)
