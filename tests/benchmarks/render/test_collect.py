"""Many devices on one page."""

from __future__ import annotations

from har_benchmarks.render.collect import fleet_page
from har_benchmarks.results.recommend import Constraints
from har_benchmarks.results.table import Table
from tests.support.made_up import made_case, made_table
from tests.support.page_cells import cells_of

PI_MS, PC_MS = 20.0, 2.0


def reports() -> list[Table]:
    def device(board: str, scale: float) -> Table:
        return made_table(
            made_case("float32", [2 * scale] * 10, accuracy=0.8, drop_points=0.0),
            made_case("int8", [scale] * 10, accuracy=0.795, drop_points=0.5),
            board=board,
        )

    return [device("Raspberry <5>", PI_MS), device("Other board", PC_MS)]


def test_every_device_has_one_row_with_its_best() -> None:
    page = fleet_page(reports(), Constraints())
    rows = cells_of(page).rows
    best = {row[0]: row for row in rows if len(row) > 10 and row[0] != "device"}
    assert best.keys() == {"Raspberry <5>, 4 cores", "Other board, 4 cores"}
    pi = best["Raspberry <5>, 4 cores"]
    assert pi[1:3] == ["made", "int8 · litert · 1"]
    assert pi[3].startswith("20.0") or pi[3].startswith("19.9")
    assert pi[7:9] == ["79.5%", "−0.5 points"]
    assert pi[10] == "2.0×"
    variants = [row for row in rows if row[0] == "Raspberry <5>, 4 cores" and len(row) == 3]
    assert len(variants) == 1


def test_limits_hold_for_every_device() -> None:
    rows = cells_of(fleet_page(reports(), Constraints(max_latency_ms=10.0))).rows
    answers = {row[0]: row[2] for row in rows if len(row) > 10}
    assert answers["Raspberry <5>, 4 cores"] == "none meets the limits"
    assert answers["Other board, 4 cores"] == "int8 · litert · 1"
    widths = {len(row) for row in rows if row[:1] != ["p50"] and len(row) > 10}
    assert len(widths) == 1


def test_nothing_is_loaded_from_anywhere() -> None:
    parsed = cells_of(fleet_page(reports(), Constraints()))
    assert parsed.addresses == []
