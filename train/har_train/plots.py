"""The pictures of a run folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Okabe and Ito's palette, told apart by colour-blind readers too.
BLUE, ORANGE = "#0072B2", "#E69F00"


def _new_figure(width: float, height: float) -> tuple[Any, Any]:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axis = pyplot.subplots(figsize=(width, height), layout="constrained")
    return figure, axis


def _plain(labels: Sequence[str]) -> list[str]:
    """Keep matplotlib from reading a label between dollar signs as mathematics."""
    return [label.replace("$", r"\$") for label in labels]


def _save(figure: Any, path: Path) -> None:
    from matplotlib import pyplot

    figure.savefig(path, dpi=120)
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
