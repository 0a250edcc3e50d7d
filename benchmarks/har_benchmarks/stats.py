"""Statistics of timings and answers: percentiles, and intervals that hold for few rounds.

Timings within one process resemble each other more than those of two processes: memory lies
elsewhere, the machine has another temperature. Intervals are therefore drawn by resampling rounds
(one process each), never single samples.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from har_edge.statistics import Floats, expanded_tail, resampled_means

PERCENTILES = (50, 90, 95, 99)
RESAMPLES = 10_000
CHUNK = 4_000_000  # numbers of one batch of resamples, 32 MB


@dataclass(frozen=True)
class Interval:
    """An estimate with its confidence interval.

    Attributes:
        value: The estimate.
        low, high: Ends of the interval; infinite where there is too little to tell.
        level: Share of intervals made this way that hold the true value, at least.
    """

    value: float
    low: float
    high: float
    level: float

    def excludes(self, low: float, high: float) -> bool:
        """Whether all of the interval lies on one side of the span from low to high."""
        return self.low > high or self.high < low


def summarise(samples: Sequence[float]) -> dict[str, float]:
    """Percentiles, mean, extremes and standard deviation of samples.

    Args:
        samples: At least one number.

    Returns:
        p50, p90, p95, p99 (interpolated linearly), min, max, mean, stdev (of the sample, with
        n - 1; 0 for a single one), count.
    """
    values = np.asarray(samples, dtype=np.float64)
    found = {f"p{p}": float(v) for p, v in zip(PERCENTILES, _percentiles(values), strict=True)}
    return {
        **found,
        "min": float(values.min()),
        "max": float(values.max()),
        "mean": float(values.mean()),
        "stdev": float(values.std(ddof=1)) if len(values) > 1 else 0.0,
        "count": len(values),
    }


def _percentiles(values: Floats) -> Floats:
    return np.asarray(np.percentile(values, PERCENTILES))


def median(samples: Sequence[float]) -> float:
    """Middle of the samples."""
    return float(np.median(np.asarray(samples, dtype=np.float64)))


def medians(values: Floats) -> Floats:
    """Middle of each row, (m, n) to (m,): one disturbed round of ten does not move it."""
    return np.asarray(np.median(values, axis=-1))


def relative_spread(values: Sequence[float]) -> float:
    """Interquartile range over the median: how far apart typical values are; 0 for one value."""
    low, middle, high = np.percentile(np.asarray(values, dtype=np.float64), (25, 50, 75))
    return float((high - low) / middle) if middle else 0.0


def bootstrap_interval(
    values: Sequence[float] | Floats,
    *,
    level: float,
    statistic: Callable[[Floats], Floats] = medians,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Interval:
    """Bootstrap interval of a statistic of independent values.

    The percentile bootstrap is too narrow for few values; its percentiles are moved outwards by
    what Student's distribution is wider than the normal one.

    Args:
        values: Independent values, one a round, (n,).
        level: Confidence, 0.95 say.
        statistic: Takes resamples, (m, n), and gives a number for each, (m,).
        resamples: Number of them.
        seed: Of the resampling; equal input gives equal output.

    Returns:
        The interval; an endless one where n values cannot give this level (see `needed_rounds`).

    Source: Hesterberg, What Teachers Should Know About the Bootstrap (2015), section 5.2
    ("expanded" percentile intervals).
    """
    array = np.asarray(values, dtype=np.float64)
    value = float(statistic(array[np.newaxis])[0])
    if len(array) < needed_rounds(level):
        return Interval(value, -math.inf, math.inf, level)
    tail = expanded_tail((1 - level) / 2, len(array))
    found = _resampled(array, statistic, resamples, seed)
    low, high = np.quantile(found, (tail, 1 - tail))
    return Interval(value, float(low), float(high), level)


def _resampled(
    array: Floats, statistic: Callable[[Floats], Floats], resamples: int, seed: int
) -> Floats:
    generator = np.random.default_rng(seed)
    batch = max(1, CHUNK // len(array))
    parts = []
    for start in range(0, resamples, batch):
        size = (min(batch, resamples - start), len(array))
        parts.append(statistic(array[generator.integers(0, len(array), size)]))
    return np.concatenate(parts)


def needed_rounds(level: float) -> int:
    """Fewest values whose whole span holds the true middle with this confidence.

    All n of them lie on one side of it with probability 2 / 2^n.
    """
    return max(2, math.ceil(1 - math.log2(1 - level)))


def paired_ratio(base: Sequence[float], new: Sequence[float], *, level: float) -> Interval:
    """How many times `new` is `base`, from one figure of each in every round.

    Args:
        base, new: Positive figures, the median of a round say, in the order of the rounds; what
            one has more than the other is left out.
        level: Confidence of the interval.
    """
    count = min(len(base), len(new))
    logs = np.log(np.asarray(new[:count], float)) - np.log(np.asarray(base[:count], float))
    found = bootstrap_interval(logs, level=level)
    value, low, high = (math.exp(x) for x in (found.value, found.low, found.high))
    return Interval(value, low, high, level)


def grouped_difference(
    first: Sequence[float], second: Sequence[float], groups: Sequence[object], *, level: float
) -> Interval:
    """Difference of two means over the same items, resampling whole groups of items.

    Args:
        first, second: A figure for each item (1 for a right answer, else 0), (n,).
        groups: What each item belongs to: clips of one source are no independent evidence.
        level: Confidence of the interval.

    Returns:
        Mean of `first` less mean of `second`.
    """
    lost = np.asarray(first, float) - np.asarray(second, float)
    value, count = float(lost.mean()), len(set(groups))
    if count < needed_rounds(level):
        return Interval(value, -math.inf, math.inf, level)
    tail = expanded_tail((1 - level) / 2, count)
    low, high = np.quantile(resampled_means(lost, groups), (tail, 1 - tail))
    return Interval(value, float(low), float(high), level)
