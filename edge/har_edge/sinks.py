"""Where results go: each sink takes some kinds of records, at its own pace."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from har_edge.events import Event
from har_edge.recognizer import Prediction
from har_edge.sources import Frame, SourceStatus


@dataclass(frozen=True)
class Shot:
    """A frame with what was said of it; for sinks that show or store pictures."""

    frame: Frame
    prediction: Prediction | None


Record = Prediction | Event | SourceStatus | Shot


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
            OutputError: if it cannot be taken now or ever.
        """

    def close(self) -> None:
        """Finish what was taken, with a time limit of its own."""
