"""The pictures of a run folder and of a dataset's report."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from har_edge.arrays import Pixels
from har_edge.frames.opencv import import_cv2
from har_edge.paths import display_path
from har_train.reports.calibration import Reliability

# Okabe and Ito's palette, told apart by colour-blind readers too.
BLUE, ORANGE, GREEN, SKY = "#0072B2", "#E69F00", "#009E73", "#56B4E9"
SPLIT_COLOURS = {"train": BLUE, "val": ORANGE, "test": GREEN}
# Even steps of lightness, which colour-blind readers see too; and how much the hottest hides.
HEAT_COLOURS, MOST_COVER = "inferno", 0.7
# Longer labels would leave no room for what they label.
MAX_LABEL = 36
# More classes get smaller cells, which still hold a count of three digits.
MANY_CLASSES = 20


def _new_figure(width: float, height: float, *grid: int, **options: Any) -> tuple[Any, Any]:
    """Open a figure of so many inches with one axis, or a grid of rows and columns of them."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(*grid, figsize=(width, height), layout="constrained", **options)
    return figure, axes


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
    figure, axes = _new_figure(10, 4, 1, 2)
    epochs = range(1, len(history["loss"]) + 1)
    marker = "o" if len(epochs) < 10 else None  # a line of one point would not be seen
    for axis, key, title in zip(axes, ("loss", "accuracy"), ("Loss", "Accuracy"), strict=True):
        axis.plot(epochs, history[key], color=BLUE, marker=marker, label="training")
        axis.plot(epochs, history[f"val_{key}"], color=ORANGE, marker=marker, linestyle="--",
                  label="validation")  # fmt: skip
        axis.axvline(best_epoch, color="0.6", linewidth=1, label=f"kept: epoch {best_epoch}")
        axis.set(title=title, xlabel="Epoch")
        axis.xaxis.get_major_locator().set_params(integer=True)
        _declutter(axis)
        axis.legend()
    axes[0].set_ylim(bottom=0)
    axes[0].set_ylabel("Cross-entropy (nats)")
    axes[1].set_ylim(0, 1.02)
    axes[1].yaxis.set_major_formatter(_percent())
    axes[1].set_ylabel("Share of windows recognised")
    _save(figure, path)


def plot_confusion(
    matrix: NDArray[np.int64], labels: Sequence[str], path: Path, *, files: str = "held-out files"
) -> None:
    """Draw a confusion matrix, rows normalised, counts written into the cells.

    Args:
        matrix: Clips by true class (rows) and predicted class (columns), (C, C).
        labels: Names of the classes.
        path: PNG to write.
        files: What was classified, for the title.
    """
    count = len(labels)
    cell = 0.5 if count <= MANY_CLASSES else 0.34  # inches; many classes would fill a wall
    side = max(4.0, cell * count + 2.5)
    figure, axis = _new_figure(side + 1, side)
    shares = matrix / np.maximum(1, matrix.sum(axis=1, keepdims=True))
    image = axis.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    names = _plain([shorten(label) for label in labels])
    axis.set_xticks(range(count), names, rotation=60, ha="right", rotation_mode="anchor")
    axis.set_yticks(range(count), names)
    axis.set(xlabel="Predicted class", ylabel="True class", title=f"Confusion matrix ({files})")
    size = 9 if count <= MANY_CLASSES else 7
    for row, column in zip(*np.nonzero(matrix), strict=True):
        colour = "white" if shares[row, column] > 0.5 else "black"
        axis.text(
            column, row, matrix[row, column], ha="center", va="center", color=colour, fontsize=size
        )
    bar = figure.colorbar(
        image, ax=axis, label="Share of the true class", shrink=0.8, format=_percent()
    )
    bar.outline.set_visible(False)
    _save(figure, path, bbox_inches="tight")


def plot_per_class(
    matrix: NDArray[np.int64], labels: Sequence[str], path: Path, *, files: str = "held-out files"
) -> None:
    """Draw each class's accuracy (recall) as a bar, best first; for arguments see above."""
    support = matrix.sum(axis=1)
    recalls = matrix.diagonal() / np.maximum(1, support)
    # Drawn from below: the best ends on top, classes without files at the bottom.
    order = np.lexsort((recalls, support > 0))
    figure, axis = _new_figure(8, max(2.6, 0.3 * len(labels) + 1.5))
    rows = np.arange(len(labels))
    bars = axis.barh(rows, recalls[order], 0.72, color=BLUE)
    overall = matrix.trace() / max(1, matrix.sum())
    axis.axvline(overall, color=ORANGE, linestyle="--", label=f"all files: {overall:.1%}")
    texts = [f"{recalls[i]:.0%} of {support[i]:,}" if support[i] else "no files" for i in order]
    backing = {"facecolor": "white", "edgecolor": "none", "pad": 1}
    axis.bar_label(bars, texts, padding=5, bbox=backing)
    axis.set_yticks(rows, _plain([shorten(labels[i]) for i in order]))
    axis.set(xlim=(0, 1.2), xlabel="Share of the class's files recognised")
    axis.set_ylim(-0.6, len(labels) - 0.4)
    axis.set_xticks(np.linspace(0, 1, 6))
    axis.xaxis.set_major_formatter(_percent())
    _declutter(axis, "x")
    figure.legend(loc="outside upper right", frameon=False)
    figure.suptitle(f"Accuracy by class ({files})", x=0.01, ha="left")
    _save(figure, path)


def plot_reliability(found: Reliability, path: Path, *, files: str = "held-out files") -> None:
    """Draw how often answers are right at each confidence, and how many have it.

    Args:
        found: The answers to windows by confidence.
        path: PNG to write.
        files: What was classified, for the title.

    Source: Guo et al., On Calibration of Modern Neural Networks (ICML 2017), figure 1.
    """
    figure, (top, bottom) = _new_figure(6, 6.8, 2, 1, sharex=True, height_ratios=(3, 1))
    bins = len(found.counts)
    edges, held = np.arange(bins) / bins, found.counts > 0
    share = found.right[held] / found.counts[held]
    mean = found.confidence[held] / found.counts[held]
    top.bar(edges[held], share, 1 / bins, align="edge", color=SKY, edgecolor="white",
            label="share of right answers")  # fmt: skip
    top.plot((0, 1), (0, 1), color="0.35", linestyle="--", linewidth=1.2, label="calibrated")
    # Not cut at the frame, where the mark of answers that are all right lies.
    top.plot(mean, share, "o", color=ORANGE, markeredgecolor="black", markersize=5,
             clip_on=False, zorder=3, label="mean confidence of the bin")  # fmt: skip
    top.set(ylabel="Right answers (share of the bin's windows)", ylim=(0, 1.02))
    error = found.calibration_error
    top.set_title(f"Reliability ({files}); calibration error (ECE) {error:.1%}", loc="left")
    top.yaxis.set_major_formatter(_percent())
    bottom.bar(edges, found.counts, 1 / bins, align="edge", color="0.55", edgecolor="white")
    for x, count in zip(edges[held], found.counts[held], strict=True):
        bottom.annotate(f"{count:,}", (x + 0.5 / bins, count), xytext=(0, 2), fontsize=7,
                        textcoords="offset points", ha="center")  # fmt: skip
    bottom.set(xlabel="Confidence of the answer", ylabel="Windows", xlim=(0, 1))
    bottom.set_ylim(0, 1.2 * max(1, found.counts.max()))
    bottom.xaxis.set_major_formatter(_percent())
    for axis in (top, bottom):
        _declutter(axis)
    figure.legend(loc="outside lower center", frameon=False, ncols=3, fontsize=9)
    _save(figure, path)


def plot_risk_coverage(
    coverage: NDArray[np.float64],
    risk: NDArray[np.float64],
    kept: int,
    threshold: float,
    path: Path,
    *,
    files: str = "held-out files",
) -> None:
    """Draw what rejecting the least confident answers buys.

    Args:
        coverage, risk: As `evaluate.risk_coverage` gives them, (N,).
        kept: Answers that reach the reject threshold.
        threshold: That confidence, 0..1.
        path: PNG to write.
        files: What was classified, for the title.
    """
    figure, axis = _new_figure(6.4, 4.2)
    axis.step(coverage, risk, where="post", color=BLUE, label="most confident answers first")
    axis.axhline(risk[-1], color="0.35", linestyle="--", linewidth=1.2,
                 label=f"all answered: {risk[-1]:.1%} wrong")  # fmt: skip
    if kept:
        x, y = coverage[kept - 1], risk[kept - 1]
        text = f"reject threshold {threshold:.2f}:\n{x:.1%} answered, {y:.1%} of them wrong"
        axis.plot(x, y, "D", color=ORANGE, markeredgecolor="black", markersize=8, label=text,
                  clip_on=False, zorder=3)  # fmt: skip
    axis.set(xlabel="Coverage: share of windows answered", xlim=(0, 1.02))
    axis.set(ylabel="Risk: share of the answers that are wrong")
    axis.set_ylim(0, 1.15 * max(float(risk.max()), 0.02))
    axis.xaxis.set_major_formatter(_percent())
    axis.yaxis.set_major_formatter(_percent(1 if risk.max() < 0.06 else 0))
    axis.set_title(f"Risk and coverage ({files})", loc="left")
    _declutter(axis)
    figure.legend(loc="outside lower center", frameon=False, ncols=2)
    _save(figure, path)


def plot_picture_grid(
    pictures: Sequence[Pixels],
    captions: Sequence[str],
    title: str,
    path: Path,
    *,
    columns: int = 5,
    heat_scale: str = "",
) -> None:
    """Lay out pictures, each with a caption above it.

    Args:
        pictures: RGB pixels, (H, W, 3), uint8.
        captions: One a picture, of the same number of lines.
        title: Above all; says all where there are no pictures.
        path: PNG to write.
        columns: Most pictures in a row.
        heat_scale: What the colours of `overlay_heat` mean, for pictures that have them.
    """
    columns = max(1, min(columns, len(pictures)))
    rows = max(1, -(-len(pictures) // columns))
    shape = pictures[0].shape if pictures else (1, 4)
    lines = 1 + max((c.count("\n") for c in captions), default=0)
    width = 2.3
    height = width * shape[0] / shape[1] + 0.17 * lines
    room = 0.5 + (0.6 if heat_scale else 0)
    size = max(4.6, columns * width), rows * height + room
    figure, axes = _new_figure(*size, rows, columns, squeeze=False)
    for axis in axes.flat:
        axis.set_axis_off()
    for axis, picture, caption in zip(axes.flat, pictures, _plain(captions), strict=False):
        axis.imshow(picture, interpolation="antialiased")
        axis.set_title(caption, fontsize=8, loc="left", pad=3)
    if heat_scale:
        from matplotlib.cm import ScalarMappable

        figure.colorbar(ScalarMappable(cmap=HEAT_COLOURS), ax=axes, label=heat_scale,
                        location="bottom", aspect=50, shrink=0.8)  # fmt: skip
    figure.suptitle(*_plain([title]), x=0.01, ha="left")
    _save(figure, path)


def overlay_heat(picture: Pixels, heat: NDArray[np.float32]) -> Pixels:
    """Lay a heat map over a picture; where it is cold the picture stays as it is.

    Args:
        picture: RGB pixels, (H, W, 3), uint8.
        heat: 0..1, of any size.
    """
    import matplotlib

    cv2 = import_cv2()
    size = (picture.shape[1], picture.shape[0])
    heat = cv2.resize(heat, size, interpolation=cv2.INTER_LINEAR)[..., np.newaxis]  # (H, W, 1)
    colours = 255 * matplotlib.colormaps[HEAT_COLOURS](heat[..., 0])[..., :3]
    cover = MOST_COVER * np.clip(heat, 0, 1)
    return np.asarray((1 - cover) * picture + cover * colours + 0.5, dtype=np.uint8)


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
    axis.set_yticks(rows, _plain([shorten(labels[i]) for i in order]))
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
    labels = [shorten(label) for label in pictures]
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


def shorten(label: str, length: int = MAX_LABEL) -> str:
    """Cut a label or the name of a file to a length."""
    label = display_path(label)  # folders may have names that are no text
    return label if len(label) <= length else f"{label[: length - 1]}…"


def _percent(decimals: int = 0) -> Any:
    from matplotlib.ticker import PercentFormatter

    return PercentFormatter(1, decimals)


def _declutter(axis: Any, lines: str = "both") -> None:
    axis.spines[["top", "right"]].set_visible(False)
    axis.grid(axis=lines, alpha=0.25)
    axis.set_axisbelow(True)
