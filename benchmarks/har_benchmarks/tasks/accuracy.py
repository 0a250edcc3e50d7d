"""What a variant is worth: its answers on labelled files, and what they lose against float32."""

from __future__ import annotations

import math

import numpy as np

from har_benchmarks.stats import grouped_difference
from har_benchmarks.tasks.protocol import Answers, Job, LoadModel, Tell
from har_edge.arrays import FloatArray
from har_edge.model.loaded import LoadedModel
from har_edge.sources.clips import load_frames, window_indices

LEVEL = 0.95
TOP_K = 5


def answer(job: Job, tell: Tell, load: LoadModel) -> Answers:
    """Run labelled files through a model.

    Windows of clips follow each other by a quarter of a window; a clip's answer is the largest
    mean probability of its windows.

    Args:
        job: As for `timing.timing`, with `items`: rows of path, label, group, start_s, end_s.
        say: Takes events: `progress` after each file.
        load: Loads the model.

    Returns:
        For each item: `right` and `in_top5`, 1 or 0, and `windows`, the class of every window.
    """
    tell("stage", name="loading the model")
    model = load(job["model"], backend=job["backend"], num_threads=job["num_threads"])
    labels = list(model.spec.labels)
    found: Answers = {"right": [], "in_top5": [], "windows": []}
    for path, label, _, start_s, end_s in job["items"]:
        tell("stage", name=f"answering for {path}")
        windows = _windows(model, path, start_s, math.inf if end_s is None else end_s)
        order = np.argsort(-windows.mean(axis=0), kind="stable")
        target = labels.index(label)
        found["right"].append(int(order[0] == target))
        found["in_top5"].append(int(target in order[:TOP_K]))
        found["windows"].append(windows.argmax(axis=1).tolist())
        tell("progress")
    return found


def _windows(model: LoadedModel, path: str, start_s: float, end_s: float) -> FloatArray:
    """Probabilities of all windows of a file, (M, C)."""
    size = model.spec.clip.num_frames
    frames = load_frames(path, model.spec.clip, start_s=start_s, end_s=end_s)
    features = np.stack([model.encode(frame) for frame in frames])
    windows = window_indices(len(features), size, max(1, size // 4))
    return np.stack([model.classify(features[window]) for window in windows])


def judge(
    answers: Answers, reference: Answers | None, groups: list[str]
) -> dict[str, float | None]:
    """Turn answers into figures.

    Args:
        answers: What `answer` gave.
        reference: The same of the float32 variant, if there is one.
        groups: Of each item.

    Returns:
        `accuracy` with `accuracy_low` and `accuracy_high`, `top5_accuracy`, in 0..1;
        `agreement`, share of windows with the answer of float32; `drop_points`, accuracy lost
        against it, with `drop_low_points` and `drop_high_points`. Intervals are at 95 %, over
        groups; None where there is too little to tell.
    """
    right = answers["right"]
    accuracy = grouped_difference(right, [0.0] * len(right), groups, level=LEVEL)
    found: dict[str, float | None] = {
        "accuracy": accuracy.value,
        "accuracy_low": _finite(accuracy.low),
        "accuracy_high": _finite(accuracy.high),
        "top5_accuracy": float(np.mean(answers["in_top5"])),
        "files": len(right),
    }
    if reference is not None:
        drop = grouped_difference(reference["right"], right, groups, level=LEVEL)
        ours, theirs = (np.concatenate(x["windows"]) for x in (answers, reference))
        found["agreement"] = float((ours == theirs).mean())
        found["drop_points"] = 100 * drop.value
        found["drop_low_points"] = _finite(100 * drop.low)
        found["drop_high_points"] = _finite(100 * drop.high)
    return found


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
