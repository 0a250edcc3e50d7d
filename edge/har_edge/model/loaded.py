"""A model file loaded into a runtime: pixels to features, features to probabilities."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from har_edge.arrays import FloatArray, Pixels
from har_edge.errors import BackendError, ModelFileError, ShapeError
from har_edge.model.file import ModelFile, read_model_file, resolve_model
from har_edge.model.runtimes import (
    Backend,
    OnnxBackend,
    TfliteBackend,
    encode_nothing,
    load_backend,
)
from har_edge.model.spec import ModelSpec
from har_edge.model.tensors import RENEW, Array, Shape
from har_edge.paths import display_path


class LoadedModel:
    """A model file loaded into a runtime.

    Attributes:
        spec: What the file says about itself.
        path: Where it came from.
        size_bytes: Size of the file.
        backend: The runtime that holds it.
        num_classes: Probabilities that the network gives; fewer than labels if some were taught.
    """

    def __init__(self, spec: ModelSpec, path: Path, size_bytes: int, backend: Backend) -> None:
        self.spec = spec
        self.path = path
        self.size_bytes = size_bytes
        self.backend = backend
        self.num_classes = len(spec.labels)

    def encode(self, pixels: Pixels) -> FloatArray:
        """Encode one preprocessed frame, (H, W, 3) uint8, to its features, (D,).

        Raises:
            ShapeError: if the frame is of another size.
            BackendError: if the model has no `encode`, the network fails, or its answer is not
                finite.
        """
        if not self.spec.encodes:
            encode_nothing(pixels)
        if pixels.shape != self.spec.clip.frame_shape:
            raise ShapeError(
                f"encode takes frames of shape {self.spec.clip.frame_shape}. Received "
                f"{pixels.shape}. Resize them with har_edge.frames.preprocess.resize_frame."
            )
        return _answer("encode", self.backend.encode(pixels[np.newaxis]), self.spec.feature_size)

    def classify(self, window: FloatArray) -> FloatArray:
        """Classify feature vectors in order of time, (T, D'), to probabilities, (C,).

        Raises:
            ShapeError: if the window is of another size.
            BackendError: if the network fails, or its answer is not finite.
        """
        expected = (self.spec.clip.num_frames, self.spec.row_size)
        if window.shape != expected:
            raise ShapeError(
                f"classify takes features of shape {expected}. Received {window.shape}."
            )
        rows = self.backend.classify(window[np.newaxis])
        probabilities = _answer("classify", rows, self.num_classes)
        return apply_temperature(probabilities, self.spec.temperature)

    def classify_clip(self, frames: Pixels) -> FloatArray:
        """Encode and classify a whole window at once, (T, H, W, 3) uint8, to (C,)."""
        return self.classify(np.stack([self.encode(frame) for frame in frames]))


def load_model(
    model: str | os.PathLike[str] | None = None, *, backend: str = "auto", num_threads: int = 1
) -> LoadedModel:
    """Load a model file.

    Args:
        model: `har15`, `clips`, the path of a .tflite file, of one of an ONNX pair or of a
            folder with one model, or None for the default.
        backend: `auto`, `litert`, `tflite-runtime` or `onnxruntime`.
        num_threads: Threads of the runtime.

    Raises:
        ModelFileError: if the file is missing, damaged or not one of ours.
        BackendError: if no runtime is there or it refuses the model.
    """
    file = read_model_file(resolve_model(model))
    return load_file(file, backend=backend, num_threads=num_threads)


def load_file(file: ModelFile, *, backend: str = "auto", num_threads: int = 1) -> LoadedModel:
    """Load a model file that was read; arguments and errors as for `load_networks`."""
    runtime = load_networks(file, backend=backend, num_threads=num_threads)
    return LoadedModel(file.spec, file.path, file.size_bytes, runtime)


def load_networks(
    file: ModelFile, *, backend: str = "auto", num_threads: int = 1
) -> TfliteBackend | OnnxBackend:
    """Load the networks of a file, and compare them with what its spec says.

    Args:
        file: As `read_model_file` gives it.
        backend, num_threads: As for `load_model`.

    Raises:
        ModelFileError: if spec and network differ.
        BackendError: if no runtime is there or it refuses the model.
    """
    spec, clip = file.spec, file.spec.clip
    window = (1, clip.num_frames, spec.row_size)
    expected: dict[str, tuple[Shape, Shape]] = {"classify": (window, (1, len(spec.labels)))}
    if spec.encodes:
        frame = (1, *clip.frame_shape)
        expected = {"encode": (frame, (1, spec.feature_size)), **expected}
    runtime = load_backend(
        file.networks, backend=backend, num_threads=num_threads, signatures=tuple(expected)
    )
    for signature, shapes in expected.items():
        for shape, found in zip(shapes, runtime.shapes[signature], strict=True):
            same = len(shape) == len(found)
            if not same or any(n not in (-1, m) for n, m in zip(found, shape, strict=True)):
                raise ModelFileError(
                    f"{display_path(file.path)}: by its spec, {signature} has a tensor of shape "
                    f"{shape}. Received a network with {found}. {RENEW}"
                )
    return runtime


def _answer(signature: str, rows: Array, size: int) -> FloatArray:
    """Take the one row that a network gave, (1, size), and check it."""
    row = np.asarray(rows[0], dtype=np.float32)
    if row.shape != (size,):
        raise BackendError(
            f"{signature} should give {size} numbers. Received shape {row.shape}. {RENEW}"
        )
    if not np.isfinite(row).all():
        raise BackendError(f"{signature} should give finite numbers. Received others. {RENEW}")
    return row


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
