"""What was judged, as JSON, Markdown and a page with the curve."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from har_benchmarks.alarms.judge import AlarmSettings, Figures, Summary
from har_benchmarks.alarms.trace import Trace
from har_benchmarks.render.cells import machine_line, machine_rows
from har_benchmarks.render.markdown import markdown_table
from har_benchmarks.render.plots import COLOURS, import_matplotlib, new_figure
from har_benchmarks.render.write import render_figure, write_files
from har_benchmarks.results.document import MachineRecord, to_json
from har_edge.page import data_uri, render_page
from har_edge.paths import display_path

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SCHEMA_VERSION = 1
REPORT_NAME = "alarms.json"
HEAD = (
    "threshold",
    "found",
    "recall",
    "95 %",
    "delay p50",
    "delay p90",
    "false alarms",
    "per hour",
    "95 %",
)
# More alarms than this one by one help nobody.
SHOWN_FAULTS = 40


@dataclass(frozen=True)
class AlarmReport:
    """One measurement.

    Attributes:
        model: File, size and checksum of the model.
        events: Labels of the event in the data.
        settings: How alarms were raised and judged.
        chosen: At the threshold that a run would use.
        curve: At every threshold, from the lowest.
        traces: One a recording, in the order of `chosen.judged`.
        broken: Why recordings could not be read, or not to their end.
        machine: Facts about the machine.
        version: Release of har-edge.
    """

    model: Mapping[str, object]
    events: Sequence[str]
    settings: AlarmSettings
    chosen: Figures
    curve: Sequence[Figures]
    traces: Sequence[Trace]
    broken: Sequence[str]
    machine: MachineRecord
    version: str

    @property
    def title(self) -> str:
        """What was measured."""
        return f"{self.model['file']}: alarms for {' or '.join(self.settings.actions)}"

    def faults(self) -> list[tuple[str, str, str]]:
        """Recording, time and what went wrong, at the chosen threshold."""
        found = []
        for one in self.chosen.judged:
            name = display_path(one.recording.path.name)
            for (start_s, _), delay_s in zip(one.recording.spans, one.delays_s, strict=True):
                if delay_s is None:
                    found.append((name, f"{start_s:.1f} s", "not found"))
            found += [(name, f"{at_s:.1f} s", "false alarm") for at_s in one.false_at_s]
        return found

    def to_record(self) -> dict[str, object]:
        """Plain values for JSON."""
        return {
            "schema_version": SCHEMA_VERSION,
            "har_edge": self.version,
            "machine": self.machine,
            "model": dict(self.model),
            "events": list(self.events),
            "settings": asdict(self.settings),
            "chosen": asdict(self.chosen.summary),
            "curve": [asdict(figures.summary) for figures in self.curve],
            "recordings": [
                {
                    "file": one.recording.path.name,
                    # A file alone has its path for a group; where it lay is nobody's business.
                    "group": Path(one.recording.group).name,
                    "spans_s": [
                        [start_s, None if end_s == float("inf") else end_s]
                        for start_s, end_s in one.recording.spans
                    ],
                    "delays_s": list(one.delays_s),
                    "false_at_s": list(one.false_at_s),
                    "repeats": one.repeats,
                    "seconds": trace.seconds,
                }
                for one, trace in zip(self.chosen.judged, self.traces, strict=True)
            ],
            "broken": list(self.broken),
        }


def sentence(found: Summary) -> str:
    """The figures of one threshold, as a person would say them.

    Example:
        >>> found = Summary(0.5, 10, 9, 0.9, 0.6, 1.0, 0.8, 1.2, 0, 2, 4.0, 0.5, 0.06, 1.81)
        >>> print(sentence(found))
        At 0.50: 9 of 10 events found, nine of ten of them within 1.2 s.
        2 false alarms in 4.00 h: 0.50 an hour (0.06 to 1.81).
    """
    late = found.delay_p90_s
    within = "" if late is None else f", nine of ten of them within {late:.1f} s"
    often = (
        ""
        if found.false_per_hour is None
        else f": {found.false_per_hour:.2f} an hour ({_rate(found.false_per_hour_low)} to "
        f"{_rate(found.false_per_hour_high)})"
    )
    alarms = "false alarm" if found.false_alarms == 1 else "false alarms"
    return (
        f"At {found.threshold:.2f}: {found.found} of {found.events} events found{within}.\n"
        f"{found.false_alarms} {alarms} in {found.hours:.2f} h{often}."
    )


def table_rows(curve: Sequence[Figures]) -> list[list[str]]:
    """The cells under `HEAD`, a row for each threshold."""
    return [
        [
            f"{row.threshold:.2f}",
            f"{row.found} of {row.events}",
            f"{row.recall:.0%}",
            f"{row.recall_low:.0%} to {row.recall_high:.0%}",
            _seconds(row.delay_p50_s),
            _seconds(row.delay_p90_s),
            str(row.false_alarms),
            _rate(row.false_per_hour),
            f"{_rate(row.false_per_hour_low)} to {_rate(row.false_per_hour_high)}",
        ]
        for row in (figures.summary for figures in curve)
    ]


def _seconds(value: float | None) -> str:
    return "–" if value is None else f"{value:.1f} s"


def _rate(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"


def write_report(report: AlarmReport, folder: Path) -> None:
    """Write alarms.json, alarms.md, alarms.html and alarms.png.

    Raises:
        OutputError: if they cannot be written.
        MissingExtraError: if matplotlib or Jinja2 is not installed.
    """
    svg, png = render_figure(draw_curve(report))
    files = {
        "alarms.png": png,
        "alarms.md": to_markdown(report).encode(),
        "alarms.html": to_html(report, svg).encode(),
        REPORT_NAME: to_json(report.to_record()).encode(),
    }
    write_files(folder, files)


def to_markdown(report: AlarmReport) -> str:
    """Lay a report out in Markdown."""
    faults = report.faults()
    parts = [
        f"# {report.title}",
        machine_line(report.machine),
        sentence(report.chosen.summary),
        markdown_table(HEAD, table_rows(report.curve)),
    ]
    if faults:
        head = ("recording", "at", "what")
        parts += ["## Missed and false", markdown_table(head, faults[:SHOWN_FAULTS], left=3)]
    if len(faults) > SHOWN_FAULTS:
        parts.append(f"And {len(faults) - SHOWN_FAULTS} more, in {REPORT_NAME}.")
    if report.broken:
        parts += ["## Not read to the end", "\n".join(f"- {why}" for why in report.broken)]
    return "\n\n".join(parts) + "\n"


def to_html(report: AlarmReport, svg: bytes) -> str:
    """Lay a report out as a page."""
    faults = report.faults()
    return render_page(
        "har_benchmarks.alarms",
        "alarms",
        extra="bench",
        title=report.title,
        machine=machine_line(report.machine),
        machine_rows=machine_rows(report.machine),
        sentence=sentence(report.chosen.summary),
        head=HEAD,
        rows=table_rows(report.curve),
        best=[figures.threshold == report.chosen.threshold for figures in report.curve],
        picture=data_uri(svg, "image/svg+xml"),
        faults=faults[:SHOWN_FAULTS],
        broken=report.broken,
        more=max(0, len(faults) - SHOWN_FAULTS),
        report_name=REPORT_NAME,
        version=report.version,
    )


def draw_curve(report: AlarmReport) -> Figure:
    """Recall over false alarms an hour, a point for each threshold."""
    import_matplotlib()
    figure, axis = new_figure(3.4)
    known = [
        (figures.summary.false_per_hour, figures.summary.recall)
        for figures in report.curve
        if figures.summary.false_per_hour is not None
    ]
    axis.plot([p[0] for p in known], [p[1] for p in known], "-o", color=COLOURS[0], markersize=3)
    chosen = report.chosen.summary
    if chosen.false_per_hour is not None:
        place = (chosen.false_per_hour, chosen.recall)
        axis.plot(*place, "D", color=COLOURS[5], markersize=6)
        axis.annotate(f"{chosen.threshold:.2f}", place, xytext=(6, -10), textcoords="offset points")
    axis.set_xlabel("False alarms an hour")
    axis.set_ylabel("Share of events found")
    axis.set_ylim(-0.03, 1.03)
    axis.set_xlim(left=0)
    return figure
