"""The golden clip: fixed pixels to a fixed tensor to fixed probabilities, on any machine.

A model without `encode` gets a golden window instead: rows that are drawn by a formula, too.

The pixels are drawn by a formula in integers. Resizing is exact integer arithmetic, so the
tensor must be equal to the bit. Kernels of other processors and runtimes round differently;
probabilities may differ by `TOLERANCE`, and the most probable action may not.

Beside the bundled models, one small network is run in every variant: a runtime may be right with
int8 files and wrong with others. It is untrained and its actions mean nothing, so that only the
difference counts, but being small it differs less.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np

from har_edge.arrays import FloatArray, Pixels
from har_edge.frames.preprocess import resize_frame
from har_edge.model.file import ONNX_SUFFIXES
from har_edge.model.loaded import LoadedModel
from har_edge.model.spec import Variant

BUNDLED_FOLDER = Path(__file__).parents[1] / "model" / "bundled"
GOLDEN = BUNDLED_FOLDER / "golden.json"
# What one small network is bundled in.
TFLITE_VARIANTS: tuple[Variant, ...] = ("float32", "float16", "dynamic", "int8")
ONNX_VARIANTS: tuple[Variant, ...] = ("onnx", "onnx-int8")
HEIGHT, WIDTH = 360, 480  # like a camera's, so that both steps of the resize rule are used
# Across, down, radius, colour: of 60 pictures that were tried the one of which har15 is surest, so
# that rounding does not decide its answer.
DISCS = (
    (112, 317, 64, (0, 59, 55)),
    (260, 230, 24, (138, 94, 40)),
    (96, 103, 21, (0, 152, 49)),
)
# int8 files differ so much between runtimes at most on nearly all held-out windows; see
# benchmarks/reference/across-runtimes-*.json for the rest.
TOLERANCE = 0.05
# Of the small network: float files differ by the order of sums, float16 by what a runtime computes
# in half precision, quantized ones by a few steps of 1/256.
VARIANT_TOLERANCES: dict[Variant, float] = {
    "float32": 0.001,
    "float16": 0.01,
    "dynamic": 0.03,
    "int8": 0.03,
    "onnx": 0.001,
    "onnx-int8": 0.03,
}
TIMED_FRAMES = 10


@dataclass(frozen=True)
class GoldenResult:
    """How a machine compares with the one that the numbers were taken on.

    Attributes:
        same_tensor: Whether resizing gave the same pixels, to the bit.
        same_action: Whether the most probable action is the same.
        difference: Largest difference of a probability.
        frame_ms: Median time of one frame on this machine: of `encode`, or of `classify` where a
            model has nothing else.
    """

    same_tensor: bool
    same_action: bool
    difference: float
    frame_ms: float

    @property
    def passed(self) -> bool:
        """Whether all of it is as it should be."""
        return self.same_tensor and self.same_action and self.difference <= TOLERANCE


def variant_model(variant: Variant) -> Path:
    """The small network in a variant of `TFLITE_VARIANTS` or `ONNX_VARIANTS`."""
    suffix = ONNX_SUFFIXES[0] if variant in ONNX_VARIANTS else ".tflite"
    return BUNDLED_FOLDER / "golden" / f"tiny-{variant}{suffix}"


def golden_key(model: LoadedModel) -> str:
    """The name of a model's numbers among the golden ones."""
    return f"{model.spec.name}-{model.spec.variant}"


def draw_frames(count: int) -> Pixels:
    """Discs that move over a gradient, (count, 360, 480, 3) RGB uint8, by integers alone."""
    y, x = np.ogrid[:HEIGHT, :WIDTH]
    frames = np.empty((count, HEIGHT, WIDTH, 3), np.uint8)
    for t, frame in enumerate(frames):
        frame[..., 0] = x * 129 // WIDTH
        frame[..., 1] = y * 41 // HEIGHT
        frame[..., 2] = (x + 2 * y) // 8 % 64 + 109
        for across, down, radius, colour in DISCS:
            frame[(x - across - 5 * t) ** 2 + (y - down + 3 * t) ** 2 < radius**2] = colour
    return frames


def draw_rows(count: int, size: int) -> FloatArray:
    """Eighths from -1 to 1, (count, size), float32, each of them exact."""
    t, column = np.ogrid[:count, :size]
    return np.asarray((3 * t + 7 * column + t * column) % 17 - 8, np.float32) / np.float32(8)


def golden_numbers(model: LoadedModel) -> dict[str, object]:
    """What this machine makes of the golden clip, as plain values to be stored."""
    tensor, probabilities, _ = _run(model)
    return {
        "model_sha256": model.spec.model_sha256,
        "tensor_sha256": hashlib.sha256(tensor.tobytes()).hexdigest(),
        "probabilities": [round(float(p), 6) for p in probabilities],
    }


def check_golden(model: LoadedModel) -> GoldenResult | None:
    """Run the golden clip; None if there are no numbers for this model file."""
    known = json.loads(GOLDEN.read_text(encoding="utf-8")).get(golden_key(model))
    if known is None or known["model_sha256"] != model.spec.model_sha256:
        return None
    tensor, probabilities, frame_ms = _run(model)
    expected = np.array(known["probabilities"])
    return GoldenResult(
        same_tensor=hashlib.sha256(tensor.tobytes()).hexdigest() == known["tensor_sha256"],
        same_action=bool(probabilities.argmax() == expected.argmax()),
        difference=float(np.abs(probabilities - expected).max()),
        frame_ms=frame_ms,
    )


def _run(model: LoadedModel) -> tuple[Pixels | FloatArray, FloatArray, float]:
    clip = model.spec.clip
    if not model.spec.encodes:
        rows = draw_rows(clip.num_frames, model.spec.row_size)
        return rows, model.classify(rows), _median_ms(lambda: model.classify(rows))
    tensor = np.stack([resize_frame(frame, clip) for frame in draw_frames(clip.num_frames)])
    probabilities = model.classify_clip(tensor)
    return tensor, probabilities, _median_ms(lambda: model.encode(tensor[0]))


def _median_ms(call: Callable[[], object]) -> float:
    times_ms = []
    for _ in range(TIMED_FRAMES):
        started = time.perf_counter()
        call()
        times_ms.append((time.perf_counter() - started) * 1e3)
    return median(times_ms)
