"""Write everything that a report becomes into its folder."""

from __future__ import annotations

import io
from pathlib import Path

from har_benchmarks.render.html import to_html
from har_benchmarks.render.markdown import to_markdown
from har_benchmarks.render.plots import draw_all
from har_benchmarks.render.text import to_csv
from har_benchmarks.results.document import REPORT_NAME, Report, to_json
from har_benchmarks.results.table import Table
from har_edge.errors import OutputError
from har_edge.files import open_whole, whole_path
from har_edge.paths import display_path

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
    from matplotlib import pyplot

    pictures: list[tuple[str, bytes]] = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, title, figure in draw_all(table):
            svg = io.BytesIO()
            figure.savefig(svg, format="svg", metadata={"Date": None})
            with whole_path(folder / f"{name}.png") as partial:
                figure.savefig(partial, dpi=PNG_DPI)
            pyplot.close(figure)
            pictures.append((title, svg.getvalue()))
        texts = {
            "report.md": to_markdown(table),
            "report.csv": to_csv(table),
            "report.html": to_html(table, pictures),
            # Last: who sees it knows that the rest is there.
            REPORT_NAME: to_json(report),
        }
        for name, text in texts.items():
            with open_whole(folder / name) as file:
                file.write(text.encode())
    except OSError as error:
        raise OutputError(
            f"{display_path(folder)} cannot be written: {error.strerror}. Free some space, or "
            "give another --out."
        ) from error
