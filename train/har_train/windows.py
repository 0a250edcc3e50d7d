"""Windows of clips as batches: which rows, which view, in which order, mixed how.

Everything random about an epoch is drawn from (seed, epoch), so that it can be had again.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from har_edge.clips import window_indices
from har_train.config import FitConfig
from har_train.data import Sample
from har_train.features import CachedSample, EncodedSample
from har_train.model import import_keras


class Bank(Protocol):
    """Encoded frames of one split, in one or more views.

    Attributes:
        num_views: Views of each frame, at least 1; view 0 is the original.
    """

    num_views: int

    def gather(self, views: NDArray[np.intp], rows: NDArray[np.intp]) -> NDArray[np.float32]:
        """Read windows: views (B,) and frame numbers (B, T) -> (B, T, ...)."""


class FeatureBank:
    """Features in memory."""

    def __init__(self, views: Sequence[Sequence[EncodedSample]]) -> None:
        self.num_views = len(views)
        self.features = np.stack([np.concatenate([e.features for e in view]) for view in views])

    def gather(self, views: NDArray[np.intp], rows: NDArray[np.intp]) -> NDArray[np.float32]:
        """Read windows, (B, T, D)."""
        found: NDArray[np.float32] = self.features[views[:, np.newaxis], rows]
        return found


class MapBank:
    """Feature maps on disk: only the frames asked for are read."""

    def __init__(self, views: Sequence[Sequence[CachedSample]]) -> None:
        self.num_views = len(views)
        self._views = views
        self._ends = np.cumsum([item.count for item in views[0]])

    def gather(self, views: NDArray[np.intp], rows: NDArray[np.intp]) -> NDArray[np.float32]:
        """Read windows, (B, T, h, w, d)."""
        clips = np.searchsorted(self._ends, rows[:, 0], side="right")
        windows = []
        for view, clip, numbers in zip(views, clips, rows, strict=True):
            item = self._views[view][clip]
            windows.append(item.load()[numbers - (self._ends[clip] - item.count)])
        return np.stack(windows).astype(np.float32)


@dataclass(frozen=True)
class Windows:
    """The windows of one split: index rows into a bank of all its frames.

    Attributes:
        bank: Where the frames are.
        rows: Frame numbers, (M, T).
        targets: Class, (M,).
        clip_of: Clip, (M,).
        first_frames: First frame in the clip, (M,); below 0 where the clip is short.
        num_classes: C.
    """

    bank: Bank
    rows: NDArray[np.intp]
    targets: NDArray[np.intp]
    clip_of: NDArray[np.intp]
    first_frames: NDArray[np.intp]
    num_classes: int

    @property
    def weights(self) -> NDArray[np.float32]:
        """Weight of each window, (M,), mean 1: a long clip counts no more than a short one."""
        weights = 1 / np.bincount(self.clip_of)[self.clip_of]
        return np.asarray(weights / weights.mean(), dtype=np.float32)

    @property
    def class_weights(self) -> NDArray[np.float64]:
        """Weight of each window, (M,), that makes all classes count the same; mean 1."""
        total = np.bincount(self.targets, self.weights, minlength=self.num_classes)
        weights = 1 / total[self.targets]
        # Weighted by the windows' own weights, the mean is 1.
        return np.asarray(weights * len(weights) / (weights * self.weights).sum())


def build_windows(
    views: Sequence[Sequence[EncodedSample]], labels: Sequence[str], config: FitConfig
) -> Windows:
    """Cut one split's clips into windows.

    Args:
        views: The same samples in each view, the original first.
        labels: Classes in order.
        config: Gives T and stride.
    """
    samples = [(item.sample, len(item.features)) for item in views[0]]
    return _cut(samples, FeatureBank(views), labels, config)


def build_map_windows(
    views: Sequence[Sequence[CachedSample]], labels: Sequence[str], config: FitConfig
) -> Windows:
    """Cut one split's clips into windows of feature maps, see `build_windows`."""
    samples = [(item.sample, item.count) for item in views[0]]
    return _cut(samples, MapBank(views), labels, config)


def _cut(
    samples: Sequence[tuple[Sample, int]], bank: Bank, labels: Sequence[str], config: FitConfig
) -> Windows:
    rows, targets, clip_of, first_frames, offset = [], [], [], [], 0
    for number, (sample, count) in enumerate(samples):
        indices = window_indices(count, config.num_frames, config.stride)
        rows.append(indices + offset)
        targets += [labels.index(sample.label)] * len(indices)
        clip_of += [number] * len(indices)
        # A short clip's window starts before its first frame, see `window_indices`.
        first_frames += list(indices[:, -1] - config.num_frames + 1)
        offset += count
    return Windows(
        bank=bank,
        rows=np.concatenate(rows),
        targets=np.array(targets, dtype=np.intp),
        clip_of=np.array(clip_of, dtype=np.intp),
        first_frames=np.array(first_frames, dtype=np.intp),
        num_classes=len(labels),
    )


@dataclass(frozen=True)
class _Plan:
    """One epoch: windows in order with their views and weights, (M,) each."""

    order: NDArray[np.intp]
    views: NDArray[np.intp]
    weights: NDArray[np.float32]
    mixup: float = 0.0
    seed: tuple[int, ...] = ()


def training_epoch(windows: Windows, config: FitConfig, epoch: int) -> Any:
    """Build the Keras dataset of one training epoch; it depends on (seed, epoch) alone."""
    random = np.random.default_rng((config.seed, epoch))
    count, weights = len(windows.rows), windows.weights
    order = random.permutation(count)
    if config.balance == "weights":
        weights = np.asarray(weights * windows.class_weights, dtype=np.float32)
    if config.balance == "sampling":
        share = windows.class_weights * weights
        order = random.choice(count, count, p=share / share.sum())
        weights = np.ones_like(weights)  # rarer windows are drawn less often instead
    views = random.integers(0, windows.bank.num_views, count)
    plan = _Plan(order, views, weights, config.mixup, (config.seed, epoch))
    return _make_dataset(windows, plan, config.batch_size)


def held_out_epoch(windows: Windows, batch_size: int) -> Any:
    """Build the Keras dataset that validation runs on: every window once, as it is."""
    order = np.arange(len(windows.rows))
    plan = _Plan(order, np.zeros(len(order), dtype=np.intp), windows.weights)
    return _make_dataset(windows, plan, batch_size)


def _make_dataset(windows: Windows, plan: _Plan, batch_size: int) -> Any:
    class WindowDataset(import_keras().utils.PyDataset):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__(workers=1)

        def __len__(self) -> int:
            return math.ceil(len(plan.order) / batch_size)

        def __getitem__(self, index: int) -> tuple[NDArray[Any], ...]:
            part = slice(index * batch_size, (index + 1) * batch_size)
            return _batch(windows, plan, part, index)

    return WindowDataset()


def _batch(windows: Windows, plan: _Plan, part: slice, index: int) -> tuple[NDArray[Any], ...]:
    """Gather a batch: inputs (B, T, ...), targets (B, C) that sum to 1, weights (B,)."""
    chosen = plan.order[part]
    inputs = windows.bank.gather(plan.views[part], windows.rows[chosen])
    targets = np.eye(windows.num_classes, dtype=np.float32)[windows.targets[chosen]]
    weights = plan.weights[chosen]
    if plan.mixup > 0:
        random = np.random.default_rng((*plan.seed, index))
        share = np.float32(random.beta(plan.mixup, plan.mixup))
        other = random.permutation(len(chosen))
        inputs, targets, weights = (
            share * a + (1 - share) * a[other] for a in (inputs, targets, weights)
        )
    return inputs, targets, weights
