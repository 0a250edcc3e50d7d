"""Tables on a terminal."""

from __future__ import annotations

import pytest

from har_edge.table import text_table


def test_columns() -> None:
    text = text_table([("walking", 1200, "a"), ("x", None, "")], ("class", "files", "b"))
    assert text.splitlines() == ["class      files    b", "walking     1200    a", "x"]


def test_cells_are_not_taken_for_numbers() -> None:
    rows = [("1e5", "1,000"), ("0x10", "0.10")]
    assert text_table(rows, align="ll").split() == ["1e5", "1,000", "0x10", "0.10"]


@pytest.mark.parametrize(
    ("rows", "headers", "expected"),
    [([], [], ""), ([], ["a", "b"], "a    b"), ([("a",)], [], "a")],
)
def test_little(rows: list[tuple[str]], headers: list[str], expected: str) -> None:
    assert text_table(rows, headers) == expected


def test_indent_and_wrap() -> None:
    text = text_table([("ok", "some words that are long")], align="ll", indent=2, wrap=12)
    assert text.splitlines() == ["  ok  some words", "      that are", "      long"]


def test_names_that_are_no_text() -> None:
    assert text_table([("\udcff", "b")]) == "\udcff  b"
