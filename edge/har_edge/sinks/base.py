"""Where results go: each sink takes some kinds of records, at its own pace."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Protocol

from har_edge.errors import OutputError
from har_edge.frames.frame import Frame
from har_edge.recognition.answer import FileAnswer
from har_edge.recognition.events import Event
from har_edge.recognition.headcount import Headcount
from har_edge.recognition.prediction import Prediction
from har_edge.recognition.visits import Visit
from har_edge.sources.base import SourceStatus


@dataclass(frozen=True)
class Shot:
    """A frame with what was predicted for it; for sinks that show or store pictures.

    Attributes:
        frame: The picture.
        prediction: What the whole picture shows; None before the first window is full, and where
            people are classified one by one.
        people: What each person in it does, best seen first; those who are in view, but whose
            window is not full, are in `frame.people` alone.
    """

    frame: Frame
    prediction: Prediction | None
    people: tuple[Prediction, ...] = ()


Record = Prediction | Event | Visit | Headcount | SourceStatus | FileAnswer | Shot


class Sink(Protocol):
    """Takes records, one at a time and always on the same thread.

    Attributes:
        name: Printable name, without credentials.
        wants: Kinds of records that it takes.
    """

    name: str
    wants: tuple[type, ...]

    def take(self, record: Record) -> None:
        """Take one record; may wait for a disk or a network.

        Raises:
            TryLaterError: if the same record may be taken later.
            OutputError: if it can never be taken.
        """

    def close(self) -> None:
        """Finish what was taken, with a time limit of its own."""


class Sinks(Protocol):
    """Takes all that a run finds: `har_edge.sinks.fan_out.FanOut`, or a server's live session."""

    @property
    def want_shots(self) -> bool:
        """Whether pictures are of use; if not, no `Shot` need be made."""

    def put(self, record: Record, *, wait: bool) -> None:
        """Take a record; `wait` is True where it must not be lost to a slow reader."""

    def hurry(self) -> None:
        """Stop waiting; called from a signal handler."""


class TryLaterError(OutputError):
    """A record could not be taken now; the same one should be offered again.

    Attributes:
        after_s: How long to wait before that; None leaves it to the queue.
    """

    def __init__(self, message: str, *, after_s: float | None = None) -> None:
        super().__init__(message)
        self.after_s = after_s


def safe_name(text: str, max_bytes: int = 60) -> str:
    """Spell a source or an action so that it can be part of a file name or an MQTT topic.

    Letters, digits, `_`, `-` and inner dots stay; runs of anything else become one `-`. A lone
    `-`, which is standard input, becomes `stdin`.
    """
    if text == "-":
        return "stdin"
    name = re.sub(r"[^\w.-]+", "-", text).strip("-.")
    return name.encode()[:max_bytes].decode(errors="ignore") or "unnamed"
