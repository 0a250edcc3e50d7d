"""A report as one page that opens from disk, on a phone too."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

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
from har_benchmarks.render.columns import COLUMNS, SHORT, columns_of
from har_benchmarks.render.page import image, page, table
from har_benchmarks.results.table import Table


def to_html(report: Table, pictures: Sequence[tuple[str, bytes]]) -> str:
    """Lay a report out as a page.

    Args:
        report: The report.
        pictures: Title and SVG of each plot.
    """
    models = dict.fromkeys(case.model for case in report.cases)
    title = f"{' and '.join(models) or 'Peers'}: benchmark"
    parts = [
        f'<p class="soft">{escape(machine_line(report.machine))}</p>\n<h1>{escape(title)}</h1>',
        _recommendation(report),
        _problems(report),
        *_tables(report),
        _unmeasured(report),
        _pictures(pictures),
        *_peers(report),
        *_profiles(report),
        "<h2>Machine</h2>",
        table(("", "when the run began"), machine_rows(report.machine), left=2, wrap=True),
    ]
    return page(title, parts, f"har-edge {report.release} · raw samples: report.json")


def _recommendation(report: Table) -> str:
    lines = "".join(
        f'<p class="lead"><b>{escape(r["model"])}:</b> {escape(r["sentence"])}</p>'
        for r in report.recommendations
    )
    return f'<h2>Recommendation</h2>\n<div class="card">{lines}</div>' if lines else ""


def _problems(report: Table) -> str:
    if not report.rows:
        return ""
    if not report.problems:
        return '<p class="soft">The machine was calm: no throttling, drift or other load seen.</p>'
    items = "".join(
        f"<li>{escape(p['detail'])} <span class=soft>{escape(p['advice'])}</span></li>"
        for p in report.problems
    )
    return f'<h2>How far to trust the figures</h2>\n<div class="card warn"><ul>{items}</ul></div>'


def _tables(report: Table) -> list[str]:
    chosen = {r["case"] for r in report.recommendations}
    if not report.rows:
        return []
    best = [row.key in chosen for row in report.rows]
    short_head, short = case_rows(report, SHORT)
    head, rows = case_rows(report)
    shown = columns_of(report.rows)
    meaning = "".join(
        f"<dt>{escape(c.title)}</dt><dd>{escape(c.meaning)}</dd>" for c in COLUMNS if c in shown
    )
    runs = max(int(row.figures.runs) for row in report.rows)
    rounds = max(len(row.rounds) for row in report.rows)
    return [
        "<h2>Figures</h2>",
        f'<p class="soft">Up to {runs} steps a case, in {rounds} fresh processes.</p>',
        table(short_head, short, left=2, best=best),
        "<details><summary>All figures, and what they mean</summary>",
        table(head, rows, left=2, best=best),
        f'<div class="card"><dl class="meaning">{meaning}</dl></div></details>',
    ]


def _unmeasured(report: Table) -> str:
    rows = [[case.key, case.status, case.reason] for case in report.cases if case.status != "ok"]
    rows += [
        [case.key, "no accuracy", case.no_accuracy]
        for case in report.cases
        if case.no_accuracy is not None
    ]
    head = ("case", "what", "why")
    return "<h2>Not measured</h2>\n" + table(head, rows, left=3, wrap=True) if rows else ""


def _pictures(pictures: Sequence[tuple[str, bytes]]) -> str:
    cards = "".join(
        f'<div class="card"><h3>{escape(title)}</h3>{image(svg, title)}</div>'
        for title, svg in pictures
    )
    return f'<h2>Plots</h2>\n<div class="grid">{cards}</div>' if cards else ""


def _peers(report: Table) -> list[str]:
    peers = report.peers
    if not peers:
        return []
    skipped = "".join(
        f"<li>{escape(p['name'])}: {escape(p['reason'])}</li>"
        for p in peers["peers"]
        if p["status"] != "ok"
    )
    rows = peer_rows(peers)
    return [
        "<h2>Peers</h2>",
        f'<p class="soft">{escape(peers_about(peers))}</p>',
        table(PEER_COLUMNS, rows, left=2, wrap=True),
        f"<ul class=soft>{skipped}</ul>" if skipped else "",
    ]


def _profiles(report: Table) -> list[str]:
    parts = []
    for case in report.cases:
        if rows := profile_rows(case):
            parts.append(f"<h2>Operators of {escape(case.key)}</h2>")
            parts.append(table(PROFILE_COLUMNS, rows, left=2))
    return parts + [f'<p class="soft">{escape(why)}</p>' for why in missing_profiles(report)]
