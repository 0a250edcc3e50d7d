"""`har-bench alarms`: a model as an alarm."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from har_edge.commands.harness import note, show
from har_edge.commands.options.formats import format_options
from har_edge.commands.options.models import MODEL
from har_edge.commands.options.people import finding_options, people_config
from har_edge.config import BACKENDS

if TYPE_CHECKING:
    from har_benchmarks.alarms.report import AlarmReport


@click.command()
@click.argument("model", type=MODEL)
@click.argument("data")
@click.option("--label", "actions", multiple=True, required=True, metavar="NAME",
              help="Action of the model that raises the alarm; may be repeated.")  # fmt: skip
@click.option("--event-label", "events", multiple=True, metavar="NAME",
              help="Label of the event in DATA; may be repeated. [default: --label]")  # fmt: skip
@click.option("--root", default="", metavar="DIR",
              help="Folder that the paths in a manifest are relative to.")  # fmt: skip
@click.option("--score-threshold", type=click.FloatRange(0, 1), metavar="P",
              help="Threshold to report in full.  [default: the model's own]")  # fmt: skip
@click.option("--within", "within_s", type=click.FloatRange(min=0), default=3.0,
              show_default=True, metavar="S",
              help="An alarm this long after an event's end still counts.")  # fmt: skip
@click.option("--min-duration", "min_duration_s", type=click.FloatRange(min=0), default=0.5,
              show_default=True, metavar="S", help="As for har-edge run.")  # fmt: skip
@click.option("--smoothing", "smoothing_s", type=click.FloatRange(min=0), default=0.5,
              show_default=True, metavar="S", help="As for har-edge run.")  # fmt: skip
@finding_options
@click.option("--backend", type=click.Choice(BACKENDS), default="auto", show_default=True,
              help="Runtime.")  # fmt: skip
@click.option("--num-threads", type=click.IntRange(min=1), default=1, show_default=True,
              metavar="N", help="Threads of the runtime.")  # fmt: skip
@click.option("--out", default="bench/alarms", show_default=True, metavar="DIR",
              help="Folder to write to; predictions are kept there and used again.")  # fmt: skip
@format_options
def alarms(
    model: str,
    data: str,
    actions: tuple[str, ...],
    events: tuple[str, ...],
    root: str,
    score_threshold: float | None,
    within_s: float,
    min_duration_s: float,
    smoothing_s: float,
    backend: str,
    num_threads: int,
    out: str,
    output_format: str,
    **people: object,
) -> None:
    """Judge MODEL as an alarm on the recordings of DATA: recall, delay, false alarms an hour.

    DATA is a dataset as for har-train; if it is split, its test part is used. A video labelled
    with the event shows it, in the span that a manifest names or all the time; every other video
    is time without it. Each alarm is an action that har-edge run would report as begun. Figures
    are given at the model's threshold and, as a curve, at others; the interval of false alarms is
    that of a Poisson rate. With --people, and for a model of poses, everybody in view may raise an
    alarm; a recording counts once, however many people it shows.

    \b
    Examples:
      har-bench alarms clips falls.csv --label falling
      har-bench alarms models/mine/mine-int8.tflite DATA --label fight --event-label fight

    \b
    Exit codes: 0 done, 1 an error that you can fix, 2 usage error, 130 or 143 interrupted.
    """
    from har_benchmarks.alarms.judge import AlarmSettings
    from har_benchmarks.alarms.measure import measure
    from har_benchmarks.alarms.recordings import list_recordings
    from har_benchmarks.alarms.report import write_report
    from har_edge.model.loaded import load_model
    from har_edge.model.trial import try_model

    try_model(model, backend=backend)
    loaded = load_model(model, backend=backend, num_threads=num_threads)
    named, folder = events or actions, Path(out)
    report = measure(
        loaded,
        list_recordings(data, named, root),
        AlarmSettings(actions, within_s, min_duration_s, smoothing_s),
        people=people_config(people),
        events=named,
        threshold=loaded.spec.reject_threshold if score_threshold is None else score_threshold,
        folder=folder,
    )
    write_report(report, folder)
    _tell(report, folder, output_format)


def _tell(report: AlarmReport, folder: Path, output_format: str) -> None:
    from har_benchmarks.alarms.report import HEAD, sentence, table_rows
    from har_benchmarks.results.document import to_json
    from har_edge.paths import display_path
    from har_edge.table import text_table

    if output_format == "json":
        show(to_json(report.to_record()).rstrip())
    else:
        show(text_table(table_rows(report.curve), HEAD))
        show(sentence(report.chosen.summary))
    for why in report.broken:
        note(f"Note: {why}")
    note(f"Wrote {display_path(folder)}. Open {display_path(folder)}/alarms.html")
