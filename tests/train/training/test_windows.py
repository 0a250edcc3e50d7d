"""Batches of windows: nothing lost, nothing mixed up, and the same again for the same epoch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from har_edge.datasets import Sample
from har_edge.model.spec import ClipSpec
from har_edge.sources.clips import window_indices
from har_train.config import FitConfig
from har_train.features.augment import Augmentation
from har_train.features.cache import CachedSample, EncodedSample
from har_train.training.windows import (
    Windows,
    build_fresh_windows,
    build_map_windows,
    build_windows,
    epoch_length,
    held_out_epoch,
    training_epoch,
)

pytest.importorskip("tensorflow")
pytestmark = pytest.mark.train

CONFIG = FitConfig.of(data="d", num_frames=3, window_stride=1, batch_size=4, seed=5)
LABELS = ("a", "b", "c")


def encoded(label: str, count: int, view: int = 0) -> EncodedSample:
    """Features that say where they come from: view, label, frame."""
    frames = [(view, LABELS.index(label), i) for i in range(count)]
    return EncodedSample(
        Sample(Path(f"{label}{count}"), label, "g"), np.array(frames, np.float32), "0"
    )


def uneven(views: int = 1) -> Windows:
    """Nine clips of a, two of b, one of c, of different lengths."""
    clips = [("a", 3 + i) for i in range(9)] + [("b", 12), ("b", 2), ("c", 4)]
    return build_windows([[encoded(*c, v) for c in clips] for v in range(views)], LABELS, CONFIG)


def batches_of(dataset: Any) -> list[NDArray[Any]]:
    """All batches of a dataset in one: inputs, targets, weights."""
    batches = [dataset[i] for i in range(len(dataset))]
    return [np.concatenate(parts) for parts in zip(*batches, strict=True)]


def test_every_window_comes_once_with_its_class() -> None:
    windows = uneven()
    inputs, targets, weights = batches_of(training_epoch(windows, CONFIG, 0))
    assert np.array_equal(inputs[:, 0, 1], targets.argmax(axis=1))
    assert (targets.sum(axis=1) == 1).all()
    assert weights.mean() == pytest.approx(1)
    held_out, *_ = batches_of(held_out_epoch(windows, 7))
    assert sorted(map(bytes, inputs)) == sorted(map(bytes, held_out))


@pytest.mark.parametrize(
    "changes", [{}, {"balance": "sampling"}, {"balance": "weights"}, {"mixup": 0.3}]
)
def test_epoch_depends_on_seed_and_number_alone(changes: dict[str, Any]) -> None:
    config, windows = CONFIG.with_(**changes), uneven(views=3)

    def epoch(number: int, seed: int = 5) -> bytes:
        parts = batches_of(training_epoch(windows, config.with_(seed=seed), number))
        return b"".join(part.tobytes() for part in parts)

    first = [epoch(i) for i in range(3)]
    assert len({*first, epoch(0, seed=6)}) == 4
    assert [epoch(i) for i in (2, 1, 0)] == first[::-1]


def test_views_are_drawn_evenly_and_only_in_training() -> None:
    windows = uneven(views=3)
    drawn = [batches_of(training_epoch(windows, CONFIG, e))[0] for e in range(20)]
    seen = np.concatenate(drawn)[:, :, 0]
    assert (seen == seen[:, :1]).all()  # one view for all frames of a window
    assert np.bincount(seen[:, 0].astype(int)) / len(seen) == pytest.approx([1 / 3] * 3, abs=0.05)
    assert (batches_of(held_out_epoch(windows, 8))[0][:, :, 0] == 0).all()


@pytest.mark.parametrize("balance", ["weights", "sampling"])
def test_balanced_classes_count_the_same(balance: Any) -> None:
    config, windows = CONFIG.with_(balance=balance), uneven()
    totals = np.zeros(3)
    for epoch in range(60):
        _, targets, weights = batches_of(training_epoch(windows, config, epoch))
        totals += (targets * weights[:, np.newaxis]).sum(axis=0)
    assert totals / totals.sum() == pytest.approx([1 / 3] * 3, abs=0.03)
    assert totals.sum() / 60 == pytest.approx(len(windows.rows), rel=0.01)


def test_by_roots_classes_count_half_way_between() -> None:
    config = CONFIG.with_(balance="roots")
    _, targets, weights = batches_of(training_epoch(uneven(), config, 0))
    totals = (targets * weights[:, np.newaxis]).sum(axis=0)
    roots = np.sqrt([9, 2, 1])
    assert totals / totals.sum() == pytest.approx(roots / roots.sum(), abs=1e-4)
    assert weights.mean() == pytest.approx(1)


def test_without_balance_clips_count_the_same() -> None:
    _, targets, weights = batches_of(training_epoch(uneven(), CONFIG, 0))
    totals = (targets * weights[:, np.newaxis]).sum(axis=0)
    assert totals / totals.sum() == pytest.approx([9 / 12, 2 / 12, 1 / 12], abs=1e-4)


def test_mixup_mixes_inputs_and_targets_alike() -> None:
    config = CONFIG.with_(mixup=1.0)
    inputs, targets, _ = batches_of(training_epoch(uneven(), config, 0))
    assert targets.sum(axis=1) == pytest.approx(np.ones(len(targets)))
    # The label stands in the inputs as a number, and mixing is linear.
    assert inputs[:, 0, 1] == pytest.approx(targets @ np.arange(3), abs=1e-5)
    assert ((targets > 0.01).sum(axis=1) == 2).any()


def test_share_of_batches_is_mixed() -> None:
    config = CONFIG.with_(mixup=1.0, mix_share=0.5)
    windows, mixed = uneven(), []
    for epoch in range(12):
        dataset = training_epoch(windows, config, epoch)
        mixed += [(dataset[i][0] % 1 > 0).any() for i in range(len(dataset))]
    assert 0.4 < np.mean(mixed) < 0.6


def test_cutmix_pastes_one_box_and_shares_the_target(tmp_path: Path) -> None:
    """Clips of one grey each: pixels say which clip they are of."""
    clips = []
    for number, label in enumerate(LABELS):
        path = tmp_path / f"{label}.npy"
        np.save(path, np.full((3, 32, 32, 3), 100 * number, np.uint8))
        clips.append(CachedSample(Sample(path, label, "g"), label, path, 3))
    config = CONFIG.with_(fresh_views=True, cutmix=1.0, batch_size=3)
    windows = build_fresh_windows(
        clips, LABELS, config, clip=ClipSpec(3, 8.0, 32, 32), augmentation=Augmentation()
    )
    shares = []
    for epoch in range(30):
        inputs, targets, _ = batches_of(training_epoch(windows, config, epoch))
        assert targets.sum(axis=1) == pytest.approx(np.ones(3))
        for window, target in zip(inputs, targets, strict=True):
            greys = [(window == 100 * number).mean() for number in range(3)]
            assert greys == pytest.approx(target, abs=1e-5)
            assert (window == window[0]).all()  # the same box in all frames
        shares.append(targets.max(axis=1).min())
    assert min(shares) < 0.6
    assert max(shares) > 0.9


def test_a_teacher_answers_what_the_batch_shows() -> None:
    windows = uneven()
    asked: list[NDArray[Any]] = []

    def teacher(inputs: NDArray[np.float32]) -> NDArray[np.float32]:
        asked.append(inputs)
        return np.tile(np.float32([0.5, 0.25, 0.25]), (len(inputs), 1))

    config = CONFIG.with_(mixup=0.4, teacher_share=0.6)
    alone = batches_of(training_epoch(windows, config, 0))
    inputs, targets, weights = batches_of(training_epoch(windows, config, 0, teacher=teacher))
    # It sees the mixed windows, and nothing else of the epoch changes.
    assert np.array_equal(np.concatenate(asked), inputs)
    assert np.array_equal(inputs, alone[0])
    assert np.array_equal(weights, alone[2])
    assert np.allclose(targets, 0.6 * np.float32([0.5, 0.25, 0.25]) + 0.4 * alone[1])


def test_maps_on_disk_equal_features_in_memory(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    counts = (5, 2, 9)

    def view(number: int) -> Sequence[CachedSample]:
        items = []
        for label, count in zip(LABELS, counts, strict=True):
            path = tmp_path / f"{label}{number}.npy"
            np.save(path, random.normal(size=(count, 2, 2, 4)).astype(np.float16))
            items.append(CachedSample(Sample(path, label, "g"), "0", path, count))
        return items

    views = [view(0), view(1)]
    windows = build_map_windows(views, LABELS, CONFIG)
    for number in (0, 1):
        plain = [
            np.load(item.path)[row] for item in views[number]
            for row in window_indices(item.count, 3)
        ]  # fmt: skip
        chosen = np.full(len(windows.rows), number)
        found = windows.bank.gather(chosen, windows.rows)
        assert found.dtype == np.float32
        assert np.array_equal(found, np.stack(plain))


def on_disk(folder: Path, label: str, count: int, seed: int) -> CachedSample:
    """Frames of a clip in the cache."""
    path = folder / f"{seed}.npy"
    frames = np.random.default_rng(seed).integers(0, 256, (count, 40, 48, 3), dtype=np.uint8)
    np.save(path, frames)
    return CachedSample(Sample(path, label, "g"), f"{seed}", path, count)


def test_fresh_windows_are_drawn_anew_in_every_epoch(tmp_path: Path) -> None:
    clips = [on_disk(tmp_path, "a", 5, 0), on_disk(tmp_path, "b", 3, 1)]
    small, drawing = ClipSpec(3, 8.0, 16, 16), Augmentation(seed=2)
    windows = build_fresh_windows(clips, LABELS, CONFIG, clip=small, augmentation=drawing)

    def epoch(number: int) -> NDArray[Any]:
        return batches_of(training_epoch(windows, CONFIG, number, once_per_clip=True))[0]

    assert epoch(0).shape == (2, 3, 16, 16, 3)
    assert not np.array_equal(epoch(0), epoch(1))
    assert np.array_equal(epoch(1), epoch(1))


@pytest.mark.parametrize("balance", ["none", "weights", "sampling"])
def test_once_per_clip(balance: Any) -> None:
    windows, config = uneven(), CONFIG.with_(balance=balance)
    assert epoch_length(windows, once_per_clip=True) == 12
    inputs, targets, weights = batches_of(training_epoch(windows, config, 0, once_per_clip=True))
    assert len(inputs) == 12
    counts = targets.sum(axis=0)
    if balance == "none":
        assert list(counts) == [9, 2, 1]
        assert (weights == 1).all()
    if balance == "weights":
        assert list(counts) == [9, 2, 1]
        assert weights @ targets == pytest.approx([4, 4, 4])
    if balance == "sampling":
        drawn = [
            batches_of(training_epoch(windows, config, e, once_per_clip=True))[1]
            for e in range(200)
        ]
        assert np.mean(drawn, axis=(0, 1)) == pytest.approx([1 / 3] * 3, abs=0.04)
