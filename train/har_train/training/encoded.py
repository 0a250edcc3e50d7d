"""All samples of a training with their features, by split and view."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from har_edge.errors import DataError
from har_train.config import FitConfig
from har_train.dataset.samples import (
    SPLITS,
    Sample,
)
from har_train.features.augment import Augmentation
from har_train.features.cache import EncodedSample, View, encode_dataset
from har_train.reports.predictions import SplitPredictions
from har_train.training.stage import _Stage
from har_train.training.windows import (
    Windows,
    build_windows,
)


@dataclass(frozen=True)
class _Encoded:
    """All readable samples with their features, by split and view.

    Attributes:
        answers: Labels that the model answers with, in order.
        labels: These, then those learnt beside them.
    """

    answers: tuple[str, ...]
    labels: tuple[str, ...]
    samples: Sequence[Sample]
    left_out: Sequence[Path]
    parts: Mapping[str, Sequence[Sequence[EncodedSample]]]

    def views(self, split: str) -> Sequence[Sequence[EncodedSample]]:
        return self.parts[split]

    @property
    def answered(self) -> _Encoded:
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
        return _fingerprint([e for split in ("train", "val") for e in self.parts[split][0]])


def training_views(config: FitConfig, views: int) -> list[View]:
    """List the views of training samples: the original, then the augmented ones.

    A still among clips is a crop path in training. Held out it is one frame that the window
    repeats, for so the runner sees it.
    """
    augmentation = Augmentation(
        strength=config.augment.strength,
        flip=config.augment.flip,
        erase=config.augment.erase,
        seed=config.training.seed,
    )
    path_frames = config.window.num_frames if config.window.num_frames > 1 else 0
    return [View(number, augmentation, path_frames) for number in range(views + 1)]


def _encode(
    samples: Sequence[Sample], encoder: Any, stage: _Stage, views: int | None = None
) -> _Encoded:
    """Encode all samples, training samples in all views; name the unreadable ones."""
    config = stage.config
    labels = sorted({s.label for s in samples})
    answers = tuple(
        label for label in labels if not config.data.labels or label in config.data.labels
    )
    beside = tuple(label for label in labels if label not in answers)
    renderings = training_views(config, config.augment.views if views is None else views)
    by_split = {split: [s for s in samples if s.split == split] for split in SPLITS}
    total = len(samples) + len(by_split["train"]) * (len(renderings) - 1)
    tick = stage.ticker(total, len(labels))
    parts: dict[str, list[list[EncodedSample]]] = {}
    for split in SPLITS:
        parts[split] = []
        for view in renderings if split == "train" else [View()]:
            members = [e.sample for e in parts[split][0]] if view.number else by_split[split]
            found = encode_dataset(
                members, encoder, stage.clip, cache=stage.cache, view=view, progress=tick,
                skipped=stage.say, fill=stage.fill,
            )  # fmt: skip
            parts[split].append(found)
        missing = sorted(set(answers) - {item.sample.label for item in parts[split][0]})
        if missing:
            raise DataError(
                f"Without the unreadable files, '{split}' has no sample of {', '.join(missing)}. "
                "Replace or remove these files and start again."
            )
    readable = {item.sample for part in parts.values() for item in part[0]}
    left_out = sorted({s.path for s in samples if s not in readable})
    return _Encoded(
        answers, answers + beside, [s for s in samples if s in readable], left_out, parts
    )


def _silent(line: str) -> None:
    """Say nothing: the unreadable files were named before."""


def _windows(encoded: _Encoded, config: FitConfig) -> dict[str, Windows]:
    return {s: build_windows(encoded.views(s), encoded.labels, config) for s in SPLITS}


def predict_windows(
    classifier: Any, windows: Windows, part: Sequence[EncodedSample]
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


def _fingerprint(part: Sequence[EncodedSample]) -> str:
    lines = sorted(f"{item.sha256} {item.sample.label}" for item in part)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()
