"""The frame of our pages: one file, nothing loaded from anywhere, light and dark."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from html import escape

STYLE = """
:root { color-scheme: light dark; --page: #f6f6f4; --card: #fff; --text: #1d1f21; --soft: #63676b;
  --line: #e4e4e0; --mark: #eaf3fa; --bad: #a33c00; }
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--text);
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
main { max-width: 74rem; margin: 0 auto; padding: 2.5rem 1.25rem 4rem; }
h1 { font-size: 1.8rem; font-weight: 650; letter-spacing: -.02em; line-height: 1.2; margin: 0;
  overflow-wrap: anywhere; }
h2 { font-size: 1.15rem; font-weight: 600; margin: 2.5rem 0 .75rem; }
p { margin: .4rem 0; }
.soft { color: var(--soft); }
.card { background: var(--card); border: 1px solid var(--line); border-radius: 12px;
  padding: 1rem 1.1rem; }
.scroll { overflow-x: auto; -webkit-overflow-scrolling: touch; }
.grid { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(29rem, 100%), 1fr));
  gap: 1rem; }
.grid h3 { font-size: .95rem; font-weight: 600; margin: 0 0 .5rem; }
.lead { font-size: 1.12rem; }
.lead b { font-weight: 650; }
.warn { border-left: 4px solid var(--bad); }
ul { margin: .25rem 0; padding-left: 1.2rem; }
table { border-collapse: separate; border-spacing: 0; width: 100%; font-size: .88rem;
  font-variant-numeric: tabular-nums; }
th { text-align: right; font-weight: 500; color: var(--soft); font-size: .8rem; }
th, td { padding: .4rem .8rem .4rem 0; border-bottom: 1px solid var(--line); white-space: nowrap; }
td { text-align: right; }
th.name, td.name { text-align: left; }
td.wrap { white-space: normal; min-width: 12rem; }
th:first-child, td:first-child { position: sticky; left: 0; background: var(--card); }
tr:last-child td { border-bottom: 0; }
tr.best td { background: var(--mark); font-weight: 600; }
dl.meaning { display: grid; grid-template-columns: max-content 1fr; gap: .15rem 1rem;
  font-size: .88rem; margin: 0; }
dl.meaning dt { font-weight: 600; } dl.meaning dd { margin: 0; color: var(--soft); }
summary { cursor: pointer; color: var(--soft); margin-top: .75rem; font-size: .88rem; }
img { display: block; width: 100%; height: auto; max-width: 32rem; margin: 0 auto; }
footer { margin-top: 3rem; color: var(--soft); font-size: .85rem; }
@media (max-width: 30rem) { main { padding: 1.5rem .75rem 3rem; } .card { padding: .8rem; }
  dl.meaning { grid-template-columns: 1fr; } dl.meaning dd { margin-bottom: .4rem; } }
@media (prefers-color-scheme: dark) {
  :root { --page: #111214; --card: #191919; --text: #e8e8e6; --soft: #9a9ea3; --line: #2b2d30;
    --mark: #16283a; --bad: #ff9a5c; }
  /* White becomes the card's own dark grey and the colours keep their hue. */
  img { filter: invert(.902) hue-rotate(180deg); }
}
"""


def page(title: str, parts: Sequence[str], footer: str) -> str:
    """Put a page together.

    The policy in its head holds it to its word: the browser would refuse any request.
    """
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta http-equiv="Content-Security-Policy" '
        "content=\"default-src 'none'; img-src data:; style-src 'unsafe-inline'\">\n"
        f"<title>{escape(title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n"
        + "\n".join(part for part in parts if part)
        + f"\n<footer>{escape(footer)}</footer>\n</main>\n</body>\n</html>\n"
    )


def table(
    head: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    left: int = 1,
    best: Sequence[bool] = (),
    wrap: bool = False,
) -> str:
    """A table that scrolls sideways where it is too wide, its first column staying.

    Args:
        head: Headings.
        rows: Cells, as text.
        left: Columns aligned left, from the first.
        best: For each row, whether it is marked.
        wrap: Whether long texts in the left columns may break into lines.
    """
    name = ' class="name"'
    cells = ' class="name wrap"' if wrap else name
    lines = ["".join(f"<th{name * (i < left)}>{escape(t)}</th>" for i, t in enumerate(head))]
    for row in rows:
        lines.append(
            "".join(f"<td{cells * (i < left)}>{escape(t)}</td>" for i, t in enumerate(row))
        )
    marks = [False, *(best or [False] * len(rows))]
    body = "".join(
        f'<tr class="best">{line}</tr>' if mark else f"<tr>{line}</tr>"
        for line, mark in zip(lines, marks, strict=True)
    )
    return f'<div class="card scroll"><table>{body}</table></div>'


def image(svg: bytes, title: str) -> str:
    """A picture inside the page."""
    data = base64.b64encode(svg).decode("ascii")
    return f'<img src="data:image/svg+xml;base64,{data}" alt="{escape(title)}">'
