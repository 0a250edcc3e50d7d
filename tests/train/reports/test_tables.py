"""What run folders and evaluations say of predictions."""

from __future__ import annotations

import csv
import math
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from har_edge.model.spec import ClipSpec, ModelSpec
from har_train.reports import tables as report
from har_train.reports.classes import confident_errors
from har_train.reports.metrics import measure
from har_train.reports.predictions import SplitPredictions
from har_train.reports.tables import (
    REPORT_NAMES,
    class_table,
    interval_note,
    metrics_table,
    write_report,
)

pytest.importorskip("sklearn")
pytest.importorskip("matplotlib")
pytestmark = pytest.mark.train

SPEC = ModelSpec("m", ("a b", "c"), ClipSpec(4, 5.0, 32, 32), 8, reject_threshold=0.65)


def predictions(folder: Path) -> SplitPredictions:
    """Three pictures of distinct grey and one that is gone; the second and the last are wrong."""
    paths = [folder / f"{i}.png" for i in range(4)]
    for i, path in enumerate(paths[:3]):
        Image.new("RGB", (40, 30), (80 * i,) * 3).save(path)
    rows = np.array([[0.9, 0.1], [0.2, 0.8], [0.4, 0.6], [0.3, 0.7]], np.float32)
    order = np.arange(4)
    return SplitPredictions(paths, np.array([0, 0, 1, 0]), rows, order, order * 0 - 3)


def test_report_is_complete_even_when_a_file_is_gone(tmp_path: Path) -> None:
    part = predictions(tmp_path)
    (tmp_path / "out").mkdir()
    write_report({"val": part, "test": part}, SPEC, tmp_path / "out")
    assert {p.name for p in (tmp_path / "out").iterdir()} == set(REPORT_NAMES)
    with (tmp_path / "out" / "per_class.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(r["split"], r["label"], r["support"]) for r in rows] == [
        ("val", "a b", "3"), ("val", "c", "1"), ("test", "a b", "3"), ("test", "c", "1"),
    ]  # fmt: skip
    assert float(rows[0]["recall"]) == pytest.approx(1 / 3, abs=1e-6)


def test_errors_are_shown_as_the_model_saw_them(tmp_path: Path) -> None:
    part = predictions(tmp_path)
    worst, gone = confident_errors(part, 5)
    assert (report._middle_frame(part, worst, SPEC) == 80).all()
    assert report._middle_frame(part, gone, SPEC).shape == (32, 32, 3)


def test_threshold_is_marked_where_it_cuts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = []
    monkeypatch.setattr(report, "plot_risk_coverage", lambda *a, **_: drawn.append(a))
    write_report({"test": predictions(tmp_path)}, SPEC, tmp_path)
    ((coverage, risk, kept, threshold, _),) = drawn
    assert (kept, threshold) == (3, 0.65)
    assert (coverage[kept - 1], risk[kept - 1]) == (0.75, pytest.approx(2 / 3))


def test_tables(tmp_path: Path) -> None:
    part = predictions(tmp_path)
    figures = measure(part)
    lines = metrics_table({"val": figures, "test": figures}).splitlines()
    assert lines[0].split() == ["val", "test"]
    assert lines[1].split() == ["accuracy", "50.0%", "50.0%"]
    low, high = figures["accuracy_low"], figures["accuracy_high"]
    assert lines[2].split()[1] == f"{low:.1%}-{high:.1%}"
    assert ["clips", "4", "4"] in [line.split() for line in lines]
    assert class_table(part, SPEC.labels).splitlines()[1].split()[2:] == [
        "100.0%", "33.3%", "50.0%", "3",
    ]  # fmt: skip
    assert not any(math.isnan(v) for v in figures.values())
    assert interval_note({"val": figures}) == ""
    sure = {**figures, "accuracy": 1.0}
    assert interval_note({"val": figures, "test": sure}).startswith("Interval of test: Wilson's")


def test_what_a_model_of_one_frame_saw_are_pictures(tmp_path: Path) -> None:
    figures = {**measure(predictions(tmp_path)), "clips": 4, "windows": 4}
    assert "pictures" in metrics_table({"test": figures}, num_frames=1)
    assert "pictures" not in metrics_table({"test": figures}, num_frames=16)
    assert "pictures" not in metrics_table({"test": {**figures, "windows": 9}}, num_frames=1)
