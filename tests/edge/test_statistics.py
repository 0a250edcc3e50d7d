"""Intervals against SciPy, plain second implementations and the truth."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

from har_edge import statistics
from har_edge.statistics import (
    expanded_tail,
    mean_interval,
    mean_of_each,
    poisson_interval,
    resampled_means,
    share_interval,
    t_quantile,
    wilson_interval,
)


def test_interval_holds_the_true_share_as_often_as_it_says() -> None:
    random = np.random.default_rng(0)
    held = 0
    for seed in range(400):
        low, high = share_interval(random.random(200) < 0.7, seed=seed)
        held += low <= 0.7 <= high
    assert 0.91 <= held / 400 <= 0.985


def test_few_clips_that_are_all_right_prove_little() -> None:
    hits = np.ones(12, bool)
    low, high = share_interval(hits)
    assert (round(low, 3), high) == (0.758, 1.0)  # Wilson's for 12 of 12
    none = share_interval(~hits)
    assert none[0] == 0.0
    assert none[1] == pytest.approx(1 - low)
    pairs = [f"g{i // 2}" for i in range(12)]
    assert share_interval(hits, pairs) == share_interval(hits[:6])


def test_groups_that_are_equally_good_prove_little() -> None:
    """Drawn anew they are always the same, as if nothing were left to doubt."""
    hits = np.array([True, False, False] * 2)
    low, high = share_interval(hits, ["a"] * 3 + ["b"] * 3)
    # Wilson's for a third of 2, by hand: z^2 3.8415, centre 0.4429, half 0.3977.
    assert (low, high) == pytest.approx((0.0453, 0.8406), abs=2e-4)
    one = share_interval(hits[:3], ["a"] * 3)
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
    assert share_interval(alike, groups) == pytest.approx(tuple(expected), abs=0.03)
    narrow = share_interval(alike)
    assert narrow[1] - narrow[0] < (expected[1] - expected[0]) / 2


def plain_interval(differences: list[float], seed: int) -> tuple[float, float]:
    """Draw with replacement, take the mean, sort the means, cut 2.5 % off either end."""
    random = np.random.default_rng(seed)
    means = sorted(
        float(np.mean(random.choice(differences, len(differences)))) for _ in range(2000)
    )
    return means[50], means[1949]


@pytest.mark.parametrize("seed", range(4))
def test_interval_is_that_of_a_plain_bootstrap(seed: int) -> None:
    random = np.random.default_rng(seed)
    differences = random.choice([-100.0, 0.0, 100.0], 200, p=[0.05, 0.8, 0.15])
    low, high = mean_interval(differences)
    plain_low, plain_high = plain_interval(differences.tolist(), seed + 10)
    one_clip = 0.5 + 1e-9  # of 200, in points
    assert low == pytest.approx(plain_low, abs=one_clip)
    assert high == pytest.approx(plain_high, abs=one_clip)
    assert low < differences.mean() < high


def test_interval_of_numbers_without_repetition() -> None:
    differences = np.random.default_rng(0).normal(3.0, 2.0, 400)
    low, high = mean_interval(differences)
    half = 1.96 * differences.std() / math.sqrt(400)
    assert low == pytest.approx(differences.mean() - half, abs=0.015)
    assert high == pytest.approx(differences.mean() + half, abs=0.015)


def test_interval_without_any_spread() -> None:
    assert mean_interval(np.zeros(20)) == (0.0, 0.0)
    assert mean_interval(np.full(7, 100.0)) == pytest.approx((100.0, 100.0))
    assert mean_interval(np.array([100.0])) == (100.0, 100.0)


def test_interval_covers_the_truth_as_often_as_it_says() -> None:
    """Nominally 95 %; a percentile interval of 150 pairs comes close to it."""
    random = np.random.default_rng(1)
    draws = random.choice([-100.0, 0.0, 100.0], (200, 150), p=[0.1, 0.7, 0.2])
    intervals = [mean_interval(row, seed=i) for i, row in enumerate(draws)]
    covered = np.mean([low <= 10.0 <= high for low, high in intervals])
    assert 0.92 <= covered <= 0.98


@pytest.mark.parametrize("degrees", [1, 2, 3, 5, 9, 30, 200])
@pytest.mark.parametrize("probability", [0.5, 0.6, 0.9, 0.975, 0.9995])
@pytest.mark.parametrize("quantile", [t_quantile, statistics._t_quantile])
def test_t_quantile_is_scipys(
    quantile: Callable[[float, int], float], degrees: int, probability: float
) -> None:
    stats = pytest.importorskip("scipy.stats")
    expected = stats.t.ppf(probability, degrees)
    assert quantile(probability, degrees) == pytest.approx(expected, rel=1e-7, abs=1e-9)


@pytest.mark.parametrize("count", [2, 5, 10, 50])
def test_expanded_tail_is_hesterbergs(count: int) -> None:
    stats = pytest.importorskip("scipy.stats")
    width = math.sqrt(count / (count - 1)) * stats.t.ppf(0.975, count - 1)
    assert expanded_tail(0.025, count) == pytest.approx(stats.norm.cdf(-width), rel=1e-6)
    assert expanded_tail(0.025, count) < 0.025  # always the wider interval


def test_quantile_without_scipy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    # From a printed table: t with 7 degrees of freedom.
    assert t_quantile.__wrapped__(0.975, 7) == pytest.approx(2.36462, abs=1e-5)


@pytest.mark.parametrize("hits", [0, 1, 5, 29, 30])
@pytest.mark.parametrize("level", [0.9, 0.95])
def test_wilson_is_scipys(hits: int, level: float) -> None:
    stats = pytest.importorskip("scipy.stats")
    expected = stats.binomtest(hits, 30).proportion_ci(level, method="wilson")
    found = wilson_interval(hits / 30, 30, level)
    assert found == pytest.approx((expected.low, expected.high), abs=1e-12)


@pytest.mark.parametrize("count", [0, 1, 7, 150, 4000])
@pytest.mark.parametrize("level", [0.9, 0.95])
def test_poisson_is_scipys(count: int, level: float) -> None:
    stats = pytest.importorskip("scipy.stats")
    tail = (1 - level) / 2
    low = stats.chi2.ppf(tail, 2 * count) / 2 if count else 0.0
    high = stats.chi2.ppf(1 - tail, 2 * count + 2) / 2
    assert poisson_interval(count, level) == pytest.approx((low, high), rel=1e-6)


def test_bootstrap_is_scipys() -> None:
    stats = pytest.importorskip("scipy.stats")
    values = np.random.default_rng(4).normal(3.0, 2.0, 60)
    expected = stats.bootstrap(
        (values,), np.mean, method="percentile", n_resamples=20_000, rng=np.random.default_rng(5)
    ).confidence_interval
    found = mean_interval(values, resamples=20_000)
    assert found == pytest.approx((expected.low, expected.high), abs=0.03)


def test_groups_of_one_are_no_groups() -> None:
    values = np.random.default_rng(6).normal(size=20)
    alone = resampled_means(values, [f"g{i}" for i in range(20)], seed=1)
    assert np.array_equal(alone, resampled_means(values, seed=1))


def test_unequal_groups_weigh_by_their_size() -> None:
    values, groups = [1.0, 1.0, 1.0, 0.0], ["a", "a", "a", "b"]
    drawn = resampled_means(values, groups, resamples=4000)
    # Two groups drawn: a twice, b twice, or one of each, which is as often as both together.
    shares = {round(float(v), 6): float(np.mean(drawn == v)) for v in np.unique(drawn)}
    assert shares == pytest.approx({0.0: 0.25, 0.75: 0.5, 1.0: 0.25}, abs=0.03)


def test_mean_of_each_clip() -> None:
    random = np.random.default_rng(7)
    rows, numbers = random.random((30, 4)), np.sort(random.integers(0, 6, 30))
    found = mean_of_each(rows, numbers, 6)
    for number in range(6):
        assert found[number] == pytest.approx(rows[numbers == number].mean(axis=0))
