"""`har-bench compare`: is the new run slower than the old one?"""

from __future__ import annotations

import click

from har_benchmarks.options import Percent
from har_edge.commands.harness import note, show
from har_edge.commands.options.formats import format_options
from har_edge.errors import GateError, HarError

DEFAULT_THRESHOLD = 0.05  # what a table calls a regression where no gate was asked for


@click.command()
@click.argument("base")
@click.argument("new")
@click.option(
    "--fail-on-regression",
    "threshold",
    type=Percent(),
    metavar="SHARE",
    help=(
        "Exit with code 3 if a case is slower by more than this and the difference is not chance."
    ),
)
@click.option(
    "--confidence",
    type=Percent(),
    default="95%",
    show_default=True,
    metavar="SHARE",
    help="Confidence level of the intervals, for all cases together.",
)
@click.option(
    "--margin",
    type=Percent(),
    default="2%",
    show_default=True,
    metavar="SHARE",
    help="Difference to tolerate between two runs of the same thing.",
)
@format_options
def compare(
    base: str,
    new: str,
    threshold: float | None,
    confidence: float,
    margin: float,
    output_format: str,
) -> None:
    """Compare two runs, BASE and NEW: folders of har-bench run, or their report.json.

    The median step of each case is compared round by round; the interval of the ratio comes from
    resampling rounds. A case is slower (or faster) if the whole interval lies beyond --margin; it
    is a REGRESSION if it is also slower by more than --fail-on-regression, 5% if none is given.

    \b
    Example:
      har-bench compare bench/before bench/after --fail-on-regression 5%

    \b
    Exit codes: 0 done, 1 an error that you can fix, 2 usage error, 3 a regression.
    """
    from har_benchmarks.render.text import comparison_text
    from har_benchmarks.results.compare import TOO_FEW, cautions
    from har_benchmarks.results.compare import compare as compare_tables
    from har_benchmarks.results.document import load_report, to_json
    from har_benchmarks.results.table import Table

    first, second = Table.of(load_report(base)), Table.of(load_report(new))
    rows = compare_tables(
        first, second, threshold=_allowed(threshold), level=confidence, margin=margin
    )
    if not rows:
        raise HarError(
            f"{base} and {new} should have at least one case in common. Received none: models, "
            "runtimes or thread counts differ. Measure the same cases again."
        )
    remarks = cautions(first, second, rows, confidence)
    if output_format == "json":
        found = {"cases": [row.to_record() for row in rows], "cautions": remarks}
        show(to_json({"confidence": confidence, "margin": margin, **found}).rstrip())
    else:
        show(comparison_text(first, second, rows))
        note(_rule(threshold, confidence, margin))
    for remark in remarks:
        note(f"Note: {remark}")
    slower = [row.key for row in rows if row.regression]
    if threshold is not None and slower:
        raise GateError(
            f"Slower by more than {threshold:.1%}: {', '.join(slower)}. If the machine was "
            "busy, measure again; otherwise find out what changed."
        )
    undecided = [row.key for row in rows if row.verdict == TOO_FEW]
    if threshold is not None and undecided:
        raise HarError(
            f"No verdict for {', '.join(undecided)}: too few rounds. A gate that cannot decide "
            "does not pass; measure both with more --rounds."
        )


def _allowed(threshold: float | None) -> float:
    return DEFAULT_THRESHOLD if threshold is None else threshold


def _rule(threshold: float | None, confidence: float, margin: float) -> str:
    """Say what the verdicts mean, with the figures that they were found by."""
    return (
        f"slower, faster: the whole {confidence:.0%} interval lies beyond {margin:.1%}. "
        f"REGRESSION: slower, and the change is above {_allowed(threshold):.1%}."
    )
