"""Results as small tables of HTML, for notebooks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def html_table(caption: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Lay rows out as a table; everything in it is text and is escaped.

    Example:
        >>> html_table("a.mp4", ["action"], [["<falling>"]])
        '<table><caption>a.mp4</caption><tr><th>action</th></tr><tr><td>&lt;falling&gt;</td></tr></table>'
    """
    from html import escape  # notebooks alone need its table of entities

    head = "".join(f"<th>{escape(column)}</th>" for column in columns)
    lines = ("".join(f"<td>{escape(str(cell))}</td>" for cell in row) for row in rows)
    body = "".join(f"<tr>{line}</tr>" for line in (head, *lines))
    return f"<table><caption>{escape(caption)}</caption>{body}</table>"
