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
           "Half of all steps are faster. A step goes from one new frame to one prediction."),
    Column("p90_ms", "p90", milliseconds, "9 steps out of 10 are faster."),
    Column("p95_ms", "p95", milliseconds, "19 steps out of 20 are faster."),
    Column("p99_ms", "p99", milliseconds, "99 steps out of 100 are faster."),
    Column("min_ms", "min", milliseconds, "The fastest step, with the machine undisturbed."),
    Column("stdev_ms", "std", milliseconds, "Standard deviation of the steps."),
    Column("frames_per_second", "frames/s", number, "Steps per second, without a pause."),
    Column("encode_p50_ms", "encode", milliseconds, "Median time to encode one frame."),
    Column("classify_p50_ms", "classify", milliseconds, "Median time to classify one window."),
    Column("clip_p50_ms", "whole clip", milliseconds,
           "Median time to compute all T frames and the prediction anew, without streaming."),
    Column("streaming_gain", "streaming", times, "Whole clip divided by step."),
    Column("load_ms", "load", milliseconds, "Median time to load the file into the runtime."),
    Column("first_ms", "first", milliseconds, "Median time of the first step after loading."),
    Column("peak_memory_bytes", "memory", megabytes, "Peak resident memory of the process."),
    Column("size_bytes", "size", megabytes, "Size on disk."),
    Column("accuracy", "accuracy", percent, "Share of held-out files predicted correctly."),
    Column("top5_accuracy", "top-5", percent, "Share with the correct class among the best "
                                              "five."),
    Column("agreement", "as float32", percent, "Share of windows with the same prediction as "
                                               "float32."),
    Column("drop_points", "change", change, "Accuracy gained or lost against float32, in "
                                            "points."),
    Column("end_to_end_p50_ms", "end to end", milliseconds,
           "Median time from decoding a frame to the action."),
    Column("end_to_end_p95_ms", "p95 of it", milliseconds, "19 frames out of 20 are faster."),
    Column("end_to_end_frames_per_second", "frames/s of it", number,
           "Video frames per second, decoding in parallel with the model."),
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
