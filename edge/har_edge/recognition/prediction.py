"""The prediction for one window."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from har_edge.arrays import Box, FloatArray
from har_edge.durations import format_time, iso_time
from har_edge.notebook import html_table

# What is done to a frame, in this order; each takes its time.
STAGES = ("decode", "preprocess", "encode", "classify")
# What is said in place of an action that the model is not sure of.
UNKNOWN = "unknown"
# What is said of a picture in which people were looked for and nobody is.
NOBODY = "nobody"
# Actions that a table in a notebook lists.
SHOWN_ACTIONS = 5


# Equal to itself alone: whether arrays are equal is no yes or no.
@dataclass(frozen=True, eq=False)
class Prediction:
    """The model's prediction for the window that ends with a given frame.

    Example:
        >>> from har_edge.testing import make_prediction
        >>> prediction = make_prediction({"falling": 0.75, "sitting": 0.25}, timestamp_s=1.5)
        >>> prediction.action, prediction.confidence
        ('falling', 0.75)
        >>> print(prediction)
        falling 75%, 0:01.50 of made-up.mp4

    Attributes:
        source: Name of the source.
        frame: Index of the window's last frame in the source.
        timestamp_s: Its time in the source.
        probabilities: (C,), in the order of `labels`.
        labels: The model's labels, (C,).
        window_frames: Frames of this source in the window; fewer than T only where the
            whole source is shorter than a window.
        decode_ms, preprocess_ms, encode_ms, classify_ms: Time spent on this frame.
        age_ms: Live sources: time from capture to decision, else None.
        captured_at_s: Live sources: Unix time of capture, else None.
        rejected: Whether no action is claimed, because none is probable enough.
        reused_frame: With a motion gate: number of the earlier frame whose features stand for
            this one's, since nothing moved in between; None if it was encoded itself.
        person: Number of the person's track in the source, from 1; None if the whole picture
            was classified.
        box: Where that person is in the frame; None without `person`.
        keypoints: That person's keypoints, (17, 3), as in `Person`; None if unknown.
        located: Whether the person was found in this very frame; else the box is carried on.
        zone: Name of the zone that the person is in, if any.
        locate_ms: Time spent on finding people in this frame; None if nobody looked for any in the
            source.
        largest: Whether nobody in the frame who is looked at is larger: where one answer stands for
            all of a source, it is this one.
    """

    source: str
    frame: int
    timestamp_s: float
    probabilities: FloatArray
    labels: tuple[str, ...]
    window_frames: int
    decode_ms: float
    preprocess_ms: float
    encode_ms: float
    classify_ms: float
    age_ms: float | None = None
    captured_at_s: float | None = None
    rejected: bool = False
    reused_frame: int | None = None
    person: int | None = None
    box: Box | None = None
    keypoints: FloatArray | None = None
    located: bool = True
    zone: str | None = None
    locate_ms: float | None = None
    largest: bool = True

    @property
    def is_nobody(self) -> bool:
        """Whether it says that nobody is there; models have two labels at least."""
        return self.labels == (NOBODY,)

    @property
    def encoded(self) -> bool:
        """Whether the frame itself was encoded."""
        return self.reused_frame is None

    @cached_property
    def action(self) -> str:
        """The most probable label, or `unknown` if it is not probable enough."""
        return UNKNOWN if self.rejected else self.labels[int(self.probabilities.argmax())]

    @cached_property
    def confidence(self) -> float:
        """The probability of the most probable label."""
        return float(self.probabilities.max())

    @property
    def latency_ms(self) -> float:
        """Total time spent on this frame."""
        spent_ms = self.decode_ms + self.preprocess_ms + self.encode_ms + self.classify_ms
        return spent_ms + (self.locate_ms or 0.0)

    def top(self, k: int | None = None) -> list[tuple[str, float]]:
        """The k most probable labels with their probabilities, best first; all of them without k.

        Example:
            >>> from har_edge.testing import make_prediction
            >>> make_prediction({"sitting": 0.25, "falling": 0.75}).top(1)
            [('falling', 0.75)]
        """
        order = np.argsort(-self.probabilities, kind="stable")[:k]
        return [(self.labels[i], float(self.probabilities[i])) for i in order]

    def as_dict(
        self, top_k: int | None = 3, *, by_stage: bool = False, keypoints: bool = False
    ) -> dict[str, object]:
        """Plain values with the field names that users see in files and on the network.

        Args:
            top_k: Number of actions in `all_predictions`; None for all.
            by_stage: Whether `latency_ms` holds the time of each stage, as in the server's
                replies, instead of their sum with a separate field for each, as in output lines.
            keypoints: Whether the person's keypoints are among them, as 17 lists of x, y, score.

        Example:
            >>> from har_edge.testing import make_prediction
            >>> found = make_prediction({"falling": 0.75, "sitting": 0.25}).as_dict(top_k=1)
            >>> found["action"], found["all_predictions"]
            ('falling', [{'action': 'falling', 'confidence': 0.75}])
        """
        stages = {stage: round(getattr(self, f"{stage}_ms"), 3) for stage in STAGES}
        if self.locate_ms is not None:
            stages["locate"] = round(self.locate_ms, 3)
        flat = {f"{stage}_ms": spent_ms for stage, spent_ms in stages.items()}
        costs = {"latency_ms": round(self.latency_ms, 3), **flat}
        record: dict[str, object] = {
            "source": self.source,
            "frame": self.frame,
            "timestamp_s": round(self.timestamp_s, 3),
            "action": self.action,
            "confidence": round(self.confidence, 4),
            "all_predictions": [
                {"action": action, "confidence": round(confidence, 4)}
                for action, confidence in self.top(top_k)
            ],
            "window_frames": self.window_frames,
            **({"latency_ms": stages} if by_stage else costs),
            "age_ms": None if self.age_ms is None else round(self.age_ms, 3),
        }
        if self.captured_at_s is not None:
            record["time"] = iso_time(self.captured_at_s)
        if self.person is not None:
            record |= self._whereabouts(keypoints)
        return record

    def _whereabouts(self, keypoints: bool) -> dict[str, object]:
        """Who it is about, and where that person is."""
        record: dict[str, object] = {
            "person": self.person,
            "box": None if self.box is None else [round(edge, 4) for edge in self.box],
            "located": self.located,
            "zone": self.zone,
        }
        if keypoints:
            rows = None if self.keypoints is None else self.keypoints.astype(float).round(4)
            record["keypoints"] = None if rows is None else rows.tolist()
        return record

    def __str__(self) -> str:
        when = format_time(self.timestamp_s)
        who = "" if self.person is None else f"person {self.person}: "
        return f"{who}{self.action} {self.confidence:.0%}, {when} of {self.source}"

    def _repr_html_(self) -> str:
        rows = [(action, f"{confidence:.1%}") for action, confidence in self.top(SHOWN_ACTIONS)]
        return html_table(str(self), ("action", "confidence"), rows)
