"""What a file is made by, and what is tried instead."""

from __future__ import annotations

import itertools

import pytest

from har_convert.recipe import VARIANTS, Recipe, fallbacks
from har_edge.model.spec import Variant


def test_int8_falls_back_from_the_smallest_exception_to_none_at_all() -> None:
    tried = fallbacks(Recipe("int8"), ("expand", "head"))
    assert [str(recipe) for recipe in tried] == [
        "int8 with 2 sensitive layers in float",
        "int8 with classify in float",
        "int16",
        "dynamic",
        "float16",
    ]
    assert tried[0].float_layers == ("expand", "head")


def test_without_sensitive_layers_that_step_is_left_out() -> None:
    assert next(str(recipe) for recipe in fallbacks(Recipe("int8"), ())) == (
        "int8 with classify in float"
    )


@pytest.mark.parametrize(
    ("variant", "expected"),
    [
        ("onnx-int8", ["onnx-int8 with classify in float", "onnx"]),
        ("dynamic", ["float16"]),
        ("float32", []),
        ("float16", []),
        ("onnx", []),
    ],
)
def test_other_variants(variant: Variant, expected: list[str]) -> None:
    assert [str(recipe) for recipe in fallbacks(Recipe(variant), ("expand",))] == expected


@pytest.mark.parametrize("variant", VARIANTS)
def test_no_two_recipes_of_a_conversion_share_a_name(variant: Variant) -> None:
    recipes = [Recipe(variant), *fallbacks(Recipe(variant), ("expand",))]
    assert len({recipe.key for recipe in recipes}) == len(recipes)
    # Nothing is tried twice, and nothing falls back to itself.
    assert all(a != b for a, b in itertools.combinations(recipes, 2))


@pytest.mark.parametrize("variant", VARIANTS)
def test_files_of_a_recipe(variant: Variant) -> None:
    onnx = variant in ("onnx", "onnx-int8")
    expected = (".encode.onnx", ".classify.onnx") if onnx else (".tflite",)
    assert Recipe(variant).suffixes() == expected
