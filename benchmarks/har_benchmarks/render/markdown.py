"""A report as Markdown."""

from __future__ import annotations

from collections.abc import Sequence

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
from har_benchmarks.results.document import MachineRecord, PeersRecord
from har_benchmarks.results.table import Table


def to_markdown(report: Table) -> str:
    """Lay a report out in Markdown: recommendation, table, what to mind, machine."""
    parts = [
        "# Benchmark",
        machine_line(report.machine),
        *(f"**{r['model']}:** {r['sentence']}" for r in report.recommendations),
        _case_table(report),
        *_unmeasured(report),
        *_problems(report),
        *(peers_section(report.peers) if report.peers else ()),
        *_profiles(report),
        _machine(report.machine),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def markdown_table(head: Sequence[str], rows: Sequence[Sequence[str]], *, left: int = 1) -> str:
    """A Markdown table whose first columns are aligned left, the others right."""
    rule = ["---"] * left + ["---:"] * (len(head) - left)
    lines = [head, rule, *rows]
    return "\n".join(f"| {' | '.join(map(_escape, line))} |" for line in lines)


def _escape(text: str) -> str:
    return text.replace("|", "\\|")


def _case_table(report: Table) -> str:
    head, rows = case_rows(report)
    return markdown_table(head, rows, left=2) if rows else ""


def _unmeasured(report: Table) -> list[str]:
    lines = [
        f"- {case.key}: {case.status}. {case.reason}"
        for case in report.cases
        if case.status != "ok"
    ]
    lines += [
        f"- {case.key}: accuracy not measured. {case.no_accuracy}"
        for case in report.cases
        if case.no_accuracy is not None
    ]
    return ["## Not measured", "\n".join(lines)] if lines else []


def _problems(report: Table) -> list[str]:
    lines = [f"- {p['detail']} {p['advice']}" for p in report.problems]
    return ["## How far to trust these figures", "\n".join(lines)] if lines else []


def peers_section(peers: PeersRecord) -> list[str]:
    """The table of the peers."""
    skipped = [f"- {p['name']}: {p['reason']}" for p in peers["peers"] if p["status"] != "ok"]
    return [
        "## Peers",
        peers_about(peers),
        markdown_table(PEER_COLUMNS, peer_rows(peers), left=2),
        "\n".join(skipped),
    ]


def _profiles(report: Table) -> list[str]:
    parts = []
    for case in report.cases:
        if rows := profile_rows(case):
            parts += [f"## Operators of {case.key}", markdown_table(PROFILE_COLUMNS, rows, left=2)]
    return parts + missing_profiles(report)


def _machine(machine: MachineRecord) -> str:
    rows = [list(row) for row in machine_rows(machine)]
    return "## Machine\n\n" + markdown_table(("", "at the start of the run"), rows, left=2)
