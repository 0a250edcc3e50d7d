"""The bundled int8 files keep their word on the held-out files, which the repository lacks."""

from __future__ import annotations

import csv
from itertools import groupby
from pathlib import Path

import numpy as np
import pytest

from har_edge.model.loaded import load_model
from har_edge.run_folder import bundled_folder
from har_edge.sources.clips import load_frames


@pytest.mark.data
@pytest.mark.parametrize("step", [4, pytest.param(1, marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", ["har15", "clips"])
def test_int8_agrees_with_keras(name: str, step: int, data_dir: Path) -> None:
    """Same top-1 as the Keras model recorded, on at least 97 % of windows; of each STEPth file."""
    model = load_model(name, num_threads=2)
    with (bundled_folder(name) / "predictions.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    same = []
    files = [(path, list(group)) for path, group in groupby(rows, key=lambda row: row["path"])]
    chosen = files[::step]
    for path, group in chosen:
        frames = load_frames(data_dir / path, model.spec.clip)
        features = np.stack([model.encode(frame) for frame in frames])
        for row in group:
            window = np.maximum(0, int(row["first_frame"]) + np.arange(model.spec.clip.num_frames))
            label = model.spec.labels[int(model.classify(features[window]).argmax())]
            same.append(label == row["action"])
    assert len(same) == sum(len(group) for _, group in chosen) > 1000 / step
    assert np.mean(same) >= 0.97
