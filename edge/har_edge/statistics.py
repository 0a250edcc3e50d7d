"""How far a figure may be off: one method for each question, all by NumPy.

A figure over clips is a mean, and its interval comes from resampling the clips, or whole groups of
them where they are alike: clips of one recording are no independent evidence.

Sources: Efron and Tibshirani, An Introduction to the Bootstrap (1993), chapter 13; Wilson,
Probable Inference, the Law of Succession, and Statistical Inference (JASA 1927); Hesterberg, What
Teachers Should Know About the Bootstrap (2015), section 5.2.
"""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Sequence
from functools import lru_cache
from statistics import NormalDist
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats: TypeAlias = NDArray[np.float64]

RESAMPLES = 2000
LEVEL = 0.95


def mean_of_each(values: ArrayLike, numbers: NDArray[np.intp], count: int | None = None) -> Floats:
    """Mean of the rows of each clip.

    Args:
        values: A row a window, (W, C).
        numbers: Which clip each is of, (W,).
        count: Clips, N; by default as many as `numbers` names.

    Returns:
        (N, C). A clip without a window has NaN.

    Example:
        >>> mean_of_each([[1.0, 0.0], [0.0, 1.0], [0.2, 0.8]], np.array([0, 0, 1])).tolist()
        [[0.5, 0.5], [0.2, 0.8]]
    """
    rows = np.asarray(values)
    counts = np.bincount(numbers, minlength=count or 0)
    sums = np.zeros((len(counts), rows.shape[1]))
    np.add.at(sums, numbers, rows)
    return np.asarray(sums / counts[:, np.newaxis])


def resampled_means(
    values: ArrayLike,
    groups: Sequence[object] | None = None,
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Floats:
    """Means of values, or of groups of them, that are drawn anew with replacement.

    Args:
        values: A figure for each clip, (N,).
        groups: Group of each clip, (N,): its clips are drawn together.
        resamples: How often, R.
        seed: Of the drawing; equal input gives equal output.

    Returns:
        (R,).
    """
    array = np.asarray(values, np.float64)
    totals, sizes = _by_group(array, groups)
    random = np.random.default_rng(seed)
    if len(sizes) == len(array):
        # How often each value was drawn is all that matters, and there are few values.
        found, counts = np.unique(array, return_counts=True)
        times = random.multinomial(len(array), counts / len(array), resamples)
        return np.asarray(times @ found / len(array))
    times = random.multinomial(len(sizes), np.full(len(sizes), 1 / len(sizes)), resamples)
    return np.asarray(times @ totals / (times @ sizes))


def mean_interval(
    values: ArrayLike,
    groups: Sequence[object] | None = None,
    *,
    resamples: int = RESAMPLES,
    level: float = LEVEL,
    seed: int = 0,
) -> tuple[float, float]:
    """Percentile interval of a mean, clips or groups of them drawn anew with replacement.

    Args:
        values, groups, resamples, seed: As in `resampled_means`.
        level: Share of intervals that hold the true value, 0..1.
    """
    drawn = resampled_means(values, groups, resamples=resamples, seed=seed)
    low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def share_interval(
    hits: NDArray[np.bool_],
    groups: Sequence[object] | None = None,
    *,
    resamples: int = RESAMPLES,
    level: float = LEVEL,
    seed: int = 0,
) -> tuple[float, float]:
    """Interval of a share: that of a mean, but where there is nothing to draw.

    Where all are right, or all wrong, or the groups are equally good, every resample is alike, as
    if nothing were left to doubt: there it is Wilson's score interval, a group counted once.

    Args:
        hits: Whether each clip was right, (N,).
        groups, resamples, level, seed: As in `mean_interval`.

    Example:
        >>> low, high = share_interval(np.ones(12, bool))
        >>> round(low, 3), high
        (0.758, 1.0)
    """
    right, sizes = _by_group(hits.astype(np.float64), groups)
    if np.ptp(right / sizes) == 0:
        return wilson_interval(float(hits.mean()), len(sizes), level)
    return mean_interval(hits, groups, resamples=resamples, level=level, seed=seed)


def wilson_interval(share: float, count: int, level: float = LEVEL) -> tuple[float, float]:
    """Wilson's score interval of a share of `count` draws.

    Example:
        >>> low, high = wilson_interval(0.5, 10)
        >>> round(low, 4), round(high, 4)
        (0.2366, 0.7634)
    """
    z2 = NormalDist().inv_cdf((1 + level) / 2) ** 2
    centre = (share + z2 / (2 * count)) / (1 + z2 / count)
    half = math.sqrt(z2 * (share * (1 - share) / count + z2 / (4 * count**2))) / (1 + z2 / count)
    # Of shares 0 and 1 the outer end is the share itself, but for rounding.
    return (
        0.0 if share == 0 else centre - half,
        1.0 if share == 1 else centre + half,
    )


def poisson_interval(count: int, level: float = LEVEL) -> tuple[float, float]:
    """Exact interval of the mean of a Poisson distribution of which `count` was drawn.

    Source: Garwood, Fiducial Limits for the Poisson Distribution (1936).

    Example:
        >>> low, high = poisson_interval(0)
        >>> low, round(high, 3)
        (0.0, 3.689)
    """
    tail = (1 - level) / 2
    low = 0.0 if count == 0 else _poisson_mean(count - 1, 1 - tail)
    return low, _poisson_mean(count, tail)


def _poisson_mean(count: int, share: float) -> float:
    """The mean at which `count` or fewer are drawn with this probability, by halving."""
    drawn = np.arange(count + 1)
    factorials = np.cumsum(np.log(np.maximum(drawn, 1)))
    low, high = 0.0, count + 20 * math.sqrt(count + 1) + 20
    for _ in range(100):
        mean = (low + high) / 2
        at_most = float(np.exp(drawn * math.log(mean) - mean - factorials).sum())
        low, high = (mean, high) if at_most > share else (low, mean)
    return (low + high) / 2


def expanded_tail(tail: float, count: int) -> float:
    """Tail to cut from a bootstrap distribution of `count` values for a true tail.

    Percentiles of few values are too narrow: they are moved outwards by what Student's
    distribution is wider than the normal one.
    """
    width = math.sqrt(count / (count - 1)) * t_quantile(1 - tail, count - 1)
    return NormalDist().cdf(-width)


@lru_cache(maxsize=256)
def t_quantile(probability: float, degrees: int) -> float:
    """Quantile of Student's t distribution, for probabilities from 0.5 up.

    By SciPy where it is installed; the figures are the same without.
    """
    if importlib.util.find_spec("scipy") is not None:
        from scipy.special import stdtrit

        return float(stdtrit(degrees, probability))
    return _t_quantile(probability, degrees)


def _t_quantile(probability: float, degrees: int) -> float:
    """Find it by halving an interval; the area under the density is summed by Simpson's rule."""
    low, high = 0.0, 1.0
    while _t_area(high, degrees) < probability - 0.5:
        low, high = high, 2 * high
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (
            (middle, high) if _t_area(middle, degrees) < probability - 0.5 else (low, middle)
        )
    return (low + high) / 2


def _t_area(end: float, degrees: int) -> float:
    """Area under the density of Student's t from 0 to `end`."""
    # t = sqrt(degrees) tan(angle) makes the integrand cos(angle)^(degrees - 1), which is smooth
    # and ends at a quarter turn however far `end` is.
    angles = np.linspace(0, math.atan(end / math.sqrt(degrees)), 2001)
    heights = np.cos(angles) ** (degrees - 1)
    weights = np.ones(2001)
    weights[1:-1:2], weights[2:-1:2] = 4, 2
    area = float(heights @ weights) * (angles[1] - angles[0]) / 3
    scale = math.lgamma((degrees + 1) / 2) - math.lgamma(degrees / 2) - 0.5 * math.log(math.pi)
    return float(area * math.exp(scale))


def _by_group(values: Floats, groups: Sequence[object] | None) -> tuple[Floats, Floats]:
    """Sum and size of each group; without groups each value is one."""
    if groups is None:
        return values, np.ones(len(values))
    _, numbers = np.unique(np.asarray(groups), return_inverse=True)
    sums = np.asarray(np.bincount(numbers, values), np.float64)
    return sums, np.bincount(numbers).astype(np.float64)
