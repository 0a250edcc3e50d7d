"""The page of an exploration: one file, nothing loaded from anywhere."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from har_edge import __version__
from har_edge.arrays import Pixels
from har_edge.datasets import Sample
from har_edge.errors import SourceError
from har_edge.page import data_uri, render_page
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


@dataclass(frozen=True)
class _Row:
    """A finding as it is shown.

    Attributes:
        pictures: As addresses that hold them.
    """

    split: str
    files: Sequence[str]
    detail: str
    pictures: Sequence[str]


@dataclass(frozen=True)
class _Section:
    """The findings of one kind."""

    kind: str
    rows: Sequence[_Row]
    notes: Sequence[str]


def write_page(
    exploration: Exploration, pictures: Mapping[str, Sequence[Pixels]], folder: Path
) -> str:
    """Write the page.

    Args:
        exploration: What was found.
        pictures: Some of each class, (H, W, 3), uint8.
        folder: Where the plots lie that are built into it.

    Raises:
        MissingExtraError: if Jinja2 is not installed.
    """
    clips = sum(f.is_clip for f in exploration.facts)
    return render_page(
        "har_train.explore",
        "explore",
        extra="train",
        name=display_path(Path(exploration.config.data).absolute().name),
        facts={
            "samples": len(exploration.samples),
            "classes": len(exploration.labels),
            "stills": len(exploration.facts) - clips,
            "clips": clips,
            "findings": len(exploration.findings),
        },
        counts=exploration.counts,
        kinds=KINDS,
        sections=[_section(exploration, kind) for kind, n in exploration.counts.items() if n],
        classes=_plot(folder / "class_distribution.png"),
        pictures={label: [_picture(p) for p in row] for label, row in pictures.items()},
        histograms={
            title: _plot(folder / name) for name, title in HISTOGRAMS if (folder / name).is_file()
        },
        version=__version__,
    )


def _section(exploration: Exploration, kind: str) -> _Section:
    found = [f for f in exploration.findings if f.kind == kind]
    rows = [
        _row(exploration, finding, pictures=number < MAX_PICTURES)
        for number, finding in enumerate(found[:MAX_ROWS])
    ]
    notes = []
    if len(found) > MAX_ROWS:
        notes.append(f"… and {len(found) - MAX_ROWS:,} more in findings.csv.")
    if len(rows) > MAX_PICTURES and kind != "unreadable":
        notes.append(f"Only the first {MAX_PICTURES} of {len(found):,} rows have pictures.")
    return _Section(kind, rows, notes)


def _row(exploration: Exploration, finding: Finding, *, pictures: bool) -> _Row:
    paths = [p for p in (finding.path, finding.other_path) if p is not None]
    shown = list(_pictures(paths)) if pictures and finding.kind != "unreadable" else []
    return _Row(finding.split, [exploration.shown(p) for p in paths], finding.detail, shown)


def _pictures(paths: Iterable[Path]) -> Iterator[str]:
    for path in paths:
        # Folders, and files that are reported as unreadable themselves, have no picture.
        with contextlib.suppress(SourceError):
            yield _picture(small_picture(Sample(path, label="", group=""), PAIR_PX))


def _picture(pixels: Pixels) -> str:
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=80)
    return data_uri(file.getvalue(), "image/jpeg")


def _plot(path: Path) -> str:
    return data_uri(path.read_bytes(), "image/png")
