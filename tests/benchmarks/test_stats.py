"""Statistics against numpy and scipy, on random data, few values and constants."""

from __future__ import annotations

import math

import numpy as np
import pytest

from har_benchmarks.stats import (
    bootstrap_interval,
    grouped_difference,
    median,
    needed_rounds,
    paired_ratio,
    relative_spread,
    summarise,
)
from har_edge.statistics import expanded_tail

SIZES = (1, 2, 3, 4, 5, 7, 10, 31, 200)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("kind", ["normal", "skewed", "constant", "ties"])
def test_summary_is_numpys(size: int, kind: str) -> None:
    generator = np.random.default_rng(size)
    values = {
        "normal": generator.normal(5, 1, size),
        "skewed": generator.lognormal(0, 2, size),
        "constant": np.full(size, 3.25),
        "ties": generator.integers(0, 3, size).astype(float),
    }[kind]
    found = summarise(values.tolist())
    # By definition: the value at rank p (n - 1), counted from 0, between its two neighbours.
    ordered = sorted(values)
    for percentile in (50, 90, 95, 99):
        rank = percentile / 100 * (size - 1)
        low, high = ordered[math.floor(rank)], ordered[math.ceil(rank)]
        assert found[f"p{percentile}"] == pytest.approx(low + (rank % 1) * (high - low))
    assert found["mean"] == pytest.approx(np.mean(values))
    assert (found["min"], found["max"]) == (values.min(), values.max())
    assert found["stdev"] == pytest.approx(np.std(values, ddof=1) if size > 1 else 0)
    assert found["count"] == size
    assert median(values.tolist()) == pytest.approx(found["p50"])


def test_relative_spread() -> None:
    assert relative_spread([4.0]) == 0
    assert relative_spread([2.0, 2.0, 2.0]) == 0
    assert relative_spread([0.0, 0.0]) == 0
    assert relative_spread([9, 10, 10, 10, 11]) == 0
    assert relative_spread([8, 9, 10, 11, 12]) == pytest.approx(0.2)


@pytest.mark.parametrize("size", [8, 12, 40])
def test_bootstrap_is_scipys_with_the_tails_moved(size: int) -> None:
    stats = pytest.importorskip("scipy.stats")
    values = np.random.default_rng(size).lognormal(0, 0.5, size)
    # The mean: a median of few values moves in steps, which two sets of resamples may straddle.
    found = bootstrap_interval(
        values, level=0.95, statistic=lambda x: x.mean(axis=1), resamples=40_000
    )
    theirs = stats.bootstrap(
        (values,),
        np.mean,
        confidence_level=1 - 2 * expanded_tail(0.025, size),
        method="percentile",
        n_resamples=40_000,
        rng=np.random.default_rng(1),
    ).confidence_interval
    assert found.value == pytest.approx(values.mean())
    assert bootstrap_interval(values, level=0.95).value == np.median(values)
    width = theirs.high - theirs.low
    assert found.low == pytest.approx(theirs.low, abs=0.04 * width)
    assert found.high == pytest.approx(theirs.high, abs=0.04 * width)


@pytest.mark.parametrize("shape", ["normal", "heavy tails", "disturbed"])
@pytest.mark.parametrize("count", [6, 10, 20])
def test_intervals_hold_the_truth_as_often_as_they_say(count: int, shape: str) -> None:
    generator = np.random.default_rng(count)
    tries, missed = 300, 0
    for seed in range(tries):
        values = generator.normal(0, 1, count)
        if shape == "heavy tails":
            values = generator.standard_t(3, count)
        elif shape == "disturbed" and seed % 2:
            values[seed % count] += 10  # one round in which something else ran
        found = bootstrap_interval(values, level=0.95, resamples=1000, seed=seed)
        missed += not found.low <= 0 <= found.high
    # 15 of 300 may miss; more than 27 would by chance only once in a thousand.
    assert missed <= 27


def test_too_few_values_prove_nothing() -> None:
    assert needed_rounds(0.95) == 6
    found = bootstrap_interval([1.0, 1.0, 1.0, 1.0, 1.0], level=0.95)
    assert (found.value, found.low, found.high) == (1.0, -math.inf, math.inf)
    assert not found.excludes(0.5, 0.9)
    (only,) = [bootstrap_interval([2.0], level=0.5)]
    assert only.value == 2.0
    ratio = paired_ratio([2.0], [3.0], level=0.95)
    assert (ratio.value, ratio.low, ratio.high) == (pytest.approx(1.5), 0.0, math.inf)


@pytest.mark.parametrize("level", [0.5, 0.9, 0.95, 0.99, 0.999])
def test_needed_rounds_is_the_smallest_that_suffices(level: float) -> None:
    count = needed_rounds(level)
    assert 2 / 2**count <= 1 - level + 1e-12
    assert count == 2 or 2 / 2 ** (count - 1) > 1 - level


def test_constants_give_an_interval_of_no_width() -> None:
    found = paired_ratio([2.0] * 8, [3.0] * 8, level=0.95)
    assert (found.value, found.low, found.high) == (pytest.approx(1.5),) * 3
    assert found.excludes(1.0, 1.49)
    assert not found.excludes(1.4, 1.6)


def test_pairs_cancel_what_both_share() -> None:
    drift = np.linspace(1, 2, 12)  # a machine that gets twice as slow
    noise = np.random.default_rng(0).normal(1, 0.002, 12)
    found = paired_ratio(drift.tolist(), (1.1 * drift * noise).tolist(), level=0.95)
    assert 1.095 < found.low < 1.1 < found.high < 1.105


def test_equal_input_gives_equal_output() -> None:
    values = np.random.default_rng(3).normal(size=9)
    assert bootstrap_interval(values, level=0.9) == bootstrap_interval(values, level=0.9)


def test_grouped_difference_counts_groups_as_one() -> None:
    # Ten clips each of six sources: one source decides all of its clips.
    groups = [f"source{i // 10}" for i in range(60)]
    first = [1.0] * 60
    second = [0.0] * 10 + [1.0] * 50
    found = grouped_difference(first, second, groups, level=0.9)
    alone = grouped_difference(first, second, list(range(60)), level=0.9)
    assert found.value == alone.value == pytest.approx(1 / 6)
    assert found.low == 0.0
    assert alone.low > 0.0  # taken for independent, they would seem to prove something


def test_grouped_difference_of_unequal_groups_is_the_mean_over_items() -> None:
    generator = np.random.default_rng(5)
    first, second = generator.integers(0, 2, (2, 40)).astype(float)
    groups = generator.integers(0, 9, 40).tolist()
    found = grouped_difference(first.tolist(), second.tolist(), groups, level=0.9)
    assert found.value == pytest.approx(first.mean() - second.mean())
    assert found.low <= found.value <= found.high
