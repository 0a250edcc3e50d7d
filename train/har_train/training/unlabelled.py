"""Samples without labels, learnt by those that a teacher gives them where it is sure enough.

Source: Lee, Pseudo-Label (ICML 2013 workshop); thresholds by class, here from validation samples:
Zhang et al., FlexMatch (NeurIPS 2021).
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from har_edge.arrays import FloatArray
from har_edge.datasets import Sample
from har_edge.errors import DataError
from har_edge.media import find_media
from har_edge.paths import display_path
from har_edge.sample_paths import group_of
from har_edge.table import text_table
from har_train.features.cache import EncodedSample, Rendering, encode_dataset
from har_train.model.keras_run import KerasRun
from har_train.training.encoded import predict_windows
from har_train.training.stage import Stage
from har_train.training.teacher import load_teachers
from har_train.training.windows import build_windows

# Validation answers that a threshold has to rest on; fewer say nothing of a class.
LEAST_ANSWERS = 5


def label_unlabelled(samples: Sequence[Sample], stage: Stage) -> list[Sample]:
    """Have the teacher label a folder of pictures and clips, and take what it is sure of.

    Args:
        samples: All labelled samples, with splits; a file that is one of them is left out.
        stage: Names folder and teacher; gives the cache, and who is told.

    Returns:
        Training samples, by file, labelled.

    Raises:
        DataError: if the folder holds nothing, or the teacher does not fit.
    """
    config = stage.config
    folder, labels = Path(config.data.unlabelled), sorted({s.label for s in samples})
    paths = find_media(folder)
    if not paths:
        raise DataError(
            f"{display_path(folder)} should hold pictures or clips without labels. Received none. "
            "Give another folder."
        )
    known = {_digest(path) for path in {s.path for s in samples}} - {""}
    # A name for what has none yet: it is told apart by nothing else.
    new = [Sample(p, labels[0], group_of(p), "train") for p in paths if _digest(p) not in known]
    teachers = load_teachers(config, labels)
    judged, answers = _ask(teachers, [s for s in samples if s.split == "val"], labels, stage)
    targets = np.array([labels.index(s.label) for s in judged])
    thresholds = class_thresholds(answers, targets, config.data.unlabelled_precision)
    asked, answers = _ask(teachers, new, labels, stage)
    taken = [
        Sample(sample.path, labels[row.argmax()], sample.group, "train")
        for sample, row in zip(asked, answers, strict=True)
        if row.max() >= thresholds[row.argmax()]
    ]
    stage.watch.say(_summary(taken, len(paths), thresholds, labels))
    return taken


def class_thresholds(
    probabilities: FloatArray, targets: NDArray[np.intp], precision: float
) -> FloatArray:
    """Find how sure a model has to be of each class to be right often enough.

    Args:
        probabilities: Of validation samples, (N, C).
        targets: Their classes, (N,).
        precision: Share of right answers among those that are as sure, or surer.

    Returns:
        Least probability of each class, (C,); infinite where no `LEAST_ANSWERS` answers are right
        often enough.

    Example:
        >>> sure = np.array([[0.9, 0.1]] * 9 + [[0.6, 0.4]] * 6)
        >>> class_thresholds(sure, np.array([0] * 9 + [1] * 6), 0.9)
        array([0.9, inf])
    """
    chosen, sure = probabilities.argmax(axis=1), probabilities.max(axis=1)
    found = np.full(probabilities.shape[1], np.inf)
    for number in range(len(found)):
        rows = np.flatnonzero(chosen == number)
        rows = rows[np.argsort(-sure[rows], kind="stable")]
        right = np.cumsum(targets[rows] == number) / np.arange(1, len(rows) + 1)
        # A threshold takes all that are as sure.
        last_of_equals = np.append(np.diff(sure[rows]) < 0, True)[: len(rows)]
        enough = np.flatnonzero((right >= precision) & last_of_equals)
        if len(enough) and enough[-1] + 1 >= LEAST_ANSWERS:
            found[number] = sure[rows[enough[-1]]]
    return found


def _ask(
    teachers: Sequence[KerasRun], samples: Sequence[Sample], labels: Sequence[str], stage: Stage
) -> tuple[list[Sample], FloatArray]:
    """Give the readable samples, and the mean of what the teachers answer to each, (N, C)."""
    readable: list[Sample] = []
    answers: list[FloatArray] = []
    tick = stage.watch.samples(len(samples) * len(teachers), len(labels))
    for run in teachers:
        encoded = encode_dataset(
            samples,
            run.frame_encoder,
            Rendering(run.spec.clip),
            cache=stage.cache,
            progress=tick,
            skipped=stage.watch.say if not answers else stage.quiet.watch.say,
            fill=stage.fill,
        )
        readable = [item.sample for item in encoded]
        answers.append(_classify(run, encoded, labels))
    return readable, np.asarray(np.mean(answers, axis=0), dtype=np.float32)


def _classify(
    run: KerasRun, encoded: Sequence[EncodedSample], labels: Sequence[str]
) -> NDArray[np.float32]:
    """Answer to each sample by the mean of its windows, (N, C)."""
    if not encoded:
        return np.zeros((0, len(labels)), np.float32)
    windows = build_windows([encoded], labels, run.config)
    return predict_windows(run.classifier, windows, encoded).per_clip()


def _digest(path: Path) -> str:
    """Hash a file's content; "" if it cannot be read, which is told when its turn comes."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return ""


def _summary(
    taken: Sequence[Sample], count: int, thresholds: FloatArray, labels: Sequence[str]
) -> str:
    """Say how many of the files are learnt, and from which probability on."""
    counts = Counter(sample.label for sample in taken)
    rows = [
        (label, counts[label], f"{threshold:.2f}" if np.isfinite(threshold) else "never")
        for label, threshold in zip(labels, thresholds, strict=True)
    ]
    table = text_table(rows, ("class", "taken", "from probability"))
    return f"\n{len(taken)} of {count} files without labels are learnt\n{table}"
