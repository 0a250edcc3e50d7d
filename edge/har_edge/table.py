"""Tables on a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from har_edge.visible import visible


def text_table(
    rows: Iterable[Sequence[object]],
    headers: Sequence[str] = (),
    *,
    align: str = "",
    indent: int = 0,
    wrap: int | None = None,
) -> str:
    """Lay out rows in columns, two spaces apart, under their headers.

    Args:
        rows: Cells, of as many columns each; shown as `str` spells them, None as nothing.
        headers: One a column.
        align: `l` or `r` a column; of the columns beyond, `l` the first and `r` the others.
        indent: Spaces before each line.
        wrap: Longest that the last column may be; what is longer goes on in the next line.

    Returns:
        Lines, without a newline at the end. No line ends with spaces.

    Example:
        >>> print(text_table([["walking", 12], ["falling", 3]], ["class", "files"]))
        class      files
        walking       12
        falling        3
        >>> print(text_table([["model", "har15"], ["threads", 4]], align="ll", indent=2))
          model    har15
          threads  4
    """
    from tabulate import tabulate  # most commands print none, and it takes time to load

    cells = [["" if c is None else visible(str(c), lines=True) for c in row] for row in rows]
    headers = [visible(header) for header in headers]
    columns = max(map(len, (headers, *cells)))
    if not columns:
        return ""
    letters = (align + ("l" + "r" * columns)[len(align) :])[:columns]
    widths = [None] * (columns - 1) + [wrap] if wrap else None
    text = tabulate(
        cells,
        headers,
        tablefmt="plain",
        colalign=["right" if letter == "r" else "left" for letter in letters] if cells else None,
        disable_numparse=True,
        maxcolwidths=widths,
    )
    return "\n".join((" " * indent + line).rstrip() for line in text.splitlines())
