"""The gate that every file has to pass."""

from __future__ import annotations

from har_convert.recipe import Recipe
from har_convert.verify import Verification
from har_edge.model.spec import Variant

# Variants that are the same network in another format: what they may differ by at most.
EXACT: tuple[Variant, ...] = ("float32", "onnx")
MAX_DIFFERENCE = 1e-3


def reason_against(recipe: Recipe, result: Verification, max_accuracy_drop: float) -> str:
    """Why a file misses the gate; "" if it does not.

    Args:
        recipe: How it was made.
        result: How it compares with the Keras model.
        max_accuracy_drop: Most accuracy to lose, in points.
    """
    low, high = result.drop_interval
    expected = "" if result.held_out else "an expected "
    if result.drop > max_accuracy_drop:
        return (
            f"{recipe} loses {expected}{result.drop:.1f} points of accuracy (95 % "
            f"interval {low:.1f} to {high:.1f}), the gate is {max_accuracy_drop:g}"
        )
    if recipe.variant in EXACT and result.max_difference > MAX_DIFFERENCE:
        return (
            f"{recipe} should be the same network, but a probability differs by "
            f"{result.max_difference:.2g}"
        )
    return ""
