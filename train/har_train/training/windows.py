"""Windows of clips as batches: which rows, which view, in which order, mixed how.

Everything random about an epoch is drawn from (seed, epoch), so that it can be had again.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from har_edge.arrays import FloatArray, Pixels
from har_edge.datasets import Sample
from har_edge.model.spec import ClipSpec
from har_edge.sources.clips import window_indices
from har_train.config import Balance, FitConfig
from har_train.features.augment import Augmentation, drawing_seed, random_box
from har_train.features.cache import CachedSample, EncodedSample
from har_train.features.person_boxes import Box, cut, drawn_region
from har_train.model.network import import_keras
from har_train.model.types import Array, Batches
from har_train.training.row_bank import RowBank

# Says what another model answers: inputs (B, T, ...) -> probabilities (B, C).
Teacher = Callable[[FloatArray], FloatArray]

# How far each way of weighting evens classes out, see `Windows.class_weights`.
EVENNESS: Mapping[Balance, float] = {"weights": 1.0, "roots": 0.5}


class Bank(Protocol):
    """Encoded frames of one split, in one or more views.

    Attributes:
        num_views: Views of each frame, at least 1; view 0 is the original.
    """

    num_views: int

    def gather(self, views: NDArray[np.intp], rows: NDArray[np.intp]) -> FloatArray:
        """Read windows: views (B,) and frame numbers (B, T) -> (B, T, ...)."""


class FeatureBank:
    """Features in memory."""

    def __init__(self, views: Sequence[Sequence[EncodedSample]]) -> None:
        self.num_views = len(views)
        self.features = np.stack([np.concatenate([e.features for e in view]) for view in views])

    def gather(self, views: NDArray[np.intp], rows: NDArray[np.intp]) -> FloatArray:
        """Read windows, (B, T, D)."""
        found: FloatArray = self.features[views[:, np.newaxis], rows]
        return found


class MapBank:
    """Feature maps, or pixels, on disk: only the frames asked for are read."""

    def __init__(self, views: Sequence[Sequence[CachedSample]]) -> None:
        self.num_views = len(views)
        self._views = views
        self._ends = np.cumsum([item.count for item in views[0]])

    def gather(self, views: NDArray[np.intp], rows: NDArray[np.intp]) -> FloatArray:
        """Read windows, (B, T, h, w, d)."""
        windows = [self.read(v, r)[1] for v, r in zip(views, rows, strict=True)]
        return np.stack(windows).astype(np.float32)

    def read(self, view: int, rows: NDArray[np.intp]) -> tuple[CachedSample, Array]:
        """Read one window, (T, h, w, d), as it is stored; say of which sample."""
        clip = int(np.searchsorted(self._ends, rows[0], side="right"))
        item = self._views[view][clip]
        return item, item.load()[rows - (self._ends[clip] - item.count)]


class FreshBank:
    """Frames on disk, of which a new box is drawn every time: each epoch has its own views."""

    num_views = 2**31

    def __init__(
        self,
        frames: Sequence[CachedSample],
        clip: ClipSpec,
        augmentation: Augmentation,
        people: Mapping[str, Box] = MappingProxyType({}),
    ) -> None:
        self._frames = MapBank([frames])
        self._clip, self._augmentation, self._people = clip, augmentation, people

    def gather(self, views: NDArray[np.intp], rows: NDArray[np.intp]) -> FloatArray:
        """Read and draw windows, (B, T, h, w, 3)."""
        return np.stack([self._draw(int(v), r) for v, r in zip(views, rows, strict=True)]).astype(
            np.float32
        )

    def _draw(self, view: int, rows: NDArray[np.intp]) -> Pixels:
        item, frames = self._frames.read(0, rows)
        pixels = np.asarray(frames, dtype=np.uint8)
        if self._people:
            draws = np.random.default_rng(
                drawing_seed(f"region {self._augmentation.seed} {item.sha256} {view}")
            )
            pixels = cut(pixels, drawn_region(self._people, item.sha256, draws))
        return random_box(pixels, self._clip, self._augmentation, item.sha256, view)


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
    def weights(self) -> FloatArray:
        """Weight of each window, (M,), mean 1: a long clip counts no more than a short one."""
        weights = 1 / np.bincount(self.clip_of)[self.clip_of]
        return np.asarray(weights / weights.mean(), dtype=np.float32)

    def class_weights(self, *, evenness: float = 1.0) -> NDArray[np.float64]:
        """Weight of each window, (M,), by its class; mean 1.

        Args:
            evenness: With 1 all classes count the same, with 0 as often as they come; with 0.5 by
                the root of that.
        """
        total = np.bincount(self.targets, self.weights, minlength=self.num_classes)
        weights = total[self.targets] ** -evenness
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
    bank: Bank = RowBank(views) if config.head.of_people else FeatureBank(views)
    return _cut(samples, bank, labels, config)


def build_map_windows(
    views: Sequence[Sequence[CachedSample]], labels: Sequence[str], config: FitConfig
) -> Windows:
    """Cut one split's clips into windows of feature maps, see `build_windows`."""
    samples = [(item.sample, item.count) for item in views[0]]
    return _cut(samples, MapBank(views), labels, config)


def build_fresh_windows(
    frames: Sequence[CachedSample],
    labels: Sequence[str],
    config: FitConfig,
    *,
    clip: ClipSpec,
    augmentation: Augmentation,
    people: Mapping[str, Box] = MappingProxyType({}),
) -> Windows:
    """Cut one split's clips into windows of pixels that are drawn anew in every epoch.

    Args:
        frames: The samples' frames in the cache.
        labels: Classes in order.
        config: Gives T and stride.
        clip: Gives the size of the frames that are drawn.
        augmentation: How they are drawn.
        people: Box of the largest person by the sample's hash; views are then drawn of it, too.
    """
    samples = [(item.sample, item.count) for item in frames]
    return _cut(samples, FreshBank(frames, clip, augmentation, people), labels, config)


def _cut(
    samples: Sequence[tuple[Sample, int]], bank: Bank, labels: Sequence[str], config: FitConfig
) -> Windows:
    rows, targets, clip_of, first_frames, offset = [], [], [], [], 0
    for number, (sample, count) in enumerate(samples):
        indices = window_indices(count, config.window.num_frames, config.window.stride)
        rows.append(indices + offset)
        targets += [labels.index(sample.label)] * len(indices)
        clip_of += [number] * len(indices)
        # A short clip's window starts before its first frame, see `window_indices`.
        first_frames += list(indices[:, -1] - config.window.num_frames + 1)
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
class Mix:
    """How the windows of a batch are mixed with each other.

    Attributes:
        mixup: A of Beta(A, A), by which pixels or features of two windows are blended.
        cutmix: A of Beta(A, A), the area of another window's box; 0 for features.
        share: Share of batches that are mixed.
        seed: With the number of the batch it decides on every draw.

    Source: Zhang et al., mixup: Beyond Empirical Risk Minimization (ICLR 2018); Yun et al., CutMix
    (ICCV 2019).
    """

    mixup: float
    cutmix: float
    share: float
    seed: tuple[int, ...]

    def __call__(
        self, index: int, inputs: FloatArray, targets: FloatArray, weights: FloatArray
    ) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Mix batch `index`: inputs (B, T, ...), targets (B, C), weights (B,)."""
        random = np.random.default_rng((*self.seed, index))
        kinds = [k for k, a in ((self._blend, self.mixup), (self._paste, self.cutmix)) if a > 0]
        if not kinds or random.random() >= self.share:
            return inputs, targets, weights
        other = random.permutation(len(inputs))
        kept, inputs = kinds[random.integers(len(kinds))](random, inputs, inputs[other])
        targets = kept * targets + (1 - kept) * targets[other]
        return inputs, targets, kept * weights + (1 - kept) * weights[other]

    def _blend(
        self, random: np.random.Generator, inputs: FloatArray, others: FloatArray
    ) -> tuple[np.float32, FloatArray]:
        kept = np.float32(random.beta(self.mixup, self.mixup))
        return kept, kept * inputs + (1 - kept) * others

    def _paste(
        self, random: np.random.Generator, inputs: FloatArray, others: FloatArray
    ) -> tuple[np.float32, FloatArray]:
        height, width = inputs.shape[2:4]
        side = math.sqrt(random.beta(self.cutmix, self.cutmix))
        centre = random.random(2) * (height, width)
        first = np.maximum(0, centre - side * np.array([height, width]) / 2).astype(int)
        last = np.minimum((height, width), centre + side * np.array([height, width]) / 2)
        box = (slice(None), slice(None), *map(slice, first, last.astype(int)))
        mixed = inputs.copy()
        mixed[box] = others[box]
        covered = mixed[box].shape[2] * mixed[box].shape[3] / (height * width)
        return np.float32(1 - covered), mixed


@dataclass(frozen=True)
class _Plan:
    """One epoch: windows in order with their views, (E,) each; weights of all windows, (M,).

    With a teacher, its answers to what the batch shows in the end take `teacher_share` of a target.
    """

    order: NDArray[np.intp]
    views: NDArray[np.intp]
    weights: FloatArray
    mix: Mix | None = None
    teacher: Teacher | None = None
    teacher_share: float = 0.0


def training_epoch(
    windows: Windows,
    config: FitConfig,
    epoch: int,
    *,
    once_per_clip: bool = False,
    teacher: Teacher | None = None,
) -> Batches:
    """Build the Keras dataset of one training epoch; it depends on (seed, epoch) alone.

    Args:
        windows: What to learn from.
        config: Batch size, balance, mixup and seed; the teacher's share.
        epoch: Number of the epoch.
        once_per_clip: Whether an epoch sees one window of each clip instead of all.
        teacher: Whose answers the targets are to come near to, if given.
    """
    random = np.random.default_rng((config.training.seed, epoch))
    count, weights = len(windows.rows), windows.weights
    order = random.permutation(count)
    if config.training.balance == "sampling":
        share = windows.class_weights() * weights
        number = epoch_length(windows, once_per_clip=once_per_clip)
        order = random.choice(count, number, p=share / share.sum())
        weights = np.ones_like(weights)  # rarer windows are drawn less often instead
    elif once_per_clip:
        _, first = np.unique(windows.clip_of[order], return_index=True)
        order, weights = order[np.sort(first)], np.ones_like(weights)
    if evenness := EVENNESS.get(config.training.balance):
        by_class = windows.class_weights(evenness=evenness)
        weights = np.asarray(weights * by_class, dtype=np.float32)
    views = random.integers(0, windows.bank.num_views, len(order))
    cutmix = config.augment.cutmix if isinstance(windows.bank, FreshBank) else 0.0
    mix = Mix(config.augment.mixup, cutmix, config.augment.mix_share, (config.training.seed, epoch))
    plan = _Plan(order, views, weights, mix, teacher, config.fine_tune.teacher_share)
    return _make_dataset(windows, plan, config.training.batch_size)


def epoch_length(windows: Windows, *, once_per_clip: bool = False) -> int:
    """Windows in a training epoch, see `training_epoch`."""
    return len(np.unique(windows.clip_of)) if once_per_clip else len(windows.rows)


def held_out_epoch(windows: Windows, batch_size: int) -> Batches:
    """Build the Keras dataset that validation runs on: every window once, as it is."""
    order = np.arange(len(windows.rows))
    plan = _Plan(order, np.zeros(len(order), dtype=np.intp), windows.weights)
    return _make_dataset(windows, plan, batch_size)


def _make_dataset(windows: Windows, plan: _Plan, batch_size: int) -> Batches:
    class WindowDataset(import_keras().utils.PyDataset):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__(workers=1)

        def __len__(self) -> int:
            return math.ceil(len(plan.order) / batch_size)

        def __getitem__(self, index: int) -> tuple[FloatArray, FloatArray, FloatArray]:
            part = slice(index * batch_size, (index + 1) * batch_size)
            return _batch(windows, plan, part, index)

    dataset: Batches = WindowDataset()
    return dataset


def _batch(
    windows: Windows, plan: _Plan, part: slice, index: int
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Gather a batch: inputs (B, T, ...), targets (B, C) that sum to 1, weights (B,)."""
    chosen = plan.order[part]
    inputs = windows.bank.gather(plan.views[part], windows.rows[chosen])
    targets = np.eye(windows.num_classes, dtype=np.float32)[windows.targets[chosen]]
    weights = plan.weights[chosen]
    if plan.mix:
        inputs, targets, weights = plan.mix(index, inputs, targets, weights)
    if plan.teacher:
        answers = plan.teacher(inputs)
        targets = plan.teacher_share * answers + (1 - plan.teacher_share) * targets
    return inputs, targets, weights
