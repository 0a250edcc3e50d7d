"""Windows of rows: in views at another speed, the one about the same moment."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from har_edge.datasets import Sample
from har_edge.sources.clips import window_indices
from har_train.features.cache import EncodedSample
from har_train.training.row_bank import RowBank


def item(count: int, first: int = 0) -> EncodedSample:
    """A sample whose rows say at which moment they are, from 0 to 1, behind which sample."""
    rows = np.stack([np.full(count, first), np.linspace(0, 1, count)], axis=1)
    return EncodedSample(Sample(Path(f"{first}.npz#0"), "a", "b"), rows.astype(np.float32), "")


def gather(bank: RowBank, view: int, rows: np.ndarray) -> np.ndarray:
    return bank.gather(np.full(len(rows), view), rows)


def test_the_first_view_is_gathered_by_its_numbers() -> None:
    bank = RowBank([[item(20, 1), item(3, 2)], [item(26, 1), item(4, 2)]])
    rows = np.concatenate([window_indices(20, 8, 4), window_indices(3, 8) + 20])
    found = gather(bank, 0, rows)
    both = np.concatenate([item(20, 1).features, item(3, 2).features])
    assert np.array_equal(found, both[rows])


def test_other_views_show_the_same_moment_of_the_same_sample() -> None:
    bank = RowBank(
        [[item(20, 1), item(3, 2)], [item(26, 1), item(4, 2)], [item(16, 1), item(2, 2)]]
    )
    rows = np.concatenate([window_indices(20, 8, 4), window_indices(3, 8) + 20])
    for view in (1, 2):
        found = gather(bank, view, rows)
        assert found.shape == (5, 8, 2)
        assert (found[:4, :, 0] == 1).all() and (found[4, :, 0] == 2).all()
        assert (np.diff(found[..., 1], axis=1) >= 0).all()
        wanted = gather(bank, 0, rows)[:4, :, 1].mean(axis=1)
        assert np.allclose(found[:4, :, 1].mean(axis=1), wanted, atol=0.06)
    # Where the sequence is faster, windows at its ends stay within it.
    assert gather(bank, 2, rows)[0, 0, 1] == 0
    assert gather(bank, 2, rows)[3, -1, 1] == 1
    # A sample that is shorter than a window repeats its first row, as in view 0.
    assert (gather(bank, 1, rows)[4, :5, 1] == 0).all()


def test_a_view_may_be_shorter_than_a_window() -> None:
    bank = RowBank([[item(10)], [item(7)]])
    found = gather(bank, 1, window_indices(10, 8))
    assert np.isfinite(found).all()
    assert (found[:, 0, 1] == 0).all() and (found[:, -1, 1] == 1).all()
