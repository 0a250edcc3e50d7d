"""Intervals hold what they say."""

from __future__ import annotations

import numpy as np
import pytest

from har_train.reports.intervals import bootstrap_interval

pytest.importorskip("sklearn")
pytestmark = pytest.mark.train


def test_interval_holds_the_true_share_as_often_as_it_says() -> None:
    random = np.random.default_rng(0)
    held = 0
    for seed in range(400):
        low, high = bootstrap_interval(random.random(200) < 0.7, seed=seed)
        held += low <= 0.7 <= high
    assert 0.91 <= held / 400 <= 0.985


def test_few_clips_that_are_all_right_prove_little() -> None:
    hits = np.ones(12, bool)
    low, high = bootstrap_interval(hits)
    assert (round(low, 3), high) == (0.758, 1.0)  # Wilson's for 12 of 12
    none = bootstrap_interval(~hits)
    assert none[0] == 0.0
    assert none[1] == pytest.approx(1 - low)
    pairs = [f"g{i // 2}" for i in range(12)]
    assert bootstrap_interval(hits, pairs) == bootstrap_interval(hits[:6])


def test_groups_that_are_equally_good_prove_little() -> None:
    """Drawn anew they are always the same, as if nothing were left to doubt."""
    hits = np.array([True, False, False] * 2)
    low, high = bootstrap_interval(hits, ["a"] * 3 + ["b"] * 3)
    # Wilson's for a third of 2, by hand: z^2 3.8415, centre 0.4429, half 0.3977.
    assert (low, high) == pytest.approx((0.0453, 0.8406), abs=2e-4)
    one = bootstrap_interval(hits[:3], ["a"] * 3)
    assert one[0] < low
    assert one[1] > high


def test_clips_of_one_group_are_drawn_together() -> None:
    hits = np.random.default_rng(1).random(40) < 0.6
    groups = [f"g{i // 10}" for i in range(400)]
    alike = np.repeat(hits, 10)
    random, means = np.random.default_rng(2), []
    for _ in range(4000):
        chosen = random.integers(40, size=40)
        means.append(np.mean(hits[chosen]))
    expected = np.quantile(means, [0.025, 0.975])
    assert bootstrap_interval(alike, groups) == pytest.approx(tuple(expected), abs=0.03)
    narrow = bootstrap_interval(alike)
    assert narrow[1] - narrow[0] < (expected[1] - expected[0]) / 2
