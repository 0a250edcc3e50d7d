"""What a variant is worth: its answers on labelled files, and what they lose against float32."""

from __future__ import annotations

import math

import numpy as np

from har_benchmarks.stats import grouped_difference
from har_benchmarks.tasks.protocol import Answers, Job, LoadModel, Tell
from har_edge.arrays import FloatArray
from har_edge.media import is_video
from har_edge.model.loaded import LoadedModel
from har_edge.pose_paths import sequence_of
from har_edge.recognition.finding import find_own_people
from har_edge.recognition.people import new_looker
from har_edge.recognition.track_samples import load_rows
from har_edge.recognition.whole import look_at, main_predictions
from har_edge.sources.clips import load_frames, span_frames, window_indices

LEVEL = 0.95
TOP_K = 5


def answer(job: Job, tell: Tell, load: LoadModel) -> Answers:
    """Run labelled files through a model.

    Windows of clips follow each other by a quarter of a window; a clip's answer is the largest
    mean probability of its windows. Of a model that needs people, they are those of a track, or of
    the person who is in a video for longest.

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
        tell("stage", name=f"predicting {path}")
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
    spec, size = model.spec, model.spec.clip.num_frames
    if spec.needs_people and sequence_of(path) is None:
        return _windows_of_person(model, path, start_s, end_s)
    if spec.encodes:
        frames = load_frames(path, spec.clip, start_s=start_s, end_s=end_s)
        features = np.stack([model.encode(frame) for frame in frames])
    else:
        features = load_rows(path, spec)
    windows = window_indices(len(features), size, max(1, size // 4))
    return np.stack([model.classify(features[window]) for window in windows])


def _windows_of_person(model: LoadedModel, path: str, start_s: float, end_s: float) -> FloatArray:
    """Probabilities of all windows of the person seen longest; all alike without anybody."""
    looker = new_looker(model, find_own_people(model), still=not is_video(path))
    frames = span_frames(path, model.spec.clip.frame_rate_hz, start_s, end_s)
    found = [p for seen in look_at(looker, frames) for p in seen.predictions]
    main = [p.probabilities for p in main_predictions(found) if not p.is_nobody]
    count = len(model.spec.labels)
    return np.stack(main) if main else np.full((1, count), 1 / count, np.float32)


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
