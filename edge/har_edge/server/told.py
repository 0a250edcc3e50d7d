"""What a clip shows over time, and person by person, as plain values of an answer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import groupby, pairwise

import numpy as np

from har_edge.frames.frame import Person
from har_edge.recognition.look import Seen
from har_edge.recognition.prediction import Prediction

TIMELINE_TOP_K = 5


def make_timeline(
    predictions: Sequence[Prediction], windowed: bool, end_s: float, *, start_s: float = 0.0
) -> list[dict[str, object]]:
    """Join neighbours of the same action into spans that cover a clip, or a person's part of it.

    A still's prediction holds from its frame on, a window's until its last frame.
    """
    times = [p.timestamp_s for p in predictions]
    starts = [start_s, *times[:-1]] if windowed else [start_s, *times[1:]]
    spans = []
    for action, group in groupby(
        zip(starts, predictions, strict=True), key=lambda item: item[1].action
    ):
        members = list(group)
        mean = np.mean([p.probabilities for _, p in members], axis=0).astype(np.float32)
        said = replace(members[0][1], probabilities=mean).as_dict(TIMELINE_TOP_K)
        spans.append(
            {
                "start_s": round(members[0][0], 3),
                "end_s": round(end_s, 3),
                "action": action,
                "confidence": said["confidence"],
                "all_predictions": said["all_predictions"],
            }
        )
    for span, following in pairwise(spans):
        span["end_s"] = following["start_s"]
    return spans


def tell_people(
    decided: Sequence[Seen],
    sum_up: Callable[[int], Prediction],
    top_k: int | None,
    *,
    windowed: bool,
    keypoints: bool,
) -> list[dict[str, object]]:
    """Tell what each person does in a picture or a clip, in the order of their numbers.

    Args:
        decided: All frames, with their decided predictions.
        sum_up: Gives the single answer to what a person does, by number.
        top_k: Number of actions to list; None for all.
        windowed: Whether a prediction is for what came before it.
        keypoints: Whether to list the keypoints of each person's last prediction.
    """
    tracks: dict[int, list[tuple[float, Person]]] = {}
    said: dict[int, list[Prediction]] = {}
    for seen in decided:
        for prediction in seen.predictions:
            if prediction.person is not None:
                said.setdefault(prediction.person, []).append(prediction)
        for person in seen.frame.people or ():
            track = tracks.setdefault(person.id or 0, [])
            if not track or track[-1][0] < seen.frame.timestamp_s:
                track.append((seen.frame.timestamp_s, person))
    return [
        {
            **_place(number, tracks[number], keypoints),
            **_do(number, said.get(number, []), sum_up, top_k),
            "timeline": _spans(said.get(number, []), tracks[number], windowed),
        }
        for number in sorted(tracks)
    ]


def _place(
    number: int, track: Sequence[tuple[float, Person]], keypoints: bool
) -> dict[str, object]:
    """Who it is, and where that person was."""
    (start_s, _), (end_s, last) = track[0], track[-1]
    told: dict[str, object] = {
        "person": number,
        "start_s": round(start_s, 3),
        "end_s": round(end_s, 3),
        "box": _edges(last),
        "track": [[round(time_s, 3), *_edges(person)] for time_s, person in track],
    }
    if keypoints and last.keypoints is not None:
        told["keypoints"] = last.keypoints.astype(float).round(4).tolist()
    return told


def _do(
    number: int,
    said: Sequence[Prediction],
    sum_up: Callable[[int], Prediction],
    top_k: int | None,
) -> dict[str, object]:
    """What the person does, as one answer; nothing if there was not one window."""
    names = ("action", "confidence", "all_predictions")
    if not said:
        return dict(zip(names, (None, None, []), strict=True))
    whole = sum_up(number).as_dict(top_k)
    return {name: whole[name] for name in names}


def _spans(
    said: Sequence[Prediction], track: Sequence[tuple[float, Person]], windowed: bool
) -> list[dict[str, object]]:
    if not said:
        return []
    return make_timeline(said, windowed, track[-1][0], start_s=track[0][0])


def _edges(person: Person) -> list[float]:
    return [round(edge, 4) for edge in person.box]
