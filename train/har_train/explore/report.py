"""The report of an exploration: plots, tables and one page that shows them all."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from har_edge.arrays import Pixels
from har_edge.counted import counted
from har_edge.errors import OutputError
from har_edge.files import write_whole
from har_edge.paths import display_path
from har_edge.table import text_table
from har_edge.visible import spreadsheet_cell
from har_train.dataset.samples import count_table
from har_train.explore.explore import OUTPUT_NAMES, Exploration
from har_train.explore.findings import KINDS
from har_train.explore.page import write_page
from har_train.explore.scan import FileFacts, small_picture
from har_train.reports.plots import plot_class_distribution, plot_contact_sheet, plot_histogram

# Pictures in a row of the contact sheet, and their side in pixels.
SHEET_COLUMNS, PICTURE_PX = 8, 112
# JPEG and matplotlib take pictures of up to 65,535 pixels; many classes get smaller tiles.
MAX_SHEET_PX = 30_000


def save_exploration(exploration: Exploration, folder: Path) -> None:
    """Write the report.

    Raises:
        OutputError: if it cannot be written.
    """
    try:
        for name in OUTPUT_NAMES:
            (folder / name).unlink(missing_ok=True)
        summary = summary_text(exploration)
        _write_text(folder / "dataset_summary.txt", summary)
        _write_findings(exploration, folder / "findings.csv")
        pictures = _choose_pictures(exploration)
        side = _picture_side(exploration)
        plot_contact_sheet(pictures, side, folder / "samples.jpg")
        _plot_all(exploration, folder)
        page = write_page(exploration, pictures, folder)
        _write_text(folder / "explore.html", page)
    except OSError as error:
        raise OutputError(f"{display_path(folder)} cannot be written: {error.strerror}.") from error


def _write_text(path: Path, text: str) -> None:
    # Names of folders become labels, and need not be valid text.
    write_whole(path, text.encode(errors="backslashreplace"))


def _write_findings(exploration: Exploration, path: Path) -> None:
    file = io.StringIO()
    rows = csv.writer(file, lineterminator="\n")
    rows.writerow(["kind", "split", "path", "other_path", "detail"])
    for f in exploration.findings:
        paths = exploration.shown(f.path), exploration.shown(f.other_path)
        rows.writerow(map(spreadsheet_cell, [f.kind, f.split, *paths, f.detail]))
    _write_text(path, file.getvalue())


def _plot_all(exploration: Exploration, folder: Path) -> None:
    labels, splits, facts = exploration.labels, exploration.splits, exploration.facts
    counter = Counter((s.label, s.split) for s in exploration.samples)
    counts = np.array([[counter[c, s] for s in splits] for c in labels], dtype=np.int64)
    plot_class_distribution(counts, labels, splits, folder / "class_distribution.png")
    if not facts:
        return
    sizes = {"width": [f.width for f in facts], "height": [f.height for f in facts]}
    plot_histogram(sizes, "Resolution", "Pixels", folder / "resolutions.png")
    brightness = {"": [f.brightness for f in facts]}
    plot_histogram(
        brightness, "Brightness", "Mean, 0 black to 255 white", folder / "brightness.png"
    )
    clips = [f for f in facts if f.is_clip]
    if clips:
        durations = {"": [f.duration_s for f in clips]}
        plot_histogram(durations, "Duration", "Seconds", folder / "durations.png")
        rates = {"": [f.frame_rate_hz for f in clips]}
        plot_histogram(rates, "Frame rate", "Frames per second", folder / "frame_rates.png")


def _picture_side(exploration: Exploration) -> int:
    return max(24, min(PICTURE_PX, MAX_SHEET_PX // len(exploration.labels)))


def _choose_pictures(exploration: Exploration) -> dict[str, list[Pixels]]:
    """Choose pictures of every class, evenly from its files, and make them small."""
    side = _picture_side(exploration)
    by_label: dict[str, list[FileFacts]] = {label: [] for label in exploration.labels}
    for item in exploration.facts:
        by_label[item.sample.label].append(item)
    pictures = {}
    for label, items in by_label.items():
        chosen = np.unique(np.linspace(0, len(items) - 1, SHEET_COLUMNS).round().astype(int))
        pictures[label] = [small_picture(items[i].sample, side) for i in chosen if items]
    return pictures


def summary_text(exploration: Exploration) -> str:
    """Say in plain text what the dataset holds."""
    samples, facts = exploration.samples, exploration.facts
    clips = [f for f in facts if f.is_clip]
    figures: dict[str, Sequence[float]] = {
        "width (pixels)": [f.width for f in facts],
        "height (pixels)": [f.height for f in facts],
        "brightness (0..255)": [f.brightness for f in facts],
        "duration (s)": [f.duration_s for f in clips],
        "frame rate (Hz)": [f.frame_rate_hz for f in clips],
    }
    lines = [
        f"{display_path(exploration.config.data)}: "
        f"{counted(len(samples), 'sample', spec=',')}, "
        f"{counted(len(exploration.labels), 'class', 'classes')}",
        f"readable: {counted(len(facts) - len(clips), 'still', spec=',')}, "
        f"{counted(len(clips), 'clip', spec=',')}",
        "",
        text_table(
            [(name, *_range(values)) for name, values in figures.items() if values],
            ("", "least", "median", "most"),
        ),
        "",
        count_table(samples, exploration.splits),
        "",
        findings_table(exploration),
    ]
    return "\n".join(lines) + "\n"


def _range(values: Sequence[float]) -> list[str]:
    return [f"{v:.4g}" for v in (min(values), float(np.median(values)), max(values))]


def findings_table(exploration: Exploration) -> str:
    """Lay out how many findings there are of each kind."""
    rows = ((kind, f"{n:,}", KINDS[kind]) for kind, n in exploration.counts.items())
    return text_table(rows, ("finding", "count", "meaning"), align="lrl")
