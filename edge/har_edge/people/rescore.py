"""A second look at what `locate` finds: do its joints look like those of a person?

Bricks, chairs or a black picture have spots that look like somebody's middle. The joints around
such a spot are unlikely, or lie where the box does not. A logistic regression on both gives the
score anew; whoever trains the network fits it, and it travels in the file's spec
(`PeopleSpec.rescore`).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from har_edge.arrays import FloatArray
from har_edge.model.people_spec import RESCORE_WEIGHTS

NUM_JOINTS = 17
# What the network itself is less sure of is nobody, however likely the joints are.
LEAST_SCORE = 0.25
# Odds are taken of scores in this range; sizes below `SMALLEST` of the picture count as that.
LEAST, MOST = 1e-3, 1 - 1e-3
SMALLEST = 1e-2
# Odds further from even than this are certainty, and their powers would overflow.
MOST_ODDS = 50.0
# Ranks of the joints, the likeliest first, whose scores say how much of somebody is seen.
RANKS = (0, 4, 9)
# A joint lies in a box if it is no further outside than this share of the picture.
BESIDE = 0.05
# Numbers of a find that are weighed: see `describe`.
NUM_FEATURES = RESCORE_WEIGHTS - 1


def describe(rows: FloatArray, aspect: float) -> NDArray[np.float64]:
    """What a find looks like, in numbers.

    Args:
        rows: Finds, (N, 56): score; left, top, right, bottom; 17 times x, y, score; in fractions of
            the picture.
        aspect: Width of the picture over its height.

    Returns:
        (N, NUM_FEATURES): log-odds of the score, of the joints of some ranks and of their mean;
        logarithms of the box's area and shape; share of joints inside it; logarithms of how far
        joints spread in it, across and down.
    """
    values = rows.astype(np.float64)
    joints = values[:, 5:].reshape(-1, NUM_JOINTS, 3)
    left, top, right, bottom = (np.clip(values[:, [i]], 0, 1) for i in range(1, 5))
    wide, high = (np.maximum(side, SMALLEST) for side in (right - left, bottom - top))
    x, y, scores = (joints[..., i] for i in range(3))
    ranked = -np.sort(-scores, axis=1)[:, RANKS]
    inside = (x >= left - BESIDE) & (x <= right + BESIDE)
    inside &= (y >= top - BESIDE) & (y <= bottom + BESIDE)
    spread = [np.maximum(np.ptp(p, axis=1, keepdims=True), SMALLEST) for p in (x, y)]
    return np.concatenate(
        [
            _log_odds(values[:, :1]),
            _log_odds(ranked),
            _log_odds(scores.mean(axis=1, keepdims=True)),
            np.log(wide * high),
            np.log(aspect * wide / high),
            inside.mean(axis=1, keepdims=True),
            np.log(spread[0] / wide),
            np.log(spread[1] / high),
        ],
        axis=1,
    )


def rescore(rows: FloatArray, aspect: float, weights: Sequence[float]) -> FloatArray:
    """Give finds the scores that a second look gives them.

    Args:
        rows, aspect: As for `describe`.
        weights: Bias, then one weight a feature; none leaves the scores as they are.

    Returns:
        Those finds that the network gave `LEAST_SCORE` or more, the best first; the score of one
        that has something else than numbers is none either.
    """
    if not weights or not len(rows):
        return rows
    bias, *others = weights
    rows = rows[rows[:, 0] >= LEAST_SCORE]
    finite = np.isfinite(rows).all(axis=1)
    with np.errstate(invalid="ignore"):
        odds = describe(rows, aspect) @ np.array(others) + bias
    odds[~finite] = np.nan
    scored = rows.copy()
    scored[:, 0] = 1 / (1 + np.exp(-np.clip(odds, -MOST_ODDS, MOST_ODDS)))
    return scored[np.argsort(-scored[:, 0], kind="stable")]


def _log_odds(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    clipped = np.clip(scores, LEAST, MOST)
    odds: NDArray[np.float64] = np.log(clipped / (1 - clipped))
    return odds
