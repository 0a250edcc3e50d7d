"""Near-duplicates among thousands of files, without a Python loop over pairs.

Two files look alike if, frame by frame, their perceptual hashes differ in few bits and
their thumbnails correlate. The hash finds candidates fast; alone it would also join pictures
that merely share a composition. The correlation sets those apart, and unlike a difference
of pixels it forgives another brightness or tint. Clips of one fixed camera may look alike too:
a model can know the room again as well as the action.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from har_edge.arrays import Pixels

# Chosen by eye on the 15-class stills: of 11,100 photos, all pairs within both limits that were
# not the same bytes showed one photo or one photo session; below 0.8 different photos begin.
MAX_DISTANCE_BITS = 8
MIN_CORRELATION = 0.8
# Below this contrast a thumbnail shows nothing that could be compared.
MIN_CONTRAST = 2.0
BLOCK_ROWS = 512
# Candidates compared at a time: bounds memory where thousands of files are alike.
BLOCK_PAIRS = 20_000


@dataclass(frozen=True)
class Pair:
    """Two files that look alike, by their numbers; `first` < `second`.

    Attributes:
        first, second: Row numbers.
        distance_bits: Most bits in which the hashes of a frame differ.
    """

    first: int
    second: int
    distance_bits: int


def find_lookalikes(
    hashes: NDArray[np.bool_],
    thumbnails: Pixels,
    sides: NDArray[np.intp],
    groups: NDArray[np.intp],
) -> list[Pair]:
    """Find for every file its closest earlier lookalike on each side.

    Only the closest is kept, so that a hundred copies give 99 pairs rather than 4,950.

    Args:
        hashes: (N, F, 64), F frames a file.
        thumbnails: (N, F, S, S, 3).
        sides: Number of each file's split, (N,).
        groups: Number of each file's group, (N,); files of one group are not compared.

    Returns:
        Pairs by `second`, then by the side of `first`.
    """
    count, frames = hashes.shape[:2]
    # Of 64 signs, a product of 64 - 2 d means that d differ.
    signs = (2.0 * hashes - 1).astype(np.float32)
    patterns = _standardise(thumbnails)
    found = []
    for start in range(0, count, BLOCK_ROWS):
        stop = min(count, start + BLOCK_ROWS)
        distance = np.zeros((stop - start, stop), np.float32)
        for f in range(frames):
            products = signs[start:stop, f] @ signs[:stop, f].T
            np.maximum(distance, (hashes.shape[2] - products) / 2, out=distance)
        close = (distance <= MAX_DISTANCE_BITS) & (groups[start:stop, None] != groups[:stop])
        second, first = np.nonzero(np.tril(close, start - 1))
        alike = _correlated(patterns, first, second + start)
        second, first = second[alike], first[alike]
        found += list(_closest(first, second + start, distance[second, first], sides))
    return found


def _standardise(thumbnails: Pixels) -> NDArray[np.float32]:
    """Give every thumbnail mean 0 and standard deviation 1: (N, F, S * S * 3)."""
    values = thumbnails.reshape(*thumbnails.shape[:2], -1).astype(np.float32)
    values -= values.mean(axis=2, keepdims=True)
    values /= np.maximum(values.std(axis=2, keepdims=True), MIN_CONTRAST)
    return values


def _correlated(
    patterns: NDArray[np.float32], first: NDArray[np.intp], second: NDArray[np.intp]
) -> NDArray[np.bool_]:
    """Say which pairs correlate in every frame, (P,)."""
    alike = np.zeros(len(first), np.bool_)
    for start in range(0, len(first), BLOCK_PAIRS):
        part = slice(start, start + BLOCK_PAIRS)
        correlation = (patterns[first[part]] * patterns[second[part]]).mean(axis=2)
        alike[part] = correlation.min(axis=1) >= MIN_CORRELATION
    return alike


def _closest(
    first: NDArray[np.intp],
    second: NDArray[np.intp],
    distance: NDArray[np.float32],
    sides: NDArray[np.intp],
) -> Iterator[Pair]:
    """Keep, for every second file and side, the pair of least distance, earliest first."""
    order = np.lexsort((first, distance, sides[first], second))
    first, second, distance = first[order], second[order], distance[order]
    keys = np.stack([second, sides[first]], axis=1)
    new = np.ones(len(keys), np.bool_)
    new[1:] = (keys[1:] != keys[:-1]).any(axis=1)
    for i, j, bits in zip(first[new], second[new], distance[new], strict=True):
        yield Pair(int(i), int(j), int(bits))
