"""Typed rows say what the document says."""

from __future__ import annotations

from dataclasses import fields

import numpy as np

from har_benchmarks.render.columns import COLUMNS
from har_benchmarks.results.document import Report
from har_benchmarks.results.table import Figures, Row, Table
from tests.support.made_up import made_case, made_table


def test_figures_are_those_of_the_summary(tiny_report: Report) -> None:
    table = Table.of(tiny_report)
    assert len(table.rows) == len(tiny_report["cases"])
    for row, case in zip(table.rows, tiny_report["cases"], strict=True):
        for field in fields(Figures):
            assert getattr(row.figures, field.name) == case["summary"].get(field.name)
        assert row.steps_ms == [ms for r in case["rounds"] for ms in r["step_ms"]]
        for r in case["rounds"]:
            assert row.round_medians_ms[r["round"]] == np.median(r["step_ms"])
    assert table.problems == tuple(tiny_report["problems"])
    assert table.recommendations == tuple(tiny_report["recommendations"])
    assert table.sustained == tiny_report["sustained"]


def test_cases_that_were_not_measured_have_no_figures() -> None:
    failed = {**made_case("float32"), "status": "failed", "reason": "It crashed."}
    table = made_table(made_case(), failed)
    assert [type(case) is Row for case in table.cases] == [True, False]
    assert table.by_key.keys() == {"made-int8/litert/1"}
    assert table.cases[1].reason == "It crashed."


def test_operators_come_with_the_most_expensive_first() -> None:
    case = made_case("onnx")
    ops = [
        {"signature": "encode", "op": op, "nodes": 1, "ms": ms} for op, ms in (("A", 1), ("B", 2))
    ]
    case["profile"] = {"ops": ops}
    other = {**made_case(), "profile": {"ops": [], "reason": "none here"}}
    first, second, third = made_table(case, other, made_case("float32")).cases
    assert [op["op"] for op in first.ops] == ["B", "A"]
    assert [c.no_profile for c in (first, second, third)] == ["", "none here", ""]


def test_every_column_is_a_figure() -> None:
    assert {column.key for column in COLUMNS} <= {field.name for field in fields(Figures)}
