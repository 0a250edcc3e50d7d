"""A report as one page that opens from disk, on a phone too."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from har_benchmarks.render.cells import (
    PEER_COLUMNS,
    PROFILE_COLUMNS,
    case_rows,
    machine_line,
    machine_rows,
    missing_profiles,
    peer_rows,
    peers_about,
    profile_rows,
)
from har_benchmarks.render.columns import COLUMNS, SHORT, Column, columns_of
from har_benchmarks.results.table import Table
from har_edge.page import data_uri, render_page


def to_html(report: Table, pictures: Sequence[tuple[str, bytes]]) -> str:
    """Lay a report out as a page.

    Args:
        report: The report.
        pictures: Title and SVG of each plot.

    Raises:
        MissingExtraError: if Jinja2 is not installed.
    """
    models = dict.fromkeys(case.model for case in report.cases)
    profiles = [(case.key, profile_rows(case)) for case in report.cases]
    return render_page(
        "har_benchmarks.render",
        "report",
        extra="bench",
        title=f"{' and '.join(models) or 'Peers'}: benchmark",
        machine=machine_line(report.machine),
        machine_rows=machine_rows(report.machine),
        recommendations=report.recommendations,
        problems=report.problems,
        measured=_figures(report),
        unmeasured=_unmeasured(report),
        pictures=[(title, data_uri(svg, "image/svg+xml")) for title, svg in pictures],
        peers=_peers(report),
        profile_head=PROFILE_COLUMNS,
        profiles=[(key, rows) for key, rows in profiles if rows],
        unprofiled=missing_profiles(report),
        version=report.release,
    )


@dataclass(frozen=True)
class _Figures:
    """The measured cases.

    Attributes:
        runs, rounds: Most steps of a case, and in how many processes.
        short_head, short_rows: The figures that decide.
        head, rows_of_all: All figures.
        best: For each row, whether it is recommended.
        columns: What the figures mean.
    """

    runs: int
    rounds: int
    short_head: Sequence[str]
    short_rows: Sequence[Sequence[str]]
    head: Sequence[str]
    rows_of_all: Sequence[Sequence[str]]
    best: Sequence[bool]
    columns: Sequence[Column]


def _figures(report: Table) -> _Figures | None:
    chosen = {r["case"] for r in report.recommendations}
    if not report.rows:
        return None
    shown = columns_of(report.rows)
    return _Figures(
        max(int(row.figures.runs) for row in report.rows),
        max(len(row.rounds) for row in report.rows),
        *case_rows(report, SHORT),
        *case_rows(report),
        [row.key in chosen for row in report.rows],
        [column for column in COLUMNS if column in shown],
    )


def _unmeasured(report: Table) -> list[tuple[str, str, str]]:
    rows = [(case.key, case.status, case.reason) for case in report.cases if case.status != "ok"]
    return rows + [
        (case.key, "no accuracy", case.no_accuracy)
        for case in report.cases
        if case.no_accuracy is not None
    ]


def _peers(report: Table) -> dict[str, object] | None:
    peers = report.peers
    if not peers:
        return None
    return {
        "about": peers_about(peers),
        "head": PEER_COLUMNS,
        "rows": peer_rows(peers),
        "skipped": [p for p in peers["peers"] if p["status"] != "ok"],
    }
