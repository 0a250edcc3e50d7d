"""What is written of a model's predictions: tables and pictures, in run folders and evaluations."""

from __future__ import annotations

import csv
import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from har_edge.arrays import Pixels
from har_edge.errors import SourceError
from har_edge.model.spec import ModelSpec
from har_edge.sources.clips import load_frames
from har_edge.table import text_table
from har_train.reports.calibration import reliability, risk_coverage
from har_train.reports.classes import (
    WrongAnswer,
    classification_report,
    confident_errors,
    confusion,
    per_class,
)
from har_train.reports.plots import (
    plot_confusion,
    plot_per_class,
    plot_picture_grid,
    plot_reliability,
    plot_risk_coverage,
    shorten,
)
from har_train.reports.predictions import SplitPredictions

REPORT_NAMES = (
    "per_class.csv", "classification_report.txt", "confusion_matrix.csv", "confusion_matrix.png",
    "per_class_accuracy.png", "reliability.png", "risk_coverage.png", "errors.png",
)  # fmt: skip
PART_NAMES = {"train": "training", "val": "validation", "test": "test", "all": "all"}
CONFUSION_CORNER = "true \\ predicted"
CLASS_COLUMNS = ("precision", "recall", "f1", "support")
MAX_ERRORS = 20
# Characters of a caption that fit over a picture.
CAPTION = 30
SPAN_COLUMNS = ("start_s", "end_s")
WHOLE_FILE = (0.0, math.inf)

Parts = Mapping[str, SplitPredictions]


def judged_part(parts: Parts) -> str:
    """The part that the pictures show: the last, which is the test part where there is one."""
    return list(parts)[-1]


def write_report(parts: Parts, spec: ModelSpec, folder: Path) -> None:
    """Write what `REPORT_NAMES` lists.

    Args:
        parts: Predictions by part in the order train, val, test; tempered. All but
            `per_class.csv` is about the last.
        spec: The model's labels, preprocessing and reject threshold.
        folder: Where to.

    Raises:
        OSError: if it cannot be written.
    """
    name, labels = judged_part(parts), spec.labels
    part, files = parts[name], f"{PART_NAMES[name]} files"
    _write_per_class(parts, labels, folder / "per_class.csv")
    report = classification_report(part, labels)
    (folder / "classification_report.txt").write_text(report, encoding="utf-8")
    matrix = confusion(part)
    _write_confusion(matrix, labels, folder / "confusion_matrix.csv")
    plot_confusion(matrix, labels, folder / "confusion_matrix.png", files=files)
    plot_per_class(matrix, labels, folder / "per_class_accuracy.png", files=files)
    # Per window, for to windows the runner applies the temperature and the threshold.
    rows, targets = part.probabilities, part.targets[part.clip_of]
    plot_reliability(reliability(rows, targets), folder / "reliability.png", files=files)
    kept = int((rows.max(axis=1) >= spec.reject_threshold).sum())
    plot_risk_coverage(
        *risk_coverage(rows, targets), kept, spec.reject_threshold, folder / "risk_coverage.png",
        files=files,
    )  # fmt: skip
    _plot_errors(part, spec, folder / "errors.png", files)


def _write_confusion(matrix: NDArray[np.intp], labels: Sequence[str], path: Path) -> None:
    """A row a true class, a column a predicted one, each with its name."""
    with path.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow([CONFUSION_CORNER, *labels])
        rows.writerows([label, *row] for label, row in zip(labels, matrix.tolist(), strict=True))


def _write_per_class(parts: Parts, labels: Sequence[str], path: Path) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(["split", "label", *CLASS_COLUMNS])
        for name, part in parts.items():
            for label, (*figures, support) in zip(labels, per_class(part), strict=True):
                rows.writerow([name, label, *(f"{f:.6f}" for f in figures), int(support)])


def class_table(part: SplitPredictions, labels: Sequence[str]) -> str:
    """Lay out precision, recall, F1 and support of each class."""
    return text_table(class_rows(part, labels), ("", *CLASS_COLUMNS))


def class_rows(part: SplitPredictions, labels: Sequence[str]) -> list[tuple[str, ...]]:
    """A row a class, as `CLASS_COLUMNS` names the columns behind the label."""
    return [
        (label, *(f"{f:.1%}" for f in figures), f"{int(support):,}")
        for label, (*figures, support) in zip(labels, per_class(part), strict=True)
    ]


def metrics_table(metrics: Mapping[str, Mapping[str, float]], *, num_frames: int = 0) -> str:
    """Lay out the figures of `evaluate.measure`, the parts side by side.

    Args:
        metrics: By part.
        num_frames: Frames in the model's window, 0 if unknown: files of one are called pictures.
    """
    return text_table(metrics_rows(metrics, num_frames=num_frames), ("", *metrics))


def metrics_rows(
    metrics: Mapping[str, Mapping[str, float]], *, num_frames: int = 0
) -> list[tuple[str, ...]]:
    """A row a figure, with a column for each part; arguments as for `metrics_table`."""
    first = ("accuracy", "accuracy_low")
    keys = [*first, *(k for k in next(iter(metrics.values())) if not k.startswith("accuracy"))]
    titles = {"accuracy_low": "accuracy_95%_interval"}
    if num_frames == 1 and all(m["clips"] == m["windows"] for m in metrics.values()):
        titles["clips"] = "pictures"
    return [
        (titles.get(key, key), *(_cell(key, figures) for figures in metrics.values()))
        for key in keys
    ]


def interval_note(metrics: Mapping[str, Mapping[str, float]]) -> str:
    """Say of which parts all answers are right, or all wrong, so that no bootstrap is possible."""
    certain = [part for part, figures in metrics.items() if figures["accuracy"] in (0.0, 1.0)]
    if not certain:
        return ""
    return (
        f"Interval of {', '.join(certain)}: Wilson's, since a bootstrap cannot work where all "
        "predictions are right, or all wrong."
    )


def _cell(key: str, figures: Mapping[str, float]) -> str:
    if key == "accuracy_low":
        return f"{figures[key]:.1%}-{figures['accuracy_high']:.1%}"
    return f"{figures[key]:.1%}" if isinstance(figures[key], float) else f"{figures[key]:,}"


def _plot_errors(part: SplitPredictions, spec: ModelSpec, path: Path, files: str) -> None:
    """Show the middle frames of the windows that the model was most wrong about."""
    errors = confident_errors(part, MAX_ERRORS)
    wrong = int((part.per_clip().argmax(axis=1) != part.targets).sum())
    title = f"No errors ({len(part.targets):,} {files})"
    if errors:
        title = (
            f"Most confident errors ({len(errors)} of {wrong:,} in {len(part.targets):,} {files})"
        )
    captions = []
    for error in errors:
        true, chosen = spec.labels[part.targets[error.clip]], spec.labels[error.chosen]
        said = f" {error.confidence:.0%}"
        answer = shorten(f"said: {chosen}", CAPTION - len(said)) + said
        name = shorten(part.paths[error.clip].name, CAPTION)
        captions.append(f"{shorten(f'true: {true}', CAPTION)}\n{answer}\n{name}")
    pictures = [_middle_frame(part, error, spec) for error in errors]
    plot_picture_grid(pictures, captions, title, path)


def _middle_frame(part: SplitPredictions, error: WrongAnswer, spec: ModelSpec) -> Pixels:
    start_s, end_s = part.spans[error.clip] if part.spans else WHOLE_FILE
    try:
        frames = load_frames(part.paths[error.clip], spec.clip, start_s=start_s, end_s=end_s)
    except SourceError:  # gone since it was classified: no reason to lose the report
        return np.full(spec.clip.frame_shape, 200, np.uint8)
    middle = max(0, error.first_frame + spec.clip.num_frames // 2)
    frame: Pixels = frames[min(middle, len(frames) - 1)]
    return frame


def write_predictions(parts: Parts, labels: Sequence[str], base: Path, path: Path) -> None:
    """Write one row a window, probabilities included.

    Args:
        parts: Predictions by part, tempered.
        labels: Names of the classes.
        base: Folder that the paths are written relative to.
        path: CSV to write.
    """
    with path.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file, lineterminator="\n")
        # Labels in brackets, for one may be called like a column.
        names = [f"p({label})" for label in labels]
        spans = SPAN_COLUMNS if any(has_spans(part.spans) for part in parts.values()) else ()
        rows.writerow(["path", "label", "first_frame", "action", *names, *spans, "split"])
        for split, part in parts.items():
            for clip, first, row in zip(
                part.clip_of, part.first_frames, part.probabilities, strict=True
            ):
                name, label = relative(part.paths[clip], base), labels[part.targets[clip]]
                values = [f"{p:.6f}" for p in row]
                span = span_cells(part.spans[clip]) if spans else []
                action = labels[int(row.argmax())]
                rows.writerow([name, label, int(first), action, *values, *span, split])


def has_spans(spans: Sequence[tuple[float, float]]) -> bool:
    """Whether any clip is only a part of its file."""
    return any(span != WHOLE_FILE for span in spans)


def span_cells(span: tuple[float, float]) -> list[str]:
    """Spell a span as a manifest does: empty cells for the file's own start and end."""
    pairs = zip(span, WHOLE_FILE, strict=True)
    return ["" if value == whole else f"{value:g}" for value, whole in pairs]


def relative(path: Path | str, base: Path) -> str:
    """Spell a path from a folder on, or as it is where it lies elsewhere."""
    text = os.fspath(path)
    prefix = os.path.join(base, "")  # noqa: PTH118  (groups are names, not always paths)
    return text.removeprefix(prefix)
