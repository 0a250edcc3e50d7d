"""The recipe that blends two backbones: the file it writes lies between both."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from click.testing import CliRunner

from tests.train.recipes.conftest import LoadRecipe

pytest.importorskip("tensorflow")
pytestmark = pytest.mark.train


@pytest.fixture(scope="module")
def recipe(load_recipe: LoadRecipe) -> ModuleType:
    return load_recipe("blend_weights")


def test_blend_lies_between_both_files(recipe: ModuleType, tmp_path: Path) -> None:
    paths = [str(tmp_path / f"{name}.weights.h5") for name in ("start", "tuned", "blend")]
    start, tuned = (recipe.load_backbone("none") for _ in range(2))
    for model, path in zip((start, tuned), paths, strict=False):
        model.save_weights(path)
    result = CliRunner().invoke(recipe.main, [*paths, "--share", "0.25"], catch_exceptions=False)
    assert result.exit_code == 0
    blend = recipe.load_backbone(paths[2])
    triples = zip(start.get_weights(), tuned.get_weights(), blend.get_weights(), strict=True)
    kernels = 0
    for before, after, between in triples:
        np.testing.assert_allclose(between, 0.75 * before + 0.25 * after, rtol=1e-5, atol=1e-7)
        kernels += not np.array_equal(before, after)
    assert kernels > 50  # the comparison is of different networks


def test_a_name_that_keras_would_refuse_is_refused_first(recipe: ModuleType) -> None:
    result = CliRunner().invoke(recipe.main, ["gone.weights.h5", "gone.keras", "blend.h5"])
    assert result.exit_code == 2
    assert "ends in .weights.h5. Received blend.h5" in result.output
