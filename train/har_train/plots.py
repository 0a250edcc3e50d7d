"""The pictures of a run folder and of a dataset's report."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from har_edge.preprocess import Pixels, display_path

# Okabe and Ito's palette, told apart by colour-blind readers too.
BLUE, ORANGE, GREEN = "#0072B2", "#E69F00", "#009E73"
SPLIT_COLOURS = {"train": BLUE, "val": ORANGE, "test": GREEN}
# Longer labels would leave no room for what they label.
MAX_LABEL = 36


def _new_figure(width: float, height: float) -> tuple[Any, Any]:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axis = pyplot.subplots(figsize=(width, height), layout="constrained")
    return figure, axis


def _plain(labels: Sequence[str]) -> list[str]:
    """Keep matplotlib from reading a label between dollar signs as mathematics."""
    return [label.replace("$", r"\$") for label in labels]


def _save(figure: Any, path: Path, **options: Any) -> None:
    from matplotlib import pyplot

    with warnings.catch_warnings():
        # An emoji becomes a box; that is no news to the user.
        warnings.filterwarnings("ignore", "Glyph", UserWarning)
        figure.savefig(path, dpi=120, **options)
    pyplot.close(figure)


def plot_history(history: Mapping[str, Sequence[float]], best_epoch: int, path: Path) -> None:
    """Draw loss and accuracy by epoch, training and validation.

    Args:
        history: Keras's history with loss, accuracy, val_loss and val_accuracy.
        best_epoch: Epoch, from 1, whose weights were kept.
        path: PNG to write.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, 2, figsize=(10, 4), layout="constrained")
    epochs = range(1, len(history["loss"]) + 1)
    for axis, key, title in zip(axes, ("loss", "accuracy"), ("Loss", "Accuracy"), strict=True):
        axis.plot(epochs, history[key], color=BLUE, label="training")
        axis.plot(epochs, history[f"val_{key}"], color=ORANGE, linestyle="--", label="validation")
        axis.axvline(best_epoch, color="0.6", linewidth=1, label=f"kept: epoch {best_epoch}")
        axis.set(title=title, xlabel="Epoch", ylabel=title)
        axis.grid(alpha=0.3)
        axis.legend()
    axes[1].set_ylim(0, 1.02)
    _save(figure, path)


def plot_confusion(matrix: NDArray[np.int64], labels: Sequence[str], path: Path) -> None:
    """Draw a confusion matrix, rows normalised, counts written into the cells."""
    count = len(labels)
    side = max(5.0, 0.5 * count + 3)
    figure, axis = _new_figure(side + 1, side)
    shares = matrix / np.maximum(1, matrix.sum(axis=1, keepdims=True))
    image = axis.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    axis.set_xticks(range(count), _plain(labels), rotation=60, ha="right", rotation_mode="anchor")
    axis.set_yticks(range(count), _plain(labels))
    axis.set(xlabel="Predicted", ylabel="True", title="Confusion matrix (held-out files)")
    for row, column in zip(*np.nonzero(matrix), strict=True):
        colour = "white" if shares[row, column] > 0.5 else "black"
        axis.text(
            column, row, matrix[row, column], ha="center", va="center", color=colour, fontsize=8
        )
    figure.colorbar(image, ax=axis, label="Share of the true class", shrink=0.8)
    _save(figure, path)


def plot_per_class(matrix: NDArray[np.int64], labels: Sequence[str], path: Path) -> None:
    """Draw each class's accuracy (recall) as a bar, best first."""
    recalls = matrix.diagonal() / np.maximum(1, matrix.sum(axis=1))
    order = np.argsort(recalls)
    figure, axis = _new_figure(8, max(3.0, 0.32 * len(labels) + 1.2))
    bars = axis.barh(_plain([labels[i] for i in order]), recalls[order], color=BLUE)
    axis.bar_label(bars, [f"{recalls[i]:.0%}" for i in order], padding=3)
    overall = matrix.trace() / max(1, matrix.sum())
    axis.axvline(overall, color=ORANGE, linestyle="--", label=f"all files: {overall:.1%}")
    axis.set(xlim=(0, 1.1), xlabel="Share recognised", title="Accuracy by class (held-out files)")
    axis.legend(loc="lower right")
    _save(figure, path)


def plot_class_distribution(
    counts: NDArray[np.int64], labels: Sequence[str], splits: Sequence[str], path: Path
) -> None:
    """Draw how many samples each class has, most first.

    Args:
        counts: Samples by class and split, (C, S).
        labels: Names of the classes.
        splits: Names of the splits.
        path: PNG to write.
    """
    totals = counts.sum(axis=1)
    # Drawn from below: the largest ends on top, and of equals the first in the alphabet.
    order = np.argsort(-totals, kind="stable")[::-1]
    figure, axis = _new_figure(8, max(2.4, 0.3 * len(labels) + 1.4))
    rows, left = np.arange(len(labels)), np.zeros(len(labels), np.int64)
    for number, split in enumerate(splits):
        values, colour = counts[order, number], SPLIT_COLOURS.get(split, BLUE)
        # A white edge parts the splits for those who tell no colours apart.
        axis.barh(rows, values, 0.72, left, color=colour, label=split, edgecolor="white")
        left += values
    for row, total in zip(rows, totals[order], strict=True):
        axis.annotate(
            f"{total:,}", (total, row), xytext=(4, 0), textcoords="offset points", va="center"
        )
    axis.set_yticks(rows, _plain([_shorten(labels[i]) for i in order]))
    axis.set(xlabel="Samples", xlim=(0, 1.12 * max(1, totals.max(initial=0))))
    axis.set_ylim(-0.6, len(labels) - 0.4)
    axis.xaxis.get_major_locator().set_params(integer=True)
    _declutter(axis, "x")
    if len(splits) > 1:
        figure.legend(loc="outside upper right", ncols=len(splits), frameon=False)
    figure.suptitle("Samples by class", x=0.01, ha="left")
    _save(figure, path)


def plot_histogram(
    values: Mapping[str, Sequence[float]], title: str, unit: str, path: Path
) -> None:
    """Draw how often values occur; several series are laid over each other.

    Args:
        values: Series by name.
        title: What is counted.
        unit: Of the values, for the axis.
        path: PNG to write.
    """
    figure, axis = _new_figure(5.6, 3.2)
    edges = np.histogram_bin_edges(np.concatenate([np.asarray(v) for v in values.values()]), 32)
    for (name, series), colour in zip(values.items(), (BLUE, ORANGE, GREEN), strict=False):
        axis.hist(series, edges, color=colour, alpha=0.25)
        axis.hist(series, edges, color=colour, histtype="step", linewidth=1.4, label=name)
    axis.set(title=title, xlabel=unit, ylabel="Files")
    axis.yaxis.get_major_locator().set_params(integer=True)
    _declutter(axis)
    if len(values) > 1:
        axis.legend(frameon=False)
    _save(figure, path)


def plot_contact_sheet(pictures: Mapping[str, Sequence[Pixels]], side: int, path: Path) -> None:
    """Lay out pictures in a row for each label.

    Args:
        pictures: By label, RGB pixels, (H, W, 3), uint8, no side above `side`.
        side: Of the square that each is centred in.
        path: JPEG to write.
    """
    columns = max([1, *(len(row) for row in pictures.values())])
    gap = max(1, side // 24)
    step = side + gap
    canvas = np.full((len(pictures) * step, columns * step, 3), 255, np.uint8)
    for y, row in enumerate(pictures.values()):
        for x, picture in enumerate(row):
            height, width = picture.shape[:2]
            top, left = y * step + (side - height) // 2, x * step + (side - width) // 2
            canvas[top : top + height, left : left + width] = picture
    labels = [_shorten(label) for label in pictures]
    # With room for the labels, `_save`'s 120 dots an inch show the tiles pixel by pixel.
    room = 0.5 + 0.1 * max(map(len, labels))
    figure, axis = _new_figure(canvas.shape[1] / 120 + room, canvas.shape[0] / 120 + 0.1)
    axis.imshow(canvas, interpolation="antialiased")
    axis.set_anchor("W")
    axis.set_yticks([side / 2 + y * step for y in range(len(labels))], _plain(labels))
    axis.set_xticks([])
    axis.tick_params(length=0)
    axis.spines[:].set_visible(False)
    _save(figure, path, bbox_inches="tight")


def _shorten(label: str) -> str:
    label = display_path(label)  # folders may have names that are no text
    return label if len(label) <= MAX_LABEL else f"{label[: MAX_LABEL - 1]}…"


def _declutter(axis: Any, lines: str = "both") -> None:
    axis.spines[["top", "right"]].set_visible(False)
    axis.grid(axis=lines, alpha=0.25)
    axis.set_axisbelow(True)
