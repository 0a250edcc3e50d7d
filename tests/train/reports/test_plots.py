"""Pictures: whole, and of any label."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from har_train.reports.calibration import reliability, risk_coverage
from har_train.reports.plots import (
    plot_confusion,
    plot_history,
    plot_per_class,
    plot_picture_grid,
    plot_reliability,
    plot_risk_coverage,
)

pytest.importorskip("matplotlib")
pytestmark = [
    pytest.mark.train,
    pytest.mark.filterwarnings("ignore:Glyph:UserWarning"),
]

HISTORY = {
    "loss": [1.0, 0.5, 0.3],
    "accuracy": [0.4, 0.6, 0.8],
    "val_loss": [1.1, 0.7, 0.8],
    "val_accuracy": [0.3, 0.5, 0.4],
}


def pixels_of(path: Path) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    with Image.open(path) as image:
        assert image.format == "PNG"
        return np.array(image.convert("RGB"))


@pytest.mark.parametrize("epochs", [1, 3])
def test_history(epochs: int, tmp_path: Path) -> None:
    plot_history({k: v[:epochs] for k, v in HISTORY.items()}, 1, tmp_path / "h.png")
    pixels = pixels_of(tmp_path / "h.png")
    assert pixels.shape == (480, 1200, 3)
    assert pixels.std() > 1


def test_history_shows_the_kept_epoch(tmp_path: Path) -> None:
    plot_history(HISTORY, 1, tmp_path / "1.png")
    plot_history(HISTORY, 3, tmp_path / "3.png")
    assert (pixels_of(tmp_path / "1.png") != pixels_of(tmp_path / "3.png")).any()


@pytest.mark.parametrize("plot", [plot_confusion, plot_per_class])
@pytest.mark.parametrize(
    "labels", [["a", "b"], ["1", "2"], ["walk, fast", "🏃"], ["x" * 40, "_y"], ["$^$", "b"]]
)
def test_any_label_can_be_drawn(plot: object, labels: list[str], tmp_path: Path) -> None:
    assert callable(plot)
    plot(np.array([[3, 1], [0, 0]]), labels, tmp_path / "p.png")
    assert pixels_of(tmp_path / "p.png").std() > 1


@pytest.mark.parametrize("plot", [plot_confusion, plot_per_class])
def test_the_figures_show(plot: object, tmp_path: Path) -> None:
    assert callable(plot)
    for name, matrix in (("good", [[4, 0], [0, 4]]), ("bad", [[2, 2], [3, 1]])):
        plot(np.array(matrix), ["a", "b"], tmp_path / f"{name}.png")
    good, bad = pixels_of(tmp_path / "good.png"), pixels_of(tmp_path / "bad.png")
    assert good.shape != bad.shape or (good != bad).any()


@pytest.mark.parametrize("count", [2, 40])
def test_many_classes_fit_on_a_screen_or_two(count: int, tmp_path: Path) -> None:
    labels = [f"some_long_name_of_an_action_{i}" for i in range(count)]
    for plot in (plot_confusion, plot_per_class):
        plot(np.eye(count, dtype=np.int64) * 100, labels, tmp_path / "p.png")
        height, width, _ = pixels_of(tmp_path / "p.png").shape
        assert 400 < width < 2200
        assert 200 < height < 2200


@pytest.mark.parametrize("right", ["none", "some", "all"])
def test_calibration_plots_of_any_model(right: str, tmp_path: Path) -> None:
    rows = np.random.default_rng(0).dirichlet(np.ones(3), 50).astype(np.float32)
    chosen = rows.argmax(axis=1)
    shift = {"none": np.ones(50, int), "some": np.arange(50) % 2, "all": np.zeros(50, int)}[right]
    targets = (chosen + shift) % 3
    plot_reliability(reliability(rows, targets), tmp_path / "a.png")
    for kept in (0, 20, 50):
        plot_risk_coverage(*risk_coverage(rows, targets), kept, 0.5, tmp_path / "b.png")
    assert pixels_of(tmp_path / "a.png").shape == (816, 720, 3)
    assert pixels_of(tmp_path / "b.png").shape == (504, 768, 3)


def test_marks_of_a_model_without_errors_are_whole(tmp_path: Path) -> None:
    orange = {}
    for name, risk in (("right", 0.0), ("wrong", 0.5)):
        path = tmp_path / f"{name}.png"
        plot_risk_coverage(np.linspace(0.1, 1, 10), np.full(10, risk), 10, 0.0, path)
        far = np.abs(pixels_of(path).astype(int) - (0xE6, 0x9F, 0)).max(axis=2)
        orange[name] = int((far < 60).sum())
    assert orange["right"] > 0.95 * orange["wrong"]  # on the axis, and far from it
    rows = np.tile(np.float32([1, 0, 0]), (9, 1))
    plot_reliability(reliability(rows, np.zeros(9, int)), tmp_path / "a.png")
    whole = pixels_of(tmp_path / "a.png").astype(int)
    rows = np.tile(np.float32([0.55, 0.45, 0]), (9, 1))
    targets = np.array([0] * 5 + [1] * 4)
    plot_reliability(reliability(rows, targets), tmp_path / "b.png")
    amid = pixels_of(tmp_path / "b.png").astype(int)
    counts = [int((np.abs(p - (0xE6, 0x9F, 0)).max(axis=2) < 60).sum()) for p in (whole, amid)]
    assert counts[0] > 0.85 * counts[1]


@pytest.mark.parametrize("count", [0, 1, 7])
def test_picture_grid_shows_every_picture(count: int, tmp_path: Path) -> None:
    pictures = [np.full((40, 60, 3), (200, 10 * i, 0), np.uint8) for i in range(count)]
    plot_picture_grid(pictures, ["$^$ 🏃"] * count, "Title", tmp_path / "p.png")
    shown = {tuple(p) for p in pixels_of(tmp_path / "p.png").reshape(-1, 3)}
    assert {(200, 10 * i, 0) for i in range(count)} <= shown


def test_figures_are_closed(tmp_path: Path) -> None:
    from matplotlib import pyplot

    before = pyplot.get_fignums()
    plot_history(HISTORY, 2, tmp_path / "h.png")
    plot_confusion(np.eye(20, dtype=np.int64), [str(i) for i in range(20)], tmp_path / "c.png")
    assert pyplot.get_fignums() == before
