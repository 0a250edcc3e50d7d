"""The page of an evaluation: one file, nothing loaded from anywhere."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from har_edge import __version__
from har_edge.model.spec import ModelSpec
from har_edge.page import data_uri, render_page
from har_edge.paths import display_path
from har_train.reports.tables import (
    CLASS_COLUMNS,
    PART_NAMES,
    Parts,
    class_rows,
    interval_note,
    judged_part,
    metrics_rows,
)

PLOTS = {
    "confusion_matrix.png": "Confusion matrix",
    "per_class_accuracy.png": "Accuracy of each class",
    "reliability.png": "Reliability of confidences",
    "risk_coverage.png": "Risk and coverage",
}


def write_page(
    model: str,
    data: str,
    spec: ModelSpec,
    parts: Parts,
    metrics: Mapping[str, Mapping[str, float]],
    folder: Path,
) -> str:
    """Write the page.

    Args:
        model, data: What was judged on what, as they were named.
        spec: What the model says about itself.
        parts: Predictions by part.
        metrics: Figures by part.
        folder: Where the plots lie that are built into it.

    Raises:
        MissingExtraError: if Jinja2 is not installed.
    """
    part = judged_part(parts)
    judged = metrics[part]
    low, high = judged["accuracy_low"], judged["accuracy_high"]
    return render_page(
        "har_train.evaluation",
        "evaluate",
        extra="train",
        name=display_path(model),
        data=display_path(data),
        facts={
            "accuracy": f"{judged['accuracy']:.1%}",
            "95 % interval": f"{low:.0%} to {high:.0%}",
            "files": f"{judged['clips']:,.0f}",
            "classes": len(spec.labels),
            "variant": spec.variant,
        },
        head=["", *metrics],
        rows=metrics_rows(metrics, num_frames=spec.clip.num_frames),
        note=interval_note(metrics),
        files=f"{PART_NAMES[part]} files",
        class_head=["", *CLASS_COLUMNS],
        class_rows=class_rows(parts[part], spec.labels),
        plots={title: _plot(folder / name) for name, title in PLOTS.items()},
        errors=_plot(folder / "errors.png"),
        version=__version__,
    )


def _plot(path: Path) -> str:
    return data_uri(path.read_bytes(), "image/png")
