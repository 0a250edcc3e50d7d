"""From frames to actions: encode each frame once, classify the last T feature vectors.

Streaming is exact. The window's probabilities are the same as if all T frames were
encoded again, at 1 / T of the cost, because a window shares nothing with the one before it
but feature vectors. No recurrent state is carried along.
"""

from __future__ import annotations

import time
from dataclasses import replace

from har_edge.frames.frame import Frame
from har_edge.frames.preprocess import resize_frame
from har_edge.model.loaded import LoadedModel
from har_edge.model.spec import ClipSpec
from har_edge.recognition.look import Seen, prediction_for
from har_edge.recognition.motion import MotionGate
from har_edge.recognition.prediction import Prediction
from har_edge.recognition.window import Window


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


def encode_ahead(frame: Frame, model: LoadedModel) -> Frame:
    """Encode a frame, so that `Recognizer.push` need not; once is enough."""
    if frame.features is not None:
        return frame
    frame = resize_ahead(frame, model.spec.clip)
    assert frame.resized is not None
    started = time.perf_counter()
    features = model.encode(frame.resized)
    return replace(frame, features=features, encode_ms=(time.perf_counter() - started) * 1e3)


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
        self._window = Window(model.spec.clip.num_frames, model.spec.feature_size)
        self.reset()

    def reset(self) -> None:
        """Empty the window; to be called between sources and after a gap."""
        self._window.clear()
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
        self._window.add(frame.features)
        self._last = frame
        return self._predict() if self._window.full and predict else None

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
        if self._last is None or self._window.full:
            return None
        return self._predict(window_frames=self._window.fill())

    def _predict(self, window_frames: int | None = None) -> Prediction:
        assert self._last is not None and self._encoded is not None
        frame, encoded = self._last, self._encoded
        started = time.perf_counter()
        probabilities = self.model.classify(self._window.view())
        classify_ms = (time.perf_counter() - started) * 1e3
        return prediction_for(
            frame,
            probabilities,
            self.model.spec.labels,
            window_frames=window_frames or self._window.num_frames,
            classify_ms=classify_ms,
            reused_frame=None if encoded is frame else encoded.index,
        )


class WholePicture:
    """Recognises whole pictures.

    Args:
        recognizer: With an empty window.
    """

    def __init__(self, recognizer: Recognizer) -> None:
        self._recognizer = recognizer

    @property
    def skipped(self) -> int:
        """Pictures that the motion gate spared the encoder."""
        gate = self._recognizer.gate
        return gate.skipped if gate else 0

    def look(self, frame: Frame, *, predict: bool = True) -> Seen:
        """Take the next frame."""
        prediction = self._recognizer.push(frame, predict=predict)
        return Seen(frame, () if prediction is None else (prediction,))

    def finish(self) -> tuple[Prediction, ...]:
        """One prediction if the source was shorter than a window, else none."""
        prediction = self._recognizer.flush()
        return () if prediction is None else (prediction,)
