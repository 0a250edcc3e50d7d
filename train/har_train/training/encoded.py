"""All samples of a training with their features, by split and view."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from har_edge.datasets import SPLITS, Sample
from har_edge.errors import DataError
from har_train.config import FitConfig
from har_train.features.cache import EncodedSample, Rendering, View, encode_dataset
from har_train.features.poses import encode_poses
from har_train.model.types import KerasModel, Predicts
from har_train.reports.predictions import SplitPredictions
from har_train.training.stage import Learnt, Stage, pose_rendering, training_views
from har_train.training.windows import Windows, build_windows
from har_train.watch import Tick


@dataclass(frozen=True)
class Encoded:
    """All readable samples with their features, by split and view.

    Attributes:
        answers: Labels that the model answers with, in order.
        labels: These, then those learnt beside them.
        samples: The samples.
        left_out: The files that could not be decoded.
        parts: By split the samples in each view, the original first.
    """

    answers: tuple[str, ...]
    labels: tuple[str, ...]
    samples: Sequence[Sample]
    left_out: Sequence[Path]
    parts: Mapping[str, Sequence[Sequence[EncodedSample]]]

    @property
    def answered(self) -> Encoded:
        """What the model can answer right, which is what it is judged on."""
        if self.answers == self.labels:
            return self

        def only(items: Sequence[EncodedSample]) -> Sequence[EncodedSample]:
            return [item for item in items if item.sample.label in self.answers]

        return replace(
            self,
            labels=self.answers,
            samples=[s for s in self.samples if s.label in self.answers],
            parts={split: [only(view) for view in views] for split, views in self.parts.items()},
        )

    @property
    def fingerprint(self) -> str:
        """Of the content and labels of everything that training sees."""
        return fingerprint([e for split in ("train", "val") for e in self.parts[split][0]])

    @property
    def learnt(self) -> Learnt:
        """What is learnt from, without the features."""
        train, val = ([item.sample for item in self.parts[s][0]] for s in ("train", "val"))
        return Learnt(train, val, self.labels, self.fingerprint)

    def windows(self, config: FitConfig) -> dict[str, Windows]:
        """Cut all clips into windows, by split."""
        return {s: build_windows(self.parts[s], self.labels, config) for s in SPLITS}


def encode_samples(
    samples: Sequence[Sample], encoder: KerasModel | None, stage: Stage, views: int | None = None
) -> Encoded:
    """Encode all samples, training samples in all views; name the unreadable ones.

    Args:
        samples: With splits.
        encoder: (N, H, W, 3) pixels -> (N, D) features; None for rows of poses.
        stage: Settings, cache, and who is told.
        views: Augmented views of training samples; None for as many as the settings say.

    Raises:
        DataError: if a class has no readable sample on one of the sides.
        OutputError: if the cache cannot be written.
    """
    config = stage.config
    labels = sorted({s.label for s in samples})
    asked = config.data.labels or labels
    answers = tuple(label for label in labels if label in asked)
    beside = tuple(label for label in labels if label not in answers)
    renderings = training_views(config, config.augment.views if views is None else views)
    by_split = {split: [s for s in samples if s.split == split] for split in SPLITS}
    total = len(samples) + len(by_split["train"]) * (len(renderings) - 1)
    encode = _encoder(encoder, stage, stage.watch.samples(total, len(labels)))
    parts: dict[str, list[list[EncodedSample]]] = {}
    for split in SPLITS:
        parts[split] = []
        for view in renderings if split == "train" else [View()]:
            members = [e.sample for e in parts[split][0]] if view.number else by_split[split]
            parts[split].append(encode(members, view))
        missing = sorted(set(answers) - {item.sample.label for item in parts[split][0]})
        if missing:
            raise DataError(
                f"Without the unreadable files, '{split}' has no sample of {', '.join(missing)}. "
                "Replace or remove these files and start again."
            )
    readable = {item.sample for part in parts.values() for item in part[0]}
    left_out = sorted({s.path for s in samples if s not in readable})
    return Encoded(
        answers, answers + beside, [s for s in samples if s in readable], left_out, parts
    )


def _encoder(
    encoder: KerasModel | None, stage: Stage, tick: Tick
) -> Callable[[Sequence[Sample], View], list[EncodedSample]]:
    """What encodes samples in one view: a backbone, or for poses none."""
    say = stage.watch.say

    def pixels(members: Sequence[Sample], view: View) -> list[EncodedSample]:
        assert encoder is not None
        return encode_dataset(
            members, encoder, Rendering(stage.clip, view),
            cache=stage.cache, progress=tick, skipped=say, fill=stage.fill,
        )  # fmt: skip

    def poses(members: Sequence[Sample], view: View) -> list[EncodedSample]:
        rendering = pose_rendering(stage.config, view.number)
        return encode_poses(members, rendering, progress=tick, skipped=say)

    return pixels if encoder else poses


def predict_windows(
    classifier: Predicts, windows: Windows, part: Sequence[EncodedSample]
) -> SplitPredictions:
    """Classify windows with a Keras head.

    Args:
        classifier: (N, T, D) features -> (N, C) probabilities.
        windows: Of the samples' features, as they are.
        part: The samples in order.
    """
    batches = np.array_split(windows.rows, max(1, len(windows.rows) // 256))
    inputs = (windows.bank.gather(np.zeros(len(b), dtype=np.intp), b) for b in batches)
    outputs = [np.asarray(classifier.predict_on_batch(batch)) for batch in inputs]
    targets = np.zeros(len(part), dtype=np.intp)
    targets[windows.clip_of] = windows.targets
    return SplitPredictions(
        paths=[item.sample.path for item in part],
        targets=targets,
        probabilities=np.concatenate(outputs).astype(np.float32),
        clip_of=windows.clip_of,
        first_frames=windows.first_frames,
        spans=[item.sample.span for item in part],
    )


def fingerprint(part: Sequence[EncodedSample]) -> str:
    """Hash the content and labels of samples, in whatever order."""
    lines = sorted(f"{item.sha256} {item.sample.label}" for item in part)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()
