"""A model file loaded into a runtime: pixels to features, features to probabilities."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from har_edge.arrays import FloatArray, Pixels
from har_edge.errors import ShapeError
from har_edge.model.file import read_model_file, resolve_model
from har_edge.model.runtimes import Backend, load_backend
from har_edge.model.spec import ModelSpec


class LoadedModel:
    """A model file loaded into a runtime.

    Attributes:
        spec: What the file says about itself.
        path: Where it came from.
        size_bytes: Size of the file.
        backend: The runtime that holds it.
    """

    def __init__(self, spec: ModelSpec, path: Path, size_bytes: int, backend: Backend) -> None:
        self.spec = spec
        self.path = path
        self.size_bytes = size_bytes
        self.backend = backend

    def encode(self, pixels: Pixels) -> FloatArray:
        """Encode one preprocessed frame, (H, W, 3) uint8, to its features, (D,)."""
        if pixels.shape != self.spec.clip.frame_shape:
            raise ShapeError(
                f"encode takes frames of shape {self.spec.clip.frame_shape}. Received "
                f"{pixels.shape}. Resize them with har_edge.frames.preprocess.resize_frame."
            )
        return np.asarray(self.backend.encode(pixels[np.newaxis])[0], dtype=np.float32)

    def classify(self, window: FloatArray) -> FloatArray:
        """Classify feature vectors in order of time, (T, D), to probabilities, (C,)."""
        expected = (self.spec.clip.num_frames, self.spec.feature_size)
        if window.shape != expected:
            raise ShapeError(
                f"classify takes features of shape {expected}. Received {window.shape}."
            )
        probabilities = np.asarray(self.backend.classify(window[np.newaxis])[0], dtype=np.float32)
        return apply_temperature(probabilities, self.spec.temperature)

    def classify_clip(self, frames: Pixels) -> FloatArray:
        """Encode and classify a whole window at once, (T, H, W, 3) uint8, to (C,)."""
        return self.classify(np.stack([self.encode(frame) for frame in frames]))


def load_model(
    model: str | os.PathLike[str] | None = None, *, backend: str = "auto", num_threads: int = 1
) -> LoadedModel:
    """Load a model file.

    Args:
        model: `har15`, `clips`, the path of a .tflite file or of one of an ONNX pair, or None
            for the default.
        backend: `auto`, `litert`, `tflite-runtime` or `onnxruntime`.
        num_threads: Threads of the runtime.

    Raises:
        ModelFileError: if the file is missing, damaged or not one of ours.
        BackendError: if no runtime is there or it refuses the model.
    """
    file = read_model_file(resolve_model(model))
    runtime = load_backend(file.networks, backend=backend, num_threads=num_threads)
    return LoadedModel(file.spec, file.path, file.size_bytes, runtime)


def apply_temperature(probabilities: FloatArray, temperature: float) -> FloatArray:
    """Soften (temperature > 1) or sharpen probabilities, (..., C); 1 leaves them as they are.

    Source: Guo et al., On Calibration of Modern Neural Networks (2017), section 4.2; applied
    to log-probabilities, which differ from the logits by a constant that softmax removes.
    """
    if temperature == 1.0:
        return probabilities
    logs = np.log(np.maximum(probabilities, np.finfo(np.float32).tiny)) / temperature
    powers = np.exp(logs - logs.max(axis=-1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=-1, keepdims=True), dtype=np.float32)
