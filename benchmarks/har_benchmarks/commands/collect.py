"""`har-bench collect`: the reports of many devices on one page."""

from __future__ import annotations

import click

from har_benchmarks.options import limit_options
from har_edge.commands.harness import note


@click.command()
@click.argument("reports", nargs=-1, required=True, metavar="REPORTS...")
@click.option(
    "--out", default="fleet.html", show_default=True, metavar="HTML", help="Page to write."
)
@limit_options
def collect(reports: tuple[str, ...], out: str, **limits: float | None) -> None:
    """Merge the REPORTS of several devices into one page, with one row per device.

    \b
    Example:
      har-bench collect results/*.json --out fleet.html
    """
    from har_benchmarks.render.collect import fleet_page
    from har_benchmarks.results.document import load_report
    from har_benchmarks.results.recommend import Constraints
    from har_benchmarks.results.table import Table
    from har_edge.paths import display_path
    from har_edge.sinks.output import open_output

    tables = [Table.of(load_report(path)) for path in reports]
    text = fleet_page(tables, Constraints(**limits))
    with open_output(out) as stream:
        stream.write(text)
    note(f"Wrote {display_path(out)}")
