"""Predictions for samples: from a Keras model in a run folder, or a file in a light runtime."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from har_edge.arrays import FloatArray
from har_edge.datasets import Sample
from har_edge.errors import DataError, SourceError
from har_edge.model.file import BUNDLED, models_in
from har_edge.model.loaded import LoadedModel, load_model
from har_edge.model.spec import ModelSpec
from har_edge.run_folder import MODEL_NAME
from har_edge.sources.clips import load_frames, window_indices
from har_train.features.cache import Rendering, View, encode_dataset
from har_train.features.poses import PoseRendering, encode_poses
from har_train.model.keras_run import KerasRun, load_run
from har_train.reports.predictions import SplitPredictions
from har_train.training.encoded import predict_windows
from har_train.training.stage import training_views
from har_train.training.windows import build_windows
from har_train.watch import Say, Tick


def is_run(path: str | os.PathLike[str]) -> bool:
    """Whether a path names a run folder or a Keras model, and no file for the edge.

    A bundled name is that of a model, whatever else is called so, such as a folder of clips.
    """
    if os.fspath(path) in BUNDLED and not (Path(path) / MODEL_NAME).is_file():
        return False
    folder = Path(path)
    if folder.is_dir():
        return (folder / MODEL_NAME).is_file() or not models_in(folder)
    return folder.suffix == ".keras"


class Predictor(Protocol):
    """A loaded model.

    Attributes:
        spec: What it says about itself.
        stride: Frames between the starts of two windows of a clip.
    """

    spec: ModelSpec
    stride: int

    def predict(
        self, samples: Sequence[Sample], *, progress: Tick, skipped: Say
    ) -> tuple[list[Sample], SplitPredictions]:
        """Classify every window of the samples of one part.

        Args:
            samples: Stills and clips; those of the split `train` are seen as in training.
            progress: Called with 1 for every sample that is done.
            skipped: Called with a message for every file that cannot be decoded.

        Returns:
            The samples that could be decoded, in the order given, and what the model says of
            them, untempered.

        Raises:
            DataError: if none can be decoded.
        """


class KerasPredictor:
    """A Keras model on cached backbone features."""

    def __init__(self, run: KerasRun, cache: Path) -> None:
        self.spec = run.spec
        self.stride = run.config.window.stride
        self._run, self._cache = run, cache

    def predict(
        self, samples: Sequence[Sample], *, progress: Tick, skipped: Say
    ) -> tuple[list[Sample], SplitPredictions]:
        """Classify every window, see `Predictor`."""
        encoder = self._run.encoder
        if encoder is None:
            part = encode_poses(samples, _rendering(self.spec), progress=progress, skipped=skipped)
        else:
            part = encode_dataset(
                samples, encoder, Rendering(self.spec.clip, self._view(samples)),
                cache=self._cache, progress=progress, skipped=skipped,
            )  # fmt: skip
        found = _readable([item.sample for item in part])
        windows = build_windows([part], self.spec.labels, self._run.config)
        return found, predict_windows(self._run.classifier, windows, part)

    def _view(self, samples: Sequence[Sample]) -> View:
        """Stills among clips are crop paths in training alone, see `stage.training_views`."""
        trained = {s.split for s in samples} == {"train"}
        return training_views(self._run.config, 0)[0] if trained else View()


class EdgePredictor:
    """A `.tflite` or `.onnx` model in the edge's own runtime."""

    def __init__(self, model: LoadedModel, stride: int = 0) -> None:
        self.spec = model.spec
        self.stride = stride or max(1, model.spec.clip.num_frames // 4)
        # Untempered like Keras's: the caller tempers both alike.
        spec = model.spec.with_(temperature=1.0)
        self._model = LoadedModel(spec, model.path, model.size_bytes, model.backend)

    def predict(
        self, samples: Sequence[Sample], *, progress: Tick, skipped: Say
    ) -> tuple[list[Sample], SplitPredictions]:
        """Classify every window, see `Predictor`."""
        found, rows, clip_of, first_frames = list[Sample](), [], list[int](), list[int]()
        num_frames = self.spec.clip.num_frames
        for sample in samples:
            progress(1)
            try:
                features = self._encode(sample)
            except SourceError as error:
                skipped(str(error))
                continue
            windows = window_indices(len(features), num_frames, self.stride)
            rows += [self._model.classify(features[window]) for window in windows]
            clip_of += [len(found)] * len(windows)
            first_frames += list(windows[:, -1] - num_frames + 1)
            found.append(sample)
        _readable(found)
        return found, SplitPredictions(
            paths=[s.path for s in found],
            targets=np.array([self.spec.labels.index(s.label) for s in found], dtype=np.intp),
            probabilities=np.stack(rows),
            clip_of=np.array(clip_of, dtype=np.intp),
            first_frames=np.array(first_frames, dtype=np.intp),
            spans=[s.span for s in found],
        )

    def _encode(self, sample: Sample) -> FloatArray:
        """What `classify` takes of all of a sample, (N, D')."""
        if "features" not in self.spec.head_inputs:
            return _rendering(self.spec).load(sample)
        frames = load_frames(
            sample.path, self.spec.clip, start_s=sample.start_s, end_s=sample.end_s
        )
        return np.stack([self._model.encode(frame) for frame in frames])


def _rendering(spec: ModelSpec) -> PoseRendering:
    """Which rows a model of poses takes."""
    return PoseRendering(spec.head_inputs, spec.clip.num_frames, spec.clip.frame_rate_hz)


def load_predictor(
    model: str, *, cache: Path, backend: str = "auto", num_threads: int = 1, stride: int = 0
) -> Predictor:
    """Load any model that this project makes.

    Args:
        model: A run folder, a `.keras` file in one, a `.tflite` or `.onnx` file, or the name of
            a bundled one.
        cache: Folder of the feature cache, for Keras models.
        backend, num_threads: Runtime for the other ones, see `load_model`.
        stride: Of the other ones' windows; 0 for a quarter of a window.

    Raises:
        HarError: if it cannot be loaded.
    """
    if is_run(model):
        return KerasPredictor(load_run(model), cache)
    return EdgePredictor(load_model(model, backend=backend, num_threads=num_threads), stride)


def _readable(samples: list[Sample]) -> list[Sample]:
    if not samples:
        raise DataError("None of the files could be decoded. Check the data and start again.")
    return samples
