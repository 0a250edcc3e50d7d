"""What a terminal and a spreadsheet are given."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence

from har_benchmarks.render.cells import case_rows, machine_line
from har_benchmarks.render.columns import SHORT
from har_benchmarks.render.markdown import markdown_table
from har_benchmarks.results.compare import Comparison
from har_benchmarks.results.table import Table
from har_benchmarks.results.text import NONE, megabytes, milliseconds, points
from har_edge.visible import spreadsheet_cell


def short_table(report: Table) -> str:
    """The table with the figures that decide."""
    head, rows = case_rows(report, SHORT)
    return markdown_table(head, rows, left=2)


def to_csv(report: Table) -> str:
    """One row a case with every figure of its summary, unrounded."""
    keys = dict.fromkeys(key for case in report.cases for key in case.summary)
    about = ("key", "model", "variant", "backend", "backend_version", "num_threads", "file",
             "sha256", "status", "reason")  # fmt: skip
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow([*about, *keys])
    for case in report.cases:
        figures = [case.summary.get(key) for key in keys]
        words = [spreadsheet_cell(getattr(case, name)) for name in about]
        writer.writerow([*words, *figures])
    return stream.getvalue()


def comparison_text(base: Table, new: Table, rows: Sequence[Comparison]) -> str:
    """Lay a comparison out as Markdown."""
    head = ("case", "verdict", "base", "new", "change", "interval", "memory", "accuracy")
    cells = [
        [
            row.key,
            "REGRESSION" if row.regression else row.verdict,
            milliseconds(row.base_ms),
            milliseconds(row.new_ms),
            _by(row.ratio),
            f"{_by(row.low)} to {_by(row.high)}" if math.isfinite(row.high) else NONE,
            f"{megabytes(row.base_memory_bytes)} → {megabytes(row.new_memory_bytes)}",
            _accuracy(row),
        ]
        for row in rows
    ]
    lines = [f"base: {machine_line(base.machine)}", f"new:  {machine_line(new.machine)}"]
    return "\n".join([*lines, "", markdown_table(head, cells, left=2)])


def _by(ratio: float) -> str:
    return f"{ratio - 1:+.1%}"


def _accuracy(row: Comparison) -> str:
    if row.base_accuracy is None or row.new_accuracy is None:
        return NONE
    return points(100 * (row.new_accuracy - row.base_accuracy))
