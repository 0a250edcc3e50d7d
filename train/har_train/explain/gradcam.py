"""Which parts of a picture or clip speak for an action: Grad-CAM.

Source: Selvaraju et al., Grad-CAM: Visual Explanations from Deep Networks via Gradient-based
Localization (ICCV 2017), section 3, equations 1 and 2."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import numpy as np
from numpy.typing import NDArray

from har_edge.arrays import FloatArray, Pixels
from har_edge.errors import BackendError, DataError
from har_edge.frames.opencv import import_cv2
from har_edge.model.loaded import apply_temperature
from har_edge.model.spec import ClipSpec
from har_edge.sources.clips import load_frames, window_indices
from har_train.model.keras_run import KerasRun
from har_train.model.network import import_keras
from har_train.model.types import Tensor

BATCH = 32
Score = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Explanation:
    """The prediction for a file, and where the evidence is.

    Attributes:
        path: The file.
        action: Class that the evidence in `heat` speaks for.
        asked: Whether that class was asked for.
        labels: The model's labels, (C,).
        probabilities: Of each window, (M, C), tempered; windows start at every frame.
        window: Number of the window that speaks most for `action`.
        frames: Numbers of that window's frames in the clip, rising, at most T.
        heat: Evidence in these frames, (len(frames), H, W), 0..1; 1 is the most in the window.
        running_heat: Evidence in each frame of the clip, (N, H, W), 0..1; 1 is the most in the
            clip. It speaks for what the window says that ends with the frame (the first window
            for frames before its end), or for `action` where that was asked for.
    """

    path: Path
    action: str
    asked: bool
    labels: tuple[str, ...]
    probabilities: FloatArray
    window: int
    frames: NDArray[np.intp]
    heat: FloatArray
    running_heat: FloatArray

    @property
    def probability(self) -> float:
        """Of `action` in the window that speaks most for it."""
        return float(self.probabilities[self.window, self.labels.index(self.action)])


class Explainer:
    """Computes Grad-CAM of a trained model: encoder's last maps, through the temporal head."""

    def __init__(self, run: KerasRun) -> None:
        """Take the model apart.

        Raises:
            BackendError: if Keras runs on something else than TensorFlow or PyTorch.
            DataError: if the model sees no pixels.
        """
        keras = import_keras()
        self._gradient = _gradient_function(keras)
        self._run = run
        pooling = run.frame_encoder.get_layer("features")
        # (N, H, W, 3) -> last maps (N, h, w, D) and their means, the features (N, D).
        self._maps = keras.Model(run.frame_encoder.input, [pooling.input, pooling.output])
        last = run.classifier.get_layer("probabilities")
        self._kernel, self._bias = last.get_weights()
        self._body = keras.Model(run.classifier.input, last.input)

    @property
    def name(self) -> str:
        """The model's name."""
        return self._run.spec.name

    @property
    def path(self) -> Path:
        """The Keras file."""
        return self._run.path

    @property
    def clip(self) -> ClipSpec:
        """The model's preprocessing."""
        return self._run.spec.clip

    def explain(self, path: Path, action: str | None = None) -> Explanation:
        """Explain the prediction for a picture or clip.

        Args:
            path: The file.
            action: Class whose evidence is wanted; None for the predicted ones.

        Raises:
            SourceError: if the file cannot be decoded.
            DataError: if the model has no such class.
        """
        spec, labels = self._run.spec, self._run.spec.labels
        if action is not None and action not in labels:
            raise DataError(
                f"The model has no action {action!r}. Expected one of {', '.join(labels)}."
            )
        maps, features = self._encode(load_frames(path, spec.clip))
        windows = window_indices(len(maps), spec.clip.num_frames)
        rows = self._classify(features, windows)
        probabilities = apply_temperature(rows, spec.temperature)
        classes = probabilities.argmax(axis=1)
        if action is not None:
            classes[:] = labels.index(action)
        best = int(probabilities[np.arange(len(windows)), classes].argmax())
        gradients = self._gradients(features, windows, classes)
        shown = np.unique(windows[best])
        heat = _heat(maps, gradients, windows, shown, np.full(len(shown), best))
        # Until the first window is full, its frames show what it will say of them.
        numbers = np.arange(len(maps))
        ended = np.clip(numbers - spec.clip.num_frames + 1, 0, len(windows) - 1)
        running = _heat(maps, gradients, windows, numbers, ended)
        size = spec.clip.frame_shape[:2]
        return Explanation(
            path=path,
            action=labels[classes[best]],
            asked=action is not None,
            labels=labels,
            probabilities=probabilities,
            window=best,
            frames=shown,
            heat=_enlarge(heat, size),
            running_heat=_enlarge(running, size),
        )

    def _encode(self, frames: Pixels) -> tuple[FloatArray, FloatArray]:
        batches = range(0, len(frames), BATCH)
        parts = [self._maps.predict_on_batch(frames[i : i + BATCH].astype("f4")) for i in batches]
        maps, features = (np.concatenate([np.asarray(p[i], "f4") for p in parts]) for i in (0, 1))
        return maps, features

    def _classify(self, features: FloatArray, windows: NDArray[np.intp]) -> FloatArray:
        """Probabilities of windows, (M, C), untempered."""
        predict = self._run.classifier.predict_on_batch
        parts = [predict(features[windows[i : i + BATCH]]) for i in range(0, len(windows), BATCH)]
        return np.concatenate([np.asarray(part, dtype=np.float32) for part in parts])

    def _gradients(
        self, features: FloatArray, windows: NDArray[np.intp], classes: NDArray[np.intp]
    ) -> FloatArray:
        """Gradient of each window's class score by its features, (M, T, D).

        The score is the one before softmax, as the source has it.
        """
        ops = import_keras().ops
        chosen = np.eye(len(self._run.spec.labels), dtype=np.float32)[classes]

        def gradient(part: slice) -> FloatArray:
            def score(x: Tensor) -> Tensor:
                logits = ops.matmul(self._body(x, training=False), self._kernel)
                logits = ops.add(logits, self._bias)  # (M, C)
                total: Tensor = ops.sum(ops.multiply(logits, chosen[part]))
                return total

            return self._gradient(score, features[windows[part]])

        starts = range(0, len(windows), BATCH)
        return np.concatenate([gradient(slice(i, i + BATCH)) for i in starts])


def _gradient_function(keras: ModuleType) -> Callable[[Score, FloatArray], FloatArray]:
    """Find out how the active backend differentiates."""
    backend = keras.backend.backend()
    known = {"tensorflow": _gradient_by_tensorflow, "torch": _gradient_by_torch}
    if backend not in known:
        raise BackendError(
            f"explain needs Keras on one of {', '.join(known)}. Received {backend!r}. Set the "
            "environment variable KERAS_BACKEND=tensorflow."
        )
    return known[backend]


def _gradient_by_tensorflow(score: Score, inputs: FloatArray) -> FloatArray:
    import tensorflow as tf

    x = tf.constant(inputs)
    with tf.GradientTape() as tape:
        tape.watch(x)
        value = score(x)
    return np.asarray(tape.gradient(value, x), dtype=np.float32)


def _gradient_by_torch(score: Score, inputs: FloatArray) -> FloatArray:
    import torch

    x = import_keras().ops.convert_to_tensor(inputs).requires_grad_()
    (gradient,) = torch.autograd.grad(score(x), x)
    return np.asarray(gradient.detach().cpu().numpy(), dtype=np.float32)


def _heat(
    maps: FloatArray,
    gradients: FloatArray,
    windows: NDArray[np.intp],
    frames: NDArray[np.intp],
    seen_in: NDArray[np.intp],
) -> FloatArray:
    """Weigh the maps of some frames by what a window's score gains from them.

    Args:
        maps: Of all frames, (N, h, w, D).
        gradients: By features, (M, T, D).
        windows: Frame numbers, (M, T).
        frames: The frames, (K,).
        seen_in: Window for each of them, (K,).

    Returns:
        Positive evidence, (K, h, w), its maximum 1, or 0 where nothing speaks for the class.
    """
    # Windows end with frames in a row; those repeated before a short clip count once.
    places = windows.shape[1] - 1 - (windows[seen_in, -1] - frames)
    # A feature is its map's mean: the gradient by each of the map's pixels is the gradient by
    # the feature over their number, and so is its mean, the weight of equation 1.
    weights = gradients[seen_in, places] / (maps.shape[1] * maps.shape[2])  # (K, D)
    heat = np.maximum(0, np.einsum("khwd,kd->khw", maps[frames], weights))
    return np.asarray(heat / max(float(heat.max()), np.finfo(np.float32).tiny), dtype=np.float32)


def _enlarge(heat: FloatArray, size: tuple[int, int]) -> FloatArray:
    """Interpolate maps, (K, h, w), to height and width of a frame."""
    cv2 = import_cv2()
    rows = [cv2.resize(h, size[::-1], interpolation=cv2.INTER_LINEAR) for h in heat]
    return np.stack(rows).astype(np.float32)
