"""The columns of the tables: which figures there are, how they are shown and what they mean."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from har_benchmarks.results.table import Figures, Row
from har_benchmarks.results.text import change, megabytes, milliseconds, number, percent, times


@dataclass(frozen=True)
class Column:
    """One of a case's figures and how it is shown.

    Attributes:
        key: Its name.
        title: Heading.
        show: Turns it into text.
        meaning: One sentence for readers of the page.
    """

    key: str
    title: str
    show: Callable[[float | None], str]
    meaning: str

    def cell(self, figures: Figures) -> str:
        """The text of a case's cell."""
        return self.show(self.value(figures))

    def value(self, figures: Figures) -> float | None:
        """The figure itself."""
        value: float | None = getattr(figures, self.key)
        return value


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
    Column("drop_points", "change", change, "Accuracy gained or lost against float32, points."),
    Column("end_to_end_p50_ms", "end to end", milliseconds,
           "Median from decoding a frame to the action."),
    Column("end_to_end_p95_ms", "p95 of it", milliseconds, "19 of 20 frames are faster."),
    Column("end_to_end_frames_per_second", "frames/s of it", number,
           "Frames a second of a video, decoding beside the model."),
)  # fmt: skip
SHORT = ("p50_ms", "p95_ms", "p99_ms", "frames_per_second", "first_ms", "peak_memory_bytes",
         "size_bytes", "accuracy", "drop_points")  # fmt: skip


def columns_of(rows: Sequence[Row], keys: tuple[str, ...] = ()) -> list[Column]:
    """The columns that any of the cases has a figure for.

    Args:
        rows: The measured cases.
        keys: Only these, if any.
    """
    return [
        column
        for column in COLUMNS
        if (not keys or column.key in keys)
        and any(column.value(row.figures) is not None for row in rows)
    ]
