"""What the terminal is given."""

from __future__ import annotations

from har_benchmarks.render.text import comparison_text, short_table
from har_benchmarks.results.compare import compare
from tests.support.made_up import made_case, made_table


def test_a_comparison_shows_the_regression() -> None:
    base, new = made_table(made_case()), made_table(made_case(rounds_ms=[2.6] * 10, seed=1))
    text = comparison_text(base, new, compare(base, new))
    assert "base: Test Board, 4 cores, Debian, 2026-01-02" in text
    assert "| made-int8/litert/1 | REGRESSION | 2.0" in text
    assert "| +30." in text or "| +29." in text


def test_the_short_table_holds_what_decides() -> None:
    head = short_table(made_table(made_case(accuracy=0.9))).splitlines()[0]
    assert head.startswith("| variant | runtime | threads | p50 | p95 | p99 | frames/s |")
    assert "accuracy" in head
    assert "std" not in head
