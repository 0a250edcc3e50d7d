"""How far a share may be off."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray


def bootstrap_interval(
    hits: NDArray[np.bool_],
    groups: Sequence[str] | None = None,
    *,
    resamples: int = 2000,
    level: float = 0.95,
    seed: int = 0,
) -> tuple[float, float]:
    """Percentile interval of a share, clips or groups of them resampled with replacement.

    Where all are right, or all wrong, or the groups are equally good, every resample is alike, as
    if nothing were left to doubt: there it is Wilson's score interval, a group counted once.

    Args:
        hits: Whether each clip was right, (N,).
        groups: Group of each clip, (N,): its clips are drawn together, for they are alike.
        resamples: Number of bootstrap samples.
        level: Share of intervals that hold the true value, 0..1.
        seed: Of the resampling.

    Sources: Efron and Tibshirani, An Introduction to the Bootstrap (1993), chapter 13; Wilson,
    Probable Inference, the Law of Succession, and Statistical Inference (JASA 1927).
    """
    number = np.arange(len(hits))
    if groups is not None:
        _, number = np.unique(list(groups), return_inverse=True)
    sizes, right = np.bincount(number), np.bincount(number, hits)
    if np.ptp(right / sizes) == 0:
        return _wilson_interval(float(hits.mean()), len(sizes), level)
    random = np.random.default_rng(seed)
    if len(sizes) == len(hits):
        # The hits in a resample of N clips are binomial: no need to draw the clips themselves.
        drawn = random.binomial(len(hits), hits.mean(), resamples) / len(hits)
    else:
        times = random.multinomial(len(sizes), np.full(len(sizes), 1 / len(sizes)), resamples)
        drawn = times @ right / (times @ sizes)
    low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def _wilson_interval(share: float, count: int, level: float) -> tuple[float, float]:
    """Wilson's interval of a share of `count` draws."""
    z2 = NormalDist().inv_cdf((1 + level) / 2) ** 2
    centre = (share + z2 / (2 * count)) / (1 + z2 / count)
    half = math.sqrt(z2 * (share * (1 - share) / count + z2 / (4 * count**2))) / (1 + z2 / count)
    # Of shares 0 and 1 the outer end is the share itself, but for rounding.
    return (
        0.0 if share == 0 else centre - half,
        1.0 if share == 1 else centre + half,
    )
