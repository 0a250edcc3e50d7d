"""The page of an exploration: one file, nothing loaded from anywhere."""

from __future__ import annotations

import base64
import contextlib
import io
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from pathlib import Path

from har_edge import __version__
from har_edge.arrays import Pixels
from har_edge.datasets import Sample
from har_edge.errors import SourceError
from har_edge.paths import display_path
from har_train.explore.explore import Exploration
from har_train.explore.findings import KINDS, Finding
from har_train.explore.scan import small_picture

# Rows a kind, and rows with pictures: the page stays light, findings.csv has them all.
MAX_ROWS, MAX_PICTURES = 200, 24
PAIR_PX = 96
HISTOGRAMS = (
    ("resolutions.png", "Resolution"),
    ("brightness.png", "Brightness"),
    ("durations.png", "Duration"),
    ("frame_rates.png", "Frame rate"),
)

STYLE = """
:root { color-scheme: light dark; --page: #f6f6f4; --card: #fff; --text: #1d1f21; --soft: #63676b;
  --line: #e4e4e0; --bad: #a33c00; --good: #00714f; }
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--text);
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
main { max-width: 66rem; margin: 0 auto; padding: 3rem 1.5rem 4rem; }
h1 { font-size: 1.9rem; font-weight: 650; letter-spacing: -.02em; line-height: 1.2; margin: 0;
  overflow-wrap: anywhere; }
h2 { font-size: 1.15rem; font-weight: 600; margin: 2.75rem 0 .75rem; }
h2 small { color: var(--soft); font-weight: 400; font-size: .9rem; margin-left: .5rem; }
p { margin: .4rem 0; }
.soft { color: var(--soft); }
.facts { display: flex; flex-wrap: wrap; gap: 1rem 3rem; margin: 1.75rem 0 0; padding: 0; }
.facts div { min-width: 5rem; }
.facts dt { color: var(--soft); font-size: .85rem; }
.facts dd { margin: 0; font-size: 1.5rem; font-weight: 600; font-variant-numeric: tabular-nums; }
.card { background: var(--card); border: 1px solid var(--line); border-radius: 12px;
  padding: 1rem 1.25rem; overflow-x: auto; }
.grid { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(26rem, 100%), 1fr));
  gap: 1rem; }
table { border-collapse: collapse; width: 100%; font-size: .92rem; }
th { text-align: left; font-weight: 500; color: var(--soft); font-size: .85rem; }
th, td { padding: .45rem .9rem .45rem 0; border-bottom: 1px solid var(--line);
  vertical-align: middle; }
tr:last-child td { border-bottom: 0; }
td { overflow-wrap: anywhere; }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums; width: 5rem; }
td.name { white-space: nowrap; }
td.pair { white-space: nowrap; width: 1px; }
td.pair img { height: 3.5rem; border-radius: 6px; margin-right: .35rem; vertical-align: middle; }
.sheet td:first-child { width: 9rem; }
.sheet img { height: 3.6rem; border-radius: 6px; margin: .15rem .35rem .15rem 0;
  vertical-align: middle; }
.bad { color: var(--bad); font-weight: 600; }
.good { color: var(--good); }
a { color: inherit; }
img.plot { display: block; max-width: 100%; height: auto; margin: 0 auto; }
footer { margin-top: 3rem; color: var(--soft); font-size: .85rem; }
/* On a phone a cell stands below the other; columns would be a letter wide. */
@media (max-width: 40rem) {
  main { padding: 2rem 1rem 3rem; }
  table, tbody, tr, td { display: block; }
  tr:has(th), td:empty { display: none; }
  tr { padding: .6rem 0; border-bottom: 1px solid var(--line); }
  tr:last-child { border-bottom: 0; }
  td, td.number { display: inline; padding: 0; border: 0; text-align: left; width: auto; }
  td.pair, td:last-child, .sheet td { display: block; }
  td.name { margin-right: .6rem; }
}
@media (prefers-color-scheme: dark) {
  :root { --page: #111214; --card: #191919; --text: #e8e8e6; --soft: #9a9ea3; --line: #2b2d30;
    --bad: #ff9a5c; --good: #4fc79b; }
  /* White becomes the card's own dark grey and the colours keep their hue. */
  img.plot { filter: invert(.902) hue-rotate(180deg); }
}
"""


def render_page(
    exploration: Exploration, pictures: Mapping[str, Sequence[Pixels]], folder: Path
) -> str:
    """Write the page.

    Args:
        exploration: What was found.
        pictures: Some of each class, (H, W, 3), uint8.
        folder: Where the plots lie that are built into it.
    """
    name = escape(display_path(Path(exploration.config.data).absolute().name))
    parts = [
        _header(exploration, name),
        _overview(exploration),
        *(_section(exploration, kind) for kind, n in exploration.counts.items() if n),
        "<h2>Samples by class</h2>",
        f'<div class="card">{_image(folder / "class_distribution.png", "Samples by class")}</div>',
        f"<h2>Samples{_middle_frames(exploration)}</h2>",
        f'<div class="card">{_sheet(pictures)}</div>',
        "<h2>Measures</h2>",
        f'<div class="grid">{_histograms(folder)}</div>',
        f"<footer>har-edge {escape(__version__)} · all findings: findings.csv · "
        "figures: dataset_summary.txt</footer>",
    ]
    # The policy holds the page to its word: a request would be refused by the browser.
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta http-equiv="Content-Security-Policy" '
        "content=\"default-src 'none'; img-src data:; style-src 'unsafe-inline'\">\n"
        f"<title>{name}: dataset report</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n"
        + "\n".join(parts)
        + "\n</main>\n</body>\n</html>\n"
    )


def _middle_frames(exploration: Exploration) -> str:
    clips = any(f.is_clip for f in exploration.facts)
    return " <small>the middle frame of clips</small>" if clips else ""


def _header(exploration: Exploration, name: str) -> str:
    clips = sum(f.is_clip for f in exploration.facts)
    facts = {
        "samples": len(exploration.samples),
        "classes": len(exploration.labels),
        "stills": len(exploration.facts) - clips,
        "clips": clips,
        "findings": len(exploration.findings),
    }
    items = "".join(f"<div><dt>{k}</dt><dd>{v:,}</dd></div>" for k, v in facts.items())
    return f'<p class="soft">Dataset report</p>\n<h1>{name}</h1>\n<dl class="facts">{items}</dl>'


def _overview(exploration: Exploration) -> str:
    rows = []
    for kind, count in exploration.counts.items():
        name = f'<a href="#{kind}">{kind}</a>' if count else kind
        tone = "bad" if count else "good"
        number = f'<td class="number {tone}">{count:,}</td>'
        rows.append(f'<tr><td class="name">{name}</td>{number}<td>{escape(KINDS[kind])}</td></tr>')
    head = '<tr><th>Kind</th><th class="number">Found</th><th>Meaning</th></tr>'
    return f'<h2>Findings</h2>\n<div class="card"><table>{head}{"".join(rows)}</table></div>'


def _section(exploration: Exploration, kind: str) -> str:
    found = [f for f in exploration.findings if f.kind == kind]
    rows = [
        _row(exploration, finding, pictures=number < MAX_PICTURES)
        for number, finding in enumerate(found[:MAX_ROWS])
    ]
    notes = []
    if len(found) > MAX_ROWS:
        notes.append(f"… and {len(found) - MAX_ROWS:,} more in findings.csv.")
    if len(rows) > MAX_PICTURES and kind != "unreadable":
        notes.append(f"Pictures stand beside the first {MAX_PICTURES} of {len(found):,} rows only.")
    rest = f'<p class="soft">{" ".join(notes)}</p>' if notes else ""
    head = "<tr><th></th><th>Split</th><th>File</th><th>Detail</th></tr>"
    return (
        f'<h2 id="{kind}">{kind}<small>{escape(KINDS[kind])}</small></h2>\n'
        f'<div class="card"><table>{head}{"".join(rows)}</table>{rest}</div>'
    )


def _row(exploration: Exploration, finding: Finding, *, pictures: bool) -> str:
    paths = [p for p in (finding.path, finding.other_path) if p is not None]
    shown = _pictures(paths) if pictures and finding.kind != "unreadable" else ""
    files = "<br>".join(escape(exploration.shown(p)) for p in paths)
    return (
        f'<tr><td class="pair">{shown}</td><td class="name">{escape(finding.split)}</td>'
        f"<td>{files}</td><td>{escape(finding.detail)}</td></tr>"
    )


def _pictures(paths: Iterable[Path]) -> str:
    tags = []
    for path in paths:
        # Folders, and files that are reported as unreadable themselves, have no picture.
        with contextlib.suppress(SourceError):
            tags.append(_picture(small_picture(Sample(path, label="", group=""), PAIR_PX)))
    return "".join(tags)


def _sheet(pictures: Mapping[str, Sequence[Pixels]]) -> str:
    rows = "".join(
        f"<tr><td>{escape(label)}</td><td>{''.join(map(_picture, row))}</td></tr>"
        for label, row in pictures.items()
    )
    return f'<table class="sheet">{rows}</table>'


def _picture(pixels: Pixels) -> str:
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=80)
    return f'<img src="{_data_uri(file.getvalue(), "jpeg")}" alt="">'


def _histograms(folder: Path) -> str:
    return "".join(
        f'<div class="card">{_image(folder / name, title)}</div>'
        for name, title in HISTOGRAMS
        if (folder / name).is_file()
    )


def _image(path: Path, title: str) -> str:
    uri = _data_uri(path.read_bytes(), "png")
    return f'<img class="plot" src="{uri}" alt="{escape(title)}">'


def _data_uri(content: bytes, kind: str) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(content).decode('ascii')}"
