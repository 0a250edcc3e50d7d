"""The decoder of `locate` once more, in plain loops."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from har_edge.arrays import FloatArray
from har_train.people import decode as limits


def decode_maps(maps: Sequence[FloatArray]) -> FloatArray:
    """Make people of the six maps of one frame, (1, rows, columns, channels) each: (N, 56)."""
    center, size, middle, regress, heat, offset = (m[0].astype(np.float64) for m in maps)
    candidates = []
    for y, x in find_peaks(center[..., 0])[: limits.CANDIDATES]:
        cy, cx = np.array([y, x]) + middle[y, x]
        h, w = np.maximum(size[y, x], 0)
        box = [cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2]
        rows, columns = center.shape[:2]
        box = np.clip(box, 0, [columns, rows, columns, rows]) / [columns, rows, columns, rows]
        candidates.append((sigmoid(center[y, x, 0]), box, (y, x)))
    kept = [
        c
        for i, c in enumerate(candidates)
        if not any(overlap(c[1], better[1]) > limits.MAX_OVERLAP for better in candidates[:i])
    ]
    people = np.zeros((limits.MAX_PEOPLE, 56))
    for row, (score, box, cell) in zip(people, kept, strict=False):
        keypoints = [find_keypoint(k, cell, regress, heat, offset) for k in range(17)]
        row[:] = [score, *box, *np.concatenate(keypoints)]
    return people.astype(np.float32)


def sigmoid(x: float) -> float:
    return float(1 / (1 + np.exp(-x)))


def find_peaks(center: FloatArray) -> list[tuple[int, int]]:
    """Cells that are the highest of their neighbourhood, the best first."""
    n, reach = limits.NEIGHBOURS, limits.NEIGHBOURS // 2
    rows, columns = center.shape
    told_apart = np.array(
        [
            [center[y, x] + limits.TIE_STEP * (y % n * n + x % n) for x in range(columns)]
            for y in range(rows)
        ]
    )
    peaks = []
    for y in range(rows):
        for x in range(columns):
            top, left = max(0, y - reach), max(0, x - reach)
            if told_apart[y, x] >= told_apart[top : y + reach + 1, left : x + reach + 1].max():
                peaks.append((y, x))
    return sorted(peaks, key=lambda cell: (-center[cell], cell))


def overlap(a: FloatArray, b: FloatArray) -> float:
    """Intersection over union."""
    low, high = np.maximum(a[:2], b[:2]), np.minimum(a[2:], b[2:])
    common = np.prod(np.maximum(0, high - low))
    union = np.prod(a[2:] - a[:2]) + np.prod(b[2:] - b[:2]) - common
    return float(common / union) if union else 0.0


def find_keypoint(
    k: int, cell: tuple[int, int], regress: FloatArray, heat: FloatArray, offset: FloatArray
) -> tuple[float, float, float]:
    """x, y and score of one keypoint."""
    rows, columns = heat.shape[:2]
    start = np.array(cell) + regress[cell][2 * k : 2 * k + 2]
    middle = np.floor(start + 0.5).astype(int)
    best, value = (0, 0), -1.0
    for dy in range(-limits.REACH, limits.REACH + 1):
        for dx in range(-limits.REACH, limits.REACH + 1):
            y = min(max(middle[0] + dy, 0), rows - 1)
            x = min(max(middle[1] + dx, 0), columns - 1)
            away = (y - start[0]) ** 2 + (x - start[1]) ** 2
            here = sigmoid(heat[y, x, k]) * np.exp(-away / limits.SPREAD)
            if here > value:
                best, value = (y, x), here
    y, x = best
    exact_y, exact_x = np.array(best) + offset[y, x, 2 * k : 2 * k + 2]
    return (
        float(np.clip(exact_x, 0, columns) / columns),
        float(np.clip(exact_y, 0, rows) / rows),
        sigmoid(heat[y, x, k]),
    )
