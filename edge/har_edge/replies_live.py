"""Typed replies of a server about its live source; see `har_edge.replies`."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import Field, dataclass, field
from typing import Literal

from har_edge.replies import Latency, Ranked, Said
from har_edge.told import Told


class Message(Told):
    """A message in the stream of a live source: a prediction, an event or a status."""

    @property
    @abstractmethod
    def kind(self) -> str:
        """`prediction`, `action_started`, `action_ended` or `status`."""

    def __getitem__(self, name: str) -> object:
        return self.kind if name == "kind" else super().__getitem__(name)


@dataclass(frozen=True, kw_only=True)
class PredictionRecord(Said, Message):
    """A prediction of the live source."""

    source: str
    age_ms: float | None
    fps: float
    time: str

    @property
    def kind(self) -> str:
        """Always `prediction`."""
        return "prediction"


@dataclass(frozen=True)
class EventRecord(Message):
    """An action of the live source that began or ended; times are local, with UTC offset."""

    id: int
    event: Literal["action_started", "action_ended"]
    number: int = field(metadata={"description": "The same for both events of an action."})
    source: str
    action: str
    start_s: float = field(metadata={"description": "Seconds since the start of the source."})
    end_s: float | None
    duration_s: float | None
    confidence: float
    start_time: str | None
    end_time: str | None
    person: int | None = None
    zone: str | None = None
    why: dict[str, float | str] | None = field(
        default=None,
        metadata={"description": "Of an alarm: the numbers that led to it, and what ended it."},
    )

    @property
    def kind(self) -> str:
        """`action_started` or `action_ended`."""
        return self.event


@dataclass(frozen=True)
class StatusRecord(Message):
    """A change in the state of the live source."""

    status: str
    source: str
    time: str
    detail: str

    @property
    def kind(self) -> str:
        """Always `status`."""
        return "status"


@dataclass(frozen=True)
class EventPage(Told):
    """A page of events, oldest first; pass `next_after` as `after` for the next page."""

    events: list[EventRecord]
    next_after: int | None


@dataclass(frozen=True)
class SavedClip(Told):
    """A clip of an event of the live source; `GET /clips/NAME` is the video."""

    name: str
    action: str
    saved: str
    size_bytes: int


@dataclass(frozen=True)
class SavedClips(Told):
    """The newest clips, the last one first; `kept` is false without `--save-events`."""

    kept: bool
    clips: list[SavedClip]


@dataclass(frozen=True)
class PersonNow(Told):
    """Somebody in view; `action` is null until the window of that person is full."""

    person: int
    box: tuple[float, float, float, float] = field(
        metadata={"description": "Left, top, right and bottom, in fractions of the picture."}
    )
    keypoints: list[tuple[float, float, float]] | None
    located: bool
    action: str | None
    confidence: float | None
    zone: str | None


@dataclass(frozen=True)
class PeopleRecord(Message):
    """Who is in view of the live source, and how many of them do what."""

    time: str
    frame: int
    people: list[PersonNow]
    count: int
    actions: dict[str, int]

    @property
    def kind(self) -> str:
        """Always `people`."""
        return "people"


@dataclass(frozen=True)
class Live(Told):
    """The live source right now; `history` holds [Unix time, action, confidence]."""

    source: str
    state: Literal["live", "lost", "black", "frozen", "ended"]
    detail: str = field(
        metadata={"description": "What is wrong with the source; empty while all is well."}
    )
    action: str | None = field(
        metadata={
            "description": "Null while there is no current prediction: without a picture, and "
            "after a gap until a window is full again. The same goes for `confidence`, "
            "`latency_ms` and `age_ms`."
        }
    )
    confidence: float | None
    all_predictions: list[Ranked]
    fps: float
    latency_ms: Latency | None
    age_ms: float | None
    totals_today: dict[str, float] = field(metadata={"description": "Seconds of each action."})
    history: list[tuple[float, str, float]]
    people: list[PersonNow] | None = field(
        default=None,
        metadata={
            "description": "Who is in view; null where people are not told apart, or nobody has "
            "looked yet. The same goes for `count` and `actions`."
        },
    )
    count: int | None = None
    actions: dict[str, int] | None = field(
        default=None, metadata={"description": "How many people do what."}
    )
    people_history: list[tuple[float, int, str, float]] = field(
        default_factory=list,
        metadata={"description": "What each did: [Unix time, person, action, confidence]."},
    )
    private: Literal["skeletons", "blur"] | None = field(
        default=None, metadata={"description": "How people are covered in the pictures."}
    )

    def _has(self, each: Field[object]) -> bool:
        return True  # null where people are not told apart


@dataclass(frozen=True)
class DrawnZone(Told):
    """A part of the picture with a name; corners are [x, y] in fractions of the picture."""

    name: str
    polygon: list[tuple[float, float]]
    point: Literal["feet", "hips"] = field(
        default="feet",
        metadata={"description": "Which point of a person must lie inside."},
    )
    source: str | None = field(
        default=None, metadata={"description": "The source that it is of; null for all."}
    )


@dataclass(frozen=True)
class DrawnZones(Told):
    """All zones of the live source."""

    zones: list[DrawnZone]


@dataclass(frozen=True)
class ZonesReply(Told):
    """The zones of the live source, and whether they can be drawn; if not, `detail` says why."""

    zones: list[DrawnZone]
    writable: bool
    detail: str
