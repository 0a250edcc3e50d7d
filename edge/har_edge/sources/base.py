"""What a source is, and how it reports its state."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Literal, Protocol, TypeVar

from har_edge.durations import iso_time
from har_edge.frames.frame import Frame
from har_edge.frames.sampling import FrameSampler

Opened = TypeVar("Opened")
SourceState = Literal["live", "lost", "black", "frozen", "ended"]


@dataclass(frozen=True)
class SourceStatus:
    """A change in the state of a live source.

    Attributes:
        source: Name of the source, printable.
        state: `live`: frames come. `lost`: none come, it is being reopened. `black`, `frozen`:
            frames come but show nothing, or nothing new. `ended`: it will not come back.
        at_s: Unix time of the change.
        detail: One sentence for people: what happened, and what is done about it.
    """

    source: str
    state: SourceState
    at_s: float
    detail: str = ""

    def as_dict(self) -> dict[str, object]:
        """Plain values with the field names that users see in files and on the network.

        Example:
            >>> SourceStatus("camera:0", "lost", 0.0).as_dict()["status"]
            'lost'
        """
        return {
            "status": self.state,
            "source": self.source,
            "time": iso_time(self.at_s),
            "detail": self.detail,
        }


Notify = Callable[[SourceStatus], None]


class FrameSource(Protocol):
    """Something that yields frames.

    Attributes:
        name: Printable name.
        live: Whether frames come at their own pace and may be dropped.
        duration_s: Length, if known.
    """

    name: str
    live: bool
    duration_s: float | None

    def frames(self, sampler: FrameSampler) -> Generator[Frame, None, None]:
        """Yield the frames that `sampler` takes; closing the iterator frees the source."""

    def stop(self) -> None:
        """Make `frames` end soon, whatever it is waiting for; other threads may call this."""


class OpenSource(FrameSource, Protocol):
    """A source that a `with` block stops at its end, on an error too; to be inherited from."""

    def __enter__(self: Opened) -> Opened:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
