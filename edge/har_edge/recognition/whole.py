"""All of a source at once: its windows, and one answer for the whole."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

import numpy as np

from har_edge.errors import SourceError
from har_edge.frames.frame import Frame
from har_edge.recognition.decide import Decider
from har_edge.recognition.look import Looker, Seen
from har_edge.recognition.prediction import STAGES, Prediction


def look_at(looker: Looker, frames: Iterable[Frame], *, live: bool = False) -> Iterator[Seen]:
    """Look at all frames of a source, and finish it.

    A source shorter than a window has one prediction, that of its last frame: so does one that
    breaks off, before its error is raised. A live one has none.

    Args:
        looker: A new one.
        frames: Of one source, in order of time.
        live: Whether they come at their own pace.

    Raises:
        SourceError: what the frames raise.
    """
    seen = None
    try:
        for frame in frames:
            seen = looker.look(frame)
            yield seen
    except SourceError:
        if seen is not None and not live:
            yield from _last(looker, seen.frame)
        raise
    if seen is not None and not live:
        yield from _last(looker, seen.frame)


def _last(looker: Looker, frame: Frame) -> Iterator[Seen]:
    if predictions := looker.finish():
        yield Seen(frame, predictions)


def main_predictions(predictions: Sequence[Prediction]) -> list[Prediction]:
    """Choose what a single answer is made of: those for the person who was seen longest.

    Of a still, which is classified as a whole beside its people, these are the whole and its
    largest person. Without a person it is what the whole picture shows, or that nobody is there.

    Args:
        predictions: Of all windows of a source, undecided; at least one.
    """
    seen = Counter(p.person for p in predictions if p.person is not None)
    whole = [p for p in predictions if p.person is None and not p.is_nobody]
    if not seen:
        return whole or list(predictions)
    longest = seen.most_common(1)[0][0]
    return whole + [p for p in predictions if p.person == longest]


def sum_up(predictions: Sequence[Prediction], decider: Decider) -> Prediction:
    """One answer for a whole picture or clip.

    Its probabilities are the mean of the model's own over all windows, before any smoothing,
    each window counting alike; then lists and threshold hold as for any prediction. It is told
    of the last frame, and its times are those of all frames together.

    Args:
        predictions: Of all windows, undecided; at least one, and of one person at most.
        decider: One that has seen nothing yet.
    """
    if predictions[-1].is_nobody:
        return predictions[-1]
    mean = np.mean([p.probabilities for p in predictions], axis=0).astype(np.float32)
    decided = decider.decide(replace(predictions[-1], probabilities=mean))
    spent = {f"{s}_ms": sum(getattr(p, f"{s}_ms") for p in predictions) for s in STAGES}
    if predictions[-1].locate_ms is not None:
        spent["locate_ms"] = sum(p.locate_ms or 0.0 for p in predictions)
    return replace(decided, **spent)
