"""Run converted models in the edge's runtime and compare them with Keras on the same clips."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from har_convert.clip import LabelledClip
from har_convert.run_folder import Run, iter_clips
from har_edge.errors import ModelFileError
from har_edge.model.loaded import LoadedModel, load_model
from har_edge.run_folder import HeldOut
from har_edge.statistics import mean_interval, mean_of_each

FloatArray = NDArray[np.float32]

LATENCY_ROUNDS, LATENCY_CALLS = 10, 10


@dataclass(frozen=True)
class Outputs:
    """The outputs of a model for the clips to compare on.

    Attributes:
        features: Of all frames, (F, D); of a model without `encode` the rows that it was given.
        probabilities: Of all windows, (M, C).
    """

    features: FloatArray
    probabilities: FloatArray


@dataclass(frozen=True)
class Clips:
    """Which window belongs to which clip, and what the clips show.

    Attributes:
        clip_of: Clip of each window, (M,).
        targets: True class of each clip, (N,), or None where it is unknown.
    """

    clip_of: NDArray[np.intp]
    targets: NDArray[np.intp] | None

    def per_clip(self, probabilities: FloatArray) -> NDArray[np.float64]:
        """Mean of each clip's windows, (N, C)."""
        return mean_of_each(probabilities, self.clip_of)


@dataclass(frozen=True)
class Verification:
    """How a converted model compares with the Keras model on the same windows.

    Attributes:
        variant: Numeric form.
        windows: Windows compared.
        clips: Clips they come from.
        agreement: Share of windows with the same most probable class.
        max_difference: Largest difference of any probability.
        feature_cosine: Mean cosine between the features of a frame; 1 where none are computed.
        accuracy: Share of clips recognised (mean over a clip's windows), None without labels.
        keras_accuracy: The same for the Keras model.
        drop: Accuracy lost, in points. Without labels it is what Keras's own probabilities
            let expect: the probability of its answers less that of the model's answers.
        drop_interval: Its 95 % interval, paired bootstrap over clips.
        held_out: Whether the clips are held-out files, not calibration frames.
        encode_ms, classify_ms: Median time of one call, one thread.
    """

    variant: str
    windows: int
    clips: int
    agreement: float
    max_difference: float
    feature_cosine: float
    accuracy: float | None
    keras_accuracy: float | None
    drop: float
    drop_interval: tuple[float, float]
    held_out: bool
    encode_ms: float = 0.0
    classify_ms: float = 0.0


def run_models(
    models: Mapping[str, Path],
    run: Run,
    held_out: Sequence[HeldOut],
    *,
    num_threads: int,
    progress: Callable[[int], object] = lambda done: None,
) -> tuple[dict[str, Outputs], Clips]:
    """Run models side by side on the clips to verify on; each clip is decoded once.

    Args:
        models: Path of each model's file by its key.
        run: Gives preprocessing and labels.
        held_out: The clips, or none for the run's calibration frames.
        num_threads: Threads of the runtime.
        progress: Called with 1 for every clip.

    Raises:
        BackendError: if no runtime loads a model.
        ModelFileError: if a model gives values that are not finite.
    """
    loaded = {key: load_model(path, num_threads=num_threads) for key, path in models.items()}
    parts: dict[str, list[Outputs]] = {key: [] for key in models}
    clip_of, labels = list[int](), list[str]()
    for number, clip in enumerate(iter_clips(run, list(held_out))):
        for key, model in loaded.items():
            parts[key].append(_run_model(model, clip))
        # Frames without a label belong to no clip: every window stands for itself.
        clip_of += [number] * len(clip.windows) if held_out else range(len(clip.windows))
        labels.append(clip.label)
        progress(1)
    results = {key: _join(outputs) for key, outputs in parts.items()}
    for key, outputs in results.items():
        if not np.isfinite(outputs.probabilities).all():
            raise ModelFileError(
                f"{models[key].name} should give finite numbers. Received others, so it was not "
                "written. Try another variant."
            )
    known = [run.spec.labels.index(x) if x in run.spec.labels else -1 for x in labels]
    targets = np.array(known) if held_out and -1 not in known else None
    return results, Clips(np.array(clip_of), targets)


def _run_model(model: LoadedModel, clip: LabelledClip) -> Outputs:
    features = clip.rows
    if features is None:
        features = np.stack([model.encode(frame) for frame in clip.frames])
    return Outputs(features, np.stack([model.classify(features[w]) for w in clip.windows]))


def _join(parts: Sequence[Outputs]) -> Outputs:
    return Outputs(
        np.concatenate([part.features for part in parts]),
        np.concatenate([part.probabilities for part in parts]),
    )


def compare(variant: str, found: Outputs, reference: Outputs, clips: Clips) -> Verification:
    """Compare a model's outputs with those of the Keras model."""
    ours, keras = clips.per_clip(found.probabilities), clips.per_clip(reference.probabilities)
    answers, keras_answers = ours.argmax(axis=1), keras.argmax(axis=1)
    if clips.targets is None:
        rows = np.arange(len(keras))
        lost = keras[rows, keras_answers] - keras[rows, answers]
    else:
        lost = (keras_answers == clips.targets) * 1.0 - (answers == clips.targets)
    same = found.probabilities.argmax(axis=1) == reference.probabilities.argmax(axis=1)
    labelled = clips.targets is not None
    return Verification(
        variant=variant,
        windows=len(found.probabilities),
        clips=len(ours),
        agreement=float(same.mean()),
        max_difference=float(np.abs(found.probabilities - reference.probabilities).max()),
        feature_cosine=_cosine(found.features, reference.features),
        accuracy=float((answers == clips.targets).mean()) if labelled else None,
        keras_accuracy=float((keras_answers == clips.targets).mean()) if labelled else None,
        drop=100 * float(lost.mean()),
        drop_interval=mean_interval(100 * lost),
        held_out=labelled,
    )


def _cosine(a: FloatArray, b: FloatArray) -> float:
    """Mean cosine of rows; two rows of zeros point the same way."""
    norms = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    dots = np.einsum("nd,nd->n", a, b)
    both_zero = ~a.any(axis=1) & ~b.any(axis=1)
    cosines = np.where(norms > 0, dots / np.maximum(norms, 1e-30), both_zero)
    return float(cosines.mean())


def measure_latency(models: Mapping[str, Path], run: Run) -> dict[str, tuple[float, float]]:
    """Median milliseconds of `encode`, 0 without one, and `classify`, one thread.

    The models take turns, so that whatever else the machine does hits all alike.
    """
    loaded = {key: load_model(path) for key, path in models.items()}
    spec, clip = run.spec, run.spec.clip
    frame = np.random.default_rng(0).integers(0, 256, clip.frame_shape, np.uint8)
    window = np.zeros((clip.num_frames, spec.row_size), np.float32)
    times: dict[str, list[tuple[float, float]]] = {key: [] for key in models}
    for turn in range(LATENCY_ROUNDS + 1):
        for key, model in loaded.items():
            for _ in range(LATENCY_CALLS):
                started = time.perf_counter()
                if spec.encodes:
                    window[-1, : spec.feature_size] = model.encode(frame)
                encoded = time.perf_counter() if spec.encodes else started
                model.classify(window)
                ended = time.perf_counter()
                if turn:  # the first is for warming up
                    times[key].append((encoded - started, ended - encoded))
    medians = {key: np.median(rows, axis=0) * 1e3 for key, rows in times.items()}
    return {key: (float(m[0]), float(m[1])) for key, m in medians.items()}


def with_latency(result: Verification, latency: tuple[float, float]) -> Verification:
    """Add measured times to a result."""
    return replace(result, encode_ms=latency[0], classify_ms=latency[1])


def metrics_of(result: Verification) -> dict[str, float]:
    """What was measured of a file, as its spec keeps it."""
    measured = {
        "verified_clips": float(result.clips),
        "verified_windows": float(result.windows),
        "verified_on_held_out": float(result.held_out),
        "top_1_agreement_with_keras": result.agreement,
        "max_probability_difference": result.max_difference,
        "feature_cosine": result.feature_cosine,
        "accuracy_drop_points": result.drop,
        "accuracy_drop_low": result.drop_interval[0],
        "accuracy_drop_high": result.drop_interval[1],
        "encode_ms": result.encode_ms,
        "classify_ms": result.classify_ms,
    }
    if result.accuracy is not None and result.keras_accuracy is not None:
        measured["verified_accuracy"] = result.accuracy
        measured["verified_keras_accuracy"] = result.keras_accuracy
    return measured
