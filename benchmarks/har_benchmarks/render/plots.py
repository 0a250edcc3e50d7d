"""The pictures of a report. Drawn narrow, so that they can be read on a phone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from har_benchmarks.results.table import Row, Table
from har_edge.errors import MissingExtraError

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito's palette, told apart by colour-blind readers too; and a mark for each variant.
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#000000")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
LINES = ("-", "--", ":", "-.")  # by number of threads
WIDTH_IN = 4.5
GREY = "0.45"

Plot = tuple[str, str, "Figure"]


def import_matplotlib() -> None:
    """Make matplotlib ready to draw for files, without a window.

    Raises:
        MissingExtraError: if it is not installed.
    """
    try:
        import matplotlib
    except ImportError as error:
        raise MissingExtraError("bench", "matplotlib") from error
    matplotlib.use("Agg")


def draw_all(report: Table) -> list[Plot]:
    """Draw every plot that the report has figures for.

    Returns:
        Name (of a file), title and figure.
    """
    if not report.rows:
        return []
    import_matplotlib()
    plots: tuple[tuple[str, str, Callable[[Table], Figure | None]], ...] = (
        ("latency", "Latency of a step", latency),
        ("pareto", _pareto_title(report), pareto),
        ("memory", "Peak memory", memory),
        ("threads", "Threads", threads),
        ("warmup", "Warm-up", warmup),
        ("rounds", "Over the rounds", rounds),
        ("sustained", "Without a pause", sustained),
    )
    drawn = [(name, title, draw(report)) for name, title, draw in plots]
    return [(name, title, figure) for name, title, figure in drawn if figure is not None]


def new_figure(height: float) -> tuple[Figure, Axes]:
    """An empty plot of our width, `height` inches high."""
    from matplotlib import pyplot

    pyplot.rcParams.update({"font.size": 9, "svg.hashsalt": "har-bench"})
    figure, axis = pyplot.subplots(figsize=(WIDTH_IN, height), layout="constrained")
    axis.spines[["top", "right"]].set_visible(False)
    axis.grid(alpha=0.25, linewidth=0.6)
    axis.set_axisbelow(True)
    return figure, axis


class _Style:
    """One colour and mark for each variant of each model, the same in all plots."""

    def __init__(self, cases: Sequence[Row]) -> None:
        self._several = len({case.model for case in cases}) > 1
        self._names = list(dict.fromkeys(self.variant(case) for case in cases))
        self.thread_counts = sorted({case.num_threads for case in cases})

    def variant(self, case: Row) -> str:
        return f"{case.model} {case.variant}" if self._several else case.variant

    def name(self, case: Row) -> str:
        return f"{self.variant(case)} · {case.backend} · {case.num_threads}"

    def colour(self, case: Row) -> str:
        return COLOURS[self._names.index(self.variant(case)) % len(COLOURS)]

    def marker(self, case: Row) -> str:
        return MARKERS[self._names.index(self.variant(case)) % len(MARKERS)]

    def line(self, num_threads: int) -> str:
        return LINES[self.thread_counts.index(num_threads) % len(LINES)]


def _ordered(report: Table) -> tuple[list[Row], _Style]:
    """Cases from the slowest to the fastest: drawn from below, the fastest ends on top."""
    cases = sorted(report.rows, key=lambda case: -case.figures.p50_ms)
    return cases, _Style(report.rows)


def latency(report: Table) -> Figure:
    """Boxes of the steps: quartiles, whiskers from the 1st to the 99th percentile."""
    cases, style = _ordered(report)
    figure, axis = new_figure(1.1 + 0.28 * len(cases))
    samples = [case.steps_ms for case in cases]
    boxes = axis.boxplot(
        samples, orientation="horizontal", whis=(1, 99), showfliers=False, widths=0.6,
        patch_artist=True, medianprops={"color": "black"},
    )  # fmt: skip
    for box, case in zip(boxes["boxes"], cases, strict=True):
        box.set(facecolor=style.colour(case), alpha=0.75)
    for row, case in enumerate(cases, start=1):
        end = float(np.percentile(samples[row - 1], 99))
        axis.annotate(f"{case.figures.p50_ms:.2f}", (end, row), (4, 0), va="center",
                      textcoords="offset points", color=GREY, fontsize=8)  # fmt: skip
    axis.set_yticks(range(1, len(cases) + 1), [style.name(case) for case in cases])
    axis.set_xlim(0, 1.15 * max(float(np.percentile(steps, 99)) for steps in samples))
    axis.grid(visible=False, axis="y")
    axis.set_xlabel("ms a step; box: quartiles,\nwhiskers: p1 to p99, figure: p50")
    return figure


def _has_accuracy(cases: Sequence[Row]) -> bool:
    return any(case.figures.accuracy is not None for case in cases)


def _pareto_title(report: Table) -> str:
    return "Accuracy, latency, size" if _has_accuracy(report.rows) else "Latency and size"


def pareto(report: Table) -> Figure:
    """Accuracy over latency, area by size; the line joins what nothing else beats.

    Size over latency where no accuracy was measured.
    """
    cases, style = _ordered(report)
    accurate = _has_accuracy(cases)
    worth = [_worth(case, accurate=accurate) for case in cases]
    cases = [case for case, value in zip(cases, worth, strict=True) if value is not None]
    figure, axis = new_figure(4.0)
    x = np.array([case.figures.p50_ms for case in cases])
    y = np.array([value for value in worth if value is not None])
    for case, left, up in zip(cases, x, y, strict=True):
        area = 25 + 12 * (case.figures.size_bytes or 0) / 1e6
        axis.scatter(left, up, s=area, c=style.colour(case), marker=style.marker(case), alpha=0.75,
                     edgecolors="black", linewidths=0.6)  # fmt: skip
    if len({case.num_threads for case in cases}) > 1:
        for case, left, up in zip(cases, x, y, strict=True):
            axis.annotate(f"{case.num_threads}", (left, up), (7, 5), textcoords="offset points",
                          color=GREY, fontsize=8)  # fmt: skip
    best = front(x, y if accurate else -y)
    axis.plot(x[best], y[best], color=GREY, linewidth=1, linestyle="--", zorder=1)
    _legend(axis, cases, style)
    axis.margins(0.15)
    # By margins alone, cases of nearly the same time get an axis that ends right at the points.
    axis.set_xlim(0, 1.1 * x.max())
    axis.set_xlabel("p50 of a step (ms); figure: threads")
    axis.set_ylabel("accuracy (%); area: size" if accurate else "size (MB)")
    return figure


def _worth(case: Row, *, accurate: bool) -> float | None:
    """Accuracy in per cent, or size in MB where none was measured."""
    value = case.figures.accuracy if accurate else case.figures.size_bytes
    if value is None:
        return None
    return value * (100.0 if accurate else 1e-6)


def front(cost: NDArray[np.float64], worth: NDArray[np.float64]) -> list[int]:
    """Number the points that no other beats in both, from the cheapest on."""
    order = sorted(range(len(cost)), key=lambda i: (cost[i], -worth[i]))
    best: list[int] = []
    for i in order:
        if not best or worth[i] > worth[best[-1]]:
            best.append(i)
    return best


def _legend(axis: Axes, cases: Sequence[Row], style: _Style, *, threads: bool = False) -> None:
    """Name the variants, and where lines tell them apart the numbers of threads."""
    first = {style.variant(case): case for case in cases}
    handles: list[Artist] = [
        axis.scatter([], [], c=style.colour(case), marker=style.marker(case), label=name)
        for name, case in sorted(first.items())
    ]
    if threads and len(style.thread_counts) > 1:
        handles += [
            axis.plot([], [], color=GREY, linestyle=style.line(count), label=_threads(count))[0]
            for count in style.thread_counts
        ]
    figure = axis.get_figure()
    assert figure is not None
    figure.legend(handles=handles, loc="outside upper center", ncols=3, frameon=False)


def _threads(count: int) -> str:
    return f"{count} thread" if count == 1 else f"{count} threads"


def memory(report: Table) -> Figure | None:
    """Peak memory of each process, the part from before the model was loaded in grey."""
    cases, style = _ordered(report)
    cases = [case for case in cases if case.figures.peak_memory_bytes]
    if not cases:
        return None
    figure, axis = new_figure(0.9 + 0.28 * len(cases))
    before = np.array([(c.figures.memory_before_bytes or 0) / 1e6 for c in cases])
    peak = np.array([(c.figures.peak_memory_bytes or 0) / 1e6 for c in cases])
    rows = np.arange(len(cases))
    axis.barh(rows, before, 0.6, color="0.75")
    axis.barh(rows, peak - before, 0.6, left=before, color=[style.colour(c) for c in cases],
              alpha=0.8)  # fmt: skip
    for row, value in zip(rows, peak, strict=True):
        axis.annotate(f"{value:.0f}", (value, row), (4, 0), textcoords="offset points",
                      va="center", color=GREY, fontsize=8)  # fmt: skip
    axis.set_yticks(rows, [style.name(case) for case in cases])
    axis.set_xlim(0, 1.12 * peak.max())
    axis.grid(visible=False, axis="y")
    axis.set_xlabel("peak MB; grey: Python and\nruntime, before the model")
    return figure


def threads(report: Table) -> Figure | None:
    """Latency over the number of threads, compared with perfect scaling."""
    cases, style = _ordered(report)
    counts = sorted({case.num_threads for case in cases})
    if len(counts) < 2:
        return None
    figure, axis = new_figure(3.6)
    lines: dict[tuple[str, str], list[Row]] = {}
    for case in sorted(cases, key=lambda c: c.num_threads):
        lines.setdefault((style.variant(case), case.backend), []).append(case)
    for same in lines.values():
        x = [case.num_threads for case in same]
        y = [case.figures.p50_ms for case in same]
        colour, marker = style.colour(same[0]), style.marker(same[0])
        axis.plot(x, y, color=colour, marker=marker)
        ideal = [y[0] * x[0] / n for n in x]
        axis.plot(x, ideal, color=colour, linestyle=":", linewidth=0.9, alpha=0.7)
    _legend(axis, cases, style)
    axis.set_xticks(counts)
    axis.set_ylim(bottom=0)
    axis.set_xlabel("threads; dotted: perfect scaling")
    axis.set_ylabel("p50 of a step (ms)")
    return figure


def warmup(report: Table) -> Figure:
    """The first steps after loading, against the median step: median over the rounds."""
    cases, style = _ordered(report)
    figure, axis = new_figure(3.6)
    for case in cases:
        runs = [
            [r["first_encode_ms"] + r["first_classify_ms"], *r["warmup_ms"]] for r in case.rounds
        ]
        length = min(map(len, runs))
        curve = np.median([run[:length] for run in runs], axis=0) / case.figures.p50_ms
        axis.plot(range(1, length + 1), curve, color=style.colour(case),
                  linestyle=style.line(case.num_threads), marker=style.marker(case),
                  markersize=3, linewidth=1)  # fmt: skip
    axis.axhline(1, color=GREY, linewidth=0.8)
    _legend(axis, cases, style, threads=True)
    axis.set_ylim(bottom=0)
    axis.locator_params(axis="x", integer=True)
    axis.set_xlabel("step after loading")
    axis.set_ylabel("times the median step")
    return figure


def rounds(report: Table) -> Figure | None:
    """Each round's median against the case's own: what all cases share is the machine."""
    cases, style = _ordered(report)
    if max(len(case.rounds) for case in cases) < 2:
        return None
    figure, axis = new_figure(3.6)
    for case in cases:
        medians_ms = case.round_medians_ms
        x = [number + 1 for number in medians_ms]
        y = [100 * (ms / case.figures.p50_ms - 1) for ms in medians_ms.values()]
        axis.plot(x, y, color=style.colour(case), linestyle=style.line(case.num_threads),
                  marker=style.marker(case), markersize=3, linewidth=0.8, alpha=0.8)  # fmt: skip
    _legend(axis, cases, style, threads=True)
    axis.locator_params(axis="x", integer=True)
    axis.set_xlabel("round")
    axis.set_ylabel("median against the case's own (%)")
    return figure


def sustained(report: Table) -> Figure | None:
    """Latency and temperature of the run without a pause."""
    found = report.sustained
    if not found or not found["samples"]:
        return None
    figure, axis = new_figure(3.4)
    minutes = [sample["at_s"] / 60 for sample in found["samples"]]
    axis.plot(minutes, [sample["p50_ms"] for sample in found["samples"]], color=COLOURS[0])
    axis.set_ylim(bottom=0)
    axis.set_xlabel(f"minutes of {found['case']}")
    axis.set_ylabel("p50 of a step (ms)", color=COLOURS[0])
    heat = [sample["temperature_c"] for sample in found["samples"]]
    known = [value for value in heat if value is not None]
    if len(known) == len(heat):
        other = axis.twinx()
        other.plot(minutes, known, color=COLOURS[5], linestyle="--")
        other.set_ylabel("temperature (°C)", color=COLOURS[5])
        other.spines[["top"]].set_visible(False)
    return figure
