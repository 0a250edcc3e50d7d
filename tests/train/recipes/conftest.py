"""Recipes are scripts, not modules: they are loaded by their names."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

RECIPES = Path(__file__).parents[3] / "train" / "recipes"

LoadRecipe = Callable[[str], ModuleType]


@pytest.fixture(scope="session")
def load_recipe() -> LoadRecipe:
    """Load a recipe by its name, without running it."""

    def load(name: str) -> ModuleType:
        if str(RECIPES) not in sys.path:
            sys.path.append(str(RECIPES))  # as when a recipe is run: some use others
        spec = importlib.util.spec_from_file_location(f"recipe_{name}", RECIPES / f"{name}.py")
        assert spec
        assert spec.loader
        module = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = module
        spec.loader.exec_module(module)
        return module

    return load
