"""Numbers as text, and the columns of the tables: the last step, the same for all reports."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

NONE = "–"


def milliseconds(value: float | None) -> str:
    """A time with two digits after the point, one from 100 ms on."""
    if value is None:
        return NONE
    return f"{value:.1f} ms" if value >= 100 else f"{value:.2f} ms"


def megabytes(value: float | None) -> str:
    """A size in 10^6 bytes."""
    return NONE if value is None else f"{value / 1e6:.1f} MB"


def percent(value: float | None) -> str:
    """A share with one digit after the point."""
    return NONE if value is None else f"{value:.1%}"


def points(value: float | None) -> str:
    """A change of accuracy, signed, with a minus that is one."""
    if value is None:
        return NONE
    value = round(value, 1) + 0.0  # no minus before a zero
    return f"{value:+.1f} points".replace("-", "−") if value else "0.0 points"


def number(value: float | None) -> str:
    """A plain number with one digit after the point."""
    return NONE if value is None else f"{value:.1f}"


def times(value: float | None) -> str:
    """A factor."""
    return NONE if value is None else f"{value:.1f}×"


@dataclass(frozen=True)
class Column:
    """A figure of a case's summary and how it is shown.

    Attributes:
        key: Its name in the summary.
        title: Heading.
        show: Turns it into text.
        meaning: One sentence for readers of the page.
    """

    key: str
    title: str
    show: Callable[[Any], str]
    meaning: str

    def cell(self, summary: Mapping[str, Any]) -> str:
        """The text of a case's cell."""
        return self.show(summary.get(self.key))


def _change(value: float | None) -> str:
    return NONE if value is None else points(-value).removesuffix(" points")


COLUMNS = (
    Column("p50_ms", "p50", milliseconds,
           "Half of all steps are faster. A step takes one new frame to one answer."),
    Column("p90_ms", "p90", milliseconds, "Nine steps of ten are faster."),
    Column("p95_ms", "p95", milliseconds, "19 steps of 20 are faster."),
    Column("p99_ms", "p99", milliseconds, "99 steps of 100 are faster."),
    Column("min_ms", "min", milliseconds, "The fastest step: the machine undisturbed."),
    Column("stdev_ms", "std", milliseconds, "Standard deviation of the steps."),
    Column("frames_per_second", "frames/s", number, "Steps a second, without a pause."),
    Column("encode_p50_ms", "encode", milliseconds, "Median of a frame's features, on its own."),
    Column("classify_p50_ms", "classify", milliseconds, "Median of a window's answer, on its own."),
    Column("clip_p50_ms", "whole clip", milliseconds,
           "Median of all T frames and the answer anew, as without streaming."),
    Column("streaming_gain", "streaming", times, "Whole clip over step."),
    Column("load_ms", "load", milliseconds, "Median time to load the file into the runtime."),
    Column("first_ms", "first", milliseconds, "Median of the first step after loading."),
    Column("peak_memory_bytes", "memory", megabytes, "Most resident memory of the process."),
    Column("size_bytes", "size", megabytes, "Size on disk."),
    Column("accuracy", "accuracy", percent, "Share of held-out files answered rightly."),
    Column("top5_accuracy", "top-5", percent, "Share with the right answer among five."),
    Column("agreement", "as float32", percent, "Share of windows answered as float32 answers."),
    Column("drop_points", "change", _change, "Accuracy gained or lost against float32, points."),
    Column("end_to_end_p50_ms", "end to end", milliseconds,
           "Median from decoding a frame to the action."),
    Column("end_to_end_p95_ms", "p95 of it", milliseconds, "19 of 20 frames are faster."),
    Column("end_to_end_frames_per_second", "frames/s of it", number,
           "Frames a second of a video, decoding beside the model."),
)  # fmt: skip
SHORT = ("p50_ms", "p95_ms", "p99_ms", "frames_per_second", "first_ms", "peak_memory_bytes",
         "size_bytes", "accuracy", "drop_points")  # fmt: skip


def columns_of(summaries: list[Mapping[str, Any]], keys: tuple[str, ...] = ()) -> list[Column]:
    """The columns that any of the cases has a figure for.

    Args:
        summaries: Of the cases.
        keys: Only these, if any.
    """
    return [
        column
        for column in COLUMNS
        if (not keys or column.key in keys)
        and any(summary.get(column.key) is not None for summary in summaries)
    ]


def interval(low: float | None, high: float | None) -> str:
    """The interval of a drop as one of the change, in points."""
    if low is None or high is None:
        return ""
    return f"{_change(high)} to {_change(low)}"
