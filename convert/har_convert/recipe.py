"""How a network is to be written: the variants, and the exceptions that a fallback makes."""

from __future__ import annotations

from dataclasses import dataclass, replace

from har_edge.model.file import ONNX_SUFFIXES
from har_edge.model.spec import Variant

VARIANTS: tuple[Variant, ...] = ("float32", "float16", "dynamic", "int8", "onnx", "onnx-int8")
# Those whose activations have fixed ranges, taken from calibration frames.
CALIBRATED: tuple[Variant, ...] = ("int8", "int16", "onnx-int8")


@dataclass(frozen=True)
class Recipe:
    """One file to make.

    Attributes:
        variant: Numeric form.
        float_layers: Layers of the encoder that stay in float besides the stem.
        float_classify: Whether the whole temporal head stays in float.
    """

    variant: Variant
    float_layers: tuple[str, ...] = ()
    float_classify: bool = False

    def suffixes(self, *, encodes: bool = True) -> tuple[str, ...]:
        """What the names of a model's files end with, `encode` first, if it has one."""
        if not self.variant.startswith("onnx"):
            return (".tflite",)
        return ONNX_SUFFIXES if encodes else ONNX_SUFFIXES[1:]

    @property
    def key(self) -> str:
        """A name for it that no other recipe of one conversion has."""
        return f"{self.variant}-{len(self.float_layers)}-{int(self.float_classify)}"

    def __str__(self) -> str:
        exceptions = []
        if self.float_layers:
            exceptions.append(f"{len(self.float_layers)} sensitive layers in float")
        if self.float_classify:
            exceptions.append("classify in float")
        return self.variant + (f" with {' and '.join(exceptions)}" if exceptions else "")


def fallbacks(
    recipe: Recipe, sensitive_layers: tuple[str, ...], *, encodes: bool = True
) -> list[Recipe]:
    """What to try instead of a recipe that misses the gate, the best first.

    Args:
        recipe: That one.
        sensitive_layers: Layers whose rounding costs most; may be empty.
        encodes: Whether the model has `encode`; else nothing is left of it with `classify` in
            float.
    """
    if recipe.variant == "onnx-int8":
        return [*([replace(recipe, float_classify=True)] if encodes else []), Recipe("onnx")]
    if recipe.variant == "dynamic":
        return [Recipe("float16")]
    if recipe.variant != "int8":
        return []
    first = [replace(recipe, float_layers=sensitive_layers)] if sensitive_layers else []
    return [
        *first,
        *([replace(recipe, float_classify=True)] if encodes else []),
        Recipe("int16"),
        Recipe("dynamic"),
        Recipe("float16"),
    ]
