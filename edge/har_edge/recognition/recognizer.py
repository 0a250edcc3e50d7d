"""From frames to actions: encode each frame once, classify the last T feature vectors.

Streaming is exact. The window's probabilities are the same as if all T frames were
encoded again, at 1 / T of the cost, because a window shares nothing with the one before it
but feature vectors. No recurrent state is carried along.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from har_edge.errors import ShapeError
from har_edge.frames.preprocess import Pixels, resize_frame
from har_edge.model.file import read_model_file, resolve_model
from har_edge.model.runtimes import Backend, load_backend
from har_edge.model.spec import ClipSpec, ModelSpec
from har_edge.recognition.motion import MotionGate
from har_edge.sources.open import Frame

FloatArray = NDArray[np.float32]

# What is said in place of an action that the model is not sure of.
UNKNOWN = "unknown"


class Model:
    """A model file loaded into a runtime.

    Attributes:
        spec: What the file says of itself.
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
                f"{pixels.shape}. Use har_edge.frames.preprocess.resize_frame."
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
) -> Model:
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
    return Model(file.spec, file.path, file.size_bytes, runtime)


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


def resize_ahead(frame: Frame, clip: ClipSpec, *, keep_pixels: bool = True) -> Frame:
    """Bring a frame to the model's size, so that `Recognizer.push` need not; once is enough.

    Args:
        frame: What to bring there.
        clip: The model's size.
        keep_pixels: Whether the frame keeps its own pixels; else they are those for the model.
    """
    if frame.resized is not None:
        return frame
    started = time.perf_counter()
    resized = resize_frame(frame.pixels, clip)
    preprocess_ms = (time.perf_counter() - started) * 1e3
    pixels = frame.pixels if keep_pixels else resized
    return replace(frame, pixels=pixels, resized=resized, preprocess_ms=preprocess_ms)


def encode_ahead(frame: Frame, model: Model) -> Frame:
    """Encode a frame, so that `Recognizer.push` need not; once is enough."""
    if frame.features is not None:
        return frame
    frame = resize_ahead(frame, model.spec.clip)
    assert frame.resized is not None
    started = time.perf_counter()
    features = model.encode(frame.resized)
    return replace(frame, features=features, encode_ms=(time.perf_counter() - started) * 1e3)


@dataclass(frozen=True)
class Prediction:
    """What the model says of the window that ends with one frame.

    Attributes:
        source: Name of the source.
        frame: Number of the window's last frame in the source.
        timestamp_s: Its time in the source.
        probabilities: (C,), in the order of `labels`.
        labels: The model's labels, (C,).
        window_frames: Frames of this source in the window; fewer than T only where the
            whole source is shorter than a window.
        decode_ms, preprocess_ms, encode_ms, classify_ms: Time spent on this frame.
        age_ms: Live sources: time from capture to decision, else None.
        captured_at_s: Live sources: Unix time of capture, else None.
        rejected: Whether no action is claimed, because none is probable enough.
        reused_frame: With a motion gate: number of the earlier frame whose features stand for
            this one's, since nothing moved in between; None if it was encoded itself.
    """

    source: str
    frame: int
    timestamp_s: float
    probabilities: FloatArray
    labels: tuple[str, ...]
    window_frames: int
    decode_ms: float
    preprocess_ms: float
    encode_ms: float
    classify_ms: float
    age_ms: float | None = None
    captured_at_s: float | None = None
    rejected: bool = False
    reused_frame: int | None = None

    @property
    def encoded(self) -> bool:
        """Whether the frame itself was encoded."""
        return self.reused_frame is None

    @cached_property
    def action(self) -> str:
        """The most probable label, or `unknown` if it is not probable enough."""
        return UNKNOWN if self.rejected else self.labels[int(self.probabilities.argmax())]

    @cached_property
    def confidence(self) -> float:
        """The probability of the most probable label."""
        return float(self.probabilities.max())

    @property
    def latency_ms(self) -> float:
        """Total time spent on this frame."""
        return self.decode_ms + self.preprocess_ms + self.encode_ms + self.classify_ms

    def top(self, k: int) -> list[tuple[str, float]]:
        """The k most probable labels with their probabilities, best first."""
        order = np.argsort(-self.probabilities, kind="stable")[:k]
        return [(self.labels[i], float(self.probabilities[i])) for i in order]


class Recognizer:
    """Classifies a stream frame by frame with a ring of the last T feature vectors."""

    def __init__(self, model: Model, gate: MotionGate | None = None) -> None:
        """Set up an empty window.

        Args:
            model: What encodes and classifies.
            gate: Where given, features of still frames are reused; else all are encoded.
        """
        self.model = model
        self.gate = gate
        num_frames, size = model.spec.clip.num_frames, model.spec.feature_size
        # Every vector is stored twice, T apart, so that the last T always lie side by side
        # in order of time and the window is a view, never a copy.
        self._ring = np.zeros((2 * num_frames, size), dtype=np.float32)
        self.reset()

    def reset(self) -> None:
        """Empty the window; to be called between sources and after a gap."""
        self._count = 0
        self._last: Frame | None = None
        self._encoded: Frame | None = None
        if self.gate is not None:
            self.gate.reset()

    def push(self, frame: Frame, *, predict: bool = True) -> Prediction | None:
        """Take the next frame; give a prediction once the window is full.

        Args:
            frame: RGB pixels of any size; `timestamp_s` in the source's own time. After a gap
                the window starts anew.
            predict: Whether a prediction is wanted; without it the window only moves on.
        """
        if frame.after_gap:
            self.reset()
        frame = self._encode(frame)
        assert frame.features is not None
        self._store(frame.features)
        self._last = frame
        full = self._count >= self.model.spec.clip.num_frames
        return self._predict() if full and predict else None

    def _encode(self, frame: Frame) -> Frame:
        """Give the frame with features: its own, or with a gate those of an earlier one."""
        last = self._encoded
        if self.gate is not None:
            frame = resize_ahead(frame, self.model.spec.clip)
            assert frame.resized is not None
            moved = self.gate.needs_encoding(frame.resized, frame.timestamp_s)
            if last is not None and not moved:
                return replace(frame, features=last.features)
        self._encoded = encode_ahead(frame, self.model)
        return self._encoded

    def flush(self) -> Prediction | None:
        """End the source: one prediction if it was shorter than a window, else None.

        The missing frames before its start are filled with its first, as in training.
        """
        num_frames = self.model.spec.clip.num_frames
        if self._last is None or self._count >= num_frames:
            return None
        count = self._count
        real = self._ring[:count].copy()
        self._count = 0
        for vector in [real[0]] * (num_frames - count) + list(real):
            self._store(vector)
        return self._predict(window_frames=count)

    def _store(self, features: FloatArray) -> None:
        num_frames = self.model.spec.clip.num_frames
        slot = self._count % num_frames
        self._ring[slot] = self._ring[slot + num_frames] = features
        self._count += 1

    def _predict(self, window_frames: int | None = None) -> Prediction:
        assert self._last is not None and self._encoded is not None
        frame, encoded = self._last, self._encoded
        num_frames = self.model.spec.clip.num_frames
        oldest = self._count % num_frames
        started = time.perf_counter()
        probabilities = self.model.classify(self._ring[oldest : oldest + num_frames])
        classify_ms = (time.perf_counter() - started) * 1e3
        captured_s = frame.captured_s
        age_s = None if captured_s is None else time.monotonic() - captured_s
        return Prediction(
            source=frame.source,
            frame=frame.index,
            timestamp_s=frame.timestamp_s,
            probabilities=probabilities,
            labels=self.model.spec.labels,
            window_frames=num_frames if window_frames is None else window_frames,
            decode_ms=frame.decode_ms,
            preprocess_ms=frame.preprocess_ms,
            encode_ms=frame.encode_ms,
            classify_ms=classify_ms,
            age_ms=None if age_s is None else age_s * 1e3,
            captured_at_s=None if age_s is None else time.time() - age_s,
            reused_frame=None if encoded is frame else encoded.index,
        )
