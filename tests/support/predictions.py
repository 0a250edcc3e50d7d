"""Predictions made up for tests, and their means by plain loops."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from har_train.reports.predictions import SplitPredictions


def random_predictions(seed: int, clips: int = 30, classes: int = 7) -> SplitPredictions:
    random = np.random.default_rng(seed)
    windows = random.integers(1, 6, clips)
    clip_of = np.repeat(np.arange(clips), windows)
    return SplitPredictions(
        paths=[Path(f"{i}.mp4") for i in range(clips)],
        targets=random.integers(0, classes, clips),
        probabilities=random.dirichlet(np.ones(classes), len(clip_of)).astype(np.float32),
        clip_of=clip_of,
        first_frames=np.zeros(len(clip_of), np.intp),
    )


def plain_per_clip(predictions: SplitPredictions) -> list[list[float]]:
    means = []
    for clip in range(len(predictions.targets)):
        rows = [
            [float(p) for p in row]
            for row, of in zip(predictions.probabilities, predictions.clip_of, strict=True)
            if of == clip
        ]
        means.append([sum(column) / len(rows) for column in zip(*rows, strict=True)])
    return means
