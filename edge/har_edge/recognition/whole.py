"""All of a source at once: its windows, and one answer for the whole."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

import numpy as np

from har_edge.errors import SourceError
from har_edge.frames.frame import Frame
from har_edge.recognition.decide import Decider
from har_edge.recognition.prediction import STAGES, Prediction
from har_edge.recognition.recognizer import Recognizer


def recognize_frames(
    recognizer: Recognizer, frames: Iterable[Frame], *, live: bool = False
) -> Iterator[tuple[Frame, Prediction | None]]:
    """Push all frames of a source; yield each with the prediction for the window it ends.

    A source shorter than a window has one prediction, that of its last frame: so does one that
    breaks off, before its error is raised. A live one has none.

    Args:
        recognizer: With an empty window.
        frames: Of one source, in order of time.
        live: Whether they come at their own pace.

    Raises:
        SourceError: what the frames raise.
    """
    frame = None
    try:
        for frame in frames:
            yield frame, recognizer.push(frame)
    except SourceError:
        if frame is not None and not live:
            yield from _last(recognizer, frame)
        raise
    if frame is not None and not live:
        yield from _last(recognizer, frame)


def _last(recognizer: Recognizer, frame: Frame) -> Iterator[tuple[Frame, Prediction]]:
    prediction = recognizer.flush()
    if prediction is not None:
        yield frame, prediction


def sum_up(predictions: Sequence[Prediction], decider: Decider) -> Prediction:
    """One answer for a whole picture or clip.

    Its probabilities are the mean of the model's own over all windows, before any smoothing,
    each window counting alike; then lists and threshold hold as for any prediction. It is told
    of the last frame, and its times are those of all frames together.

    Args:
        predictions: Of all windows, undecided; at least one.
        decider: One that has seen nothing yet.
    """
    mean = np.mean([p.probabilities for p in predictions], axis=0).astype(np.float32)
    decided = decider.decide(replace(predictions[-1], probabilities=mean))
    spent = {f"{s}_ms": sum(getattr(p, f"{s}_ms") for p in predictions) for s in STAGES}
    return replace(decided, **spent)
