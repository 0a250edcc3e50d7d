"""Write everything that a report becomes into its folder."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from har_benchmarks.render.html import to_html
from har_benchmarks.render.markdown import to_markdown
from har_benchmarks.render.plots import draw_all
from har_benchmarks.render.text import to_csv
from har_benchmarks.results.document import REPORT_NAME, Report, to_json
from har_benchmarks.results.table import Table
from har_edge.errors import OutputError
from har_edge.files import open_whole
from har_edge.paths import display_path

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PNG_DPI = 160


def write_report(report: Report, table: Table, folder: Path) -> None:
    """Write report.json, report.md, report.csv, report.html and a PNG for each plot.

    Args:
        report: What `build_report` gave, with what was added to it.
        table: The same as a table, from which all but the JSON is laid out.
        folder: Where to; files of an earlier call are replaced.

    Raises:
        OutputError: if they cannot be written.
        MissingExtraError: if matplotlib is not installed.
    """
    pictures: list[tuple[str, bytes]] = []
    files: dict[str, bytes] = {}
    for name, title, figure in draw_all(table):
        svg, files[f"{name}.png"] = render_figure(figure)
        pictures.append((title, svg))
    files["report.md"] = to_markdown(table).encode()
    files["report.csv"] = to_csv(table).encode()
    files["report.html"] = to_html(table, pictures).encode()
    files[REPORT_NAME] = to_json(report).encode()
    write_files(folder, files)


def render_figure(figure: Figure) -> tuple[bytes, bytes]:
    """Make SVG and PNG of a plot, and close it."""
    from matplotlib import pyplot

    svg, png = io.BytesIO(), io.BytesIO()
    figure.savefig(svg, format="svg", metadata={"Date": None})
    figure.savefig(png, format="png", dpi=PNG_DPI)
    pyplot.close(figure)
    return svg.getvalue(), png.getvalue()


def write_files(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write files whole, in their order: who sees the last one knows that the rest is there.

    Raises:
        OutputError: if they cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            with open_whole(folder / name) as file:
                file.write(content)
    except OSError as error:
        raise OutputError(
            f"{display_path(folder)} cannot be written: {error.strerror}. Free some space, or "
            "give another --out."
        ) from error
