"""What a source is, and what it says of its state."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Literal, Protocol

from har_edge.frames.frame import Frame
from har_edge.frames.sampling import FrameSampler

SourceState = Literal["live", "lost", "black", "frozen", "ended"]


@dataclass(frozen=True)
class SourceStatus:
    """A change in what a live source delivers.

    Attributes:
        source: Name of the source, printable.
        state: `live`: frames come. `lost`: none come, it is being opened again. `black`, `frozen`:
            they come but show nothing, or nothing new. `ended`: it will not come back.
        at_s: Unix time of the change.
        detail: One sentence for people: what was seen, what is done about it.
    """

    source: str
    state: SourceState
    at_s: float
    detail: str = ""


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
        """Make `frames` end soon, whatever it waits for; for other threads to call."""
