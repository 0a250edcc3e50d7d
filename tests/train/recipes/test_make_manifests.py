"""The manifest of `clips`: what a training fall begins with is no fall."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from har_edge.datasets import Sample
from har_train.dataset.samples import load_dataset
from tests.train.recipes.conftest import LoadRecipe

pytest.importorskip("sklearn")


@pytest.mark.train
def test_the_first_frame_of_a_training_fall_is_other(
    load_recipe: LoadRecipe, tmp_path: Path
) -> None:
    recipe = load_recipe("make_manifests")
    samples = []
    for split, label in (("train", "falling"), ("test", "falling"), ("train", "other")):
        path = tmp_path / f"{split}-{label}.mp4"
        path.touch()
        samples.append(Sample(path, label, path.stem, split))
    held = recipe.beginnings(samples)
    recipe.write([*samples, *held], tmp_path, tmp_path / "all.csv")
    found = load_dataset(tmp_path / "all.csv", tmp_path)
    spans = {(s.path.stem, s.label, s.split, s.end_s) for s in found}
    assert spans == {
        ("train-falling", "falling", "train", math.inf),
        ("test-falling", "falling", "test", math.inf),
        ("train-other", "other", "train", math.inf),
        ("train-falling", "other", "train", recipe.ONE_FRAME_S),
    }
