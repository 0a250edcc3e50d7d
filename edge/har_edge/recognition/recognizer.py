"""From frames to actions: encode each frame once, classify the last T feature vectors.

Streaming is exact. The window's probabilities are the same as if all T frames were
encoded again, at 1 / T of the cost, because a window shares nothing with the one before it
but feature vectors. No recurrent state is carried along.
"""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np

from har_edge.arrays import FloatArray
from har_edge.frames.frame import Frame
from har_edge.model.loaded import LoadedModel
from har_edge.recognition.ahead import encode_ahead, resize_ahead
from har_edge.recognition.motion import MotionGate
from har_edge.recognition.prediction import Prediction


class Recognizer:
    """Classifies a stream frame by frame with a ring of the last T feature vectors."""

    def __init__(self, model: LoadedModel, gate: MotionGate | None = None) -> None:
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
