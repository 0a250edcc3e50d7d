"""Typed replies of a server: `har-edge serve` describes them, `har_edge.client` returns them.

The server's OpenAPI document is generated from these classes, so that the two cannot differ. They
need nothing but the standard library, and neither does a client.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from har_edge.notebook import html_table
from har_edge.told import Told as Told  # noqa: PLC0414 - others take it here

# Members of an answer that only clips have.
OF_CLIPS = ("duration_s", "num_frames", "timeline", "events")


@dataclass(frozen=True)
class Ranked(Told):
    """An action with its probability."""

    action: str
    confidence: float = field(metadata={"ge": 0, "le": 1})


@dataclass(frozen=True)
class Source(Told):
    """The uploaded file, with its size in pixels as displayed."""

    kind: Literal["image", "clip"]
    width: int
    height: int


@dataclass(frozen=True)
class Latency(Told):
    """Milliseconds of each stage; for a clip, the sum over its windows."""

    decode: float
    preprocess: float
    encode: float
    classify: float
    locate: float | None = None


@dataclass(frozen=True)
class Span(Told):
    """A part of a clip with a single action; together, the spans cover the clip."""

    start_s: float
    end_s: float
    action: str
    confidence: float
    all_predictions: list[Ranked]


@dataclass(frozen=True)
class ClipEvent(Told):
    """An action in a clip, from its start to its end."""

    event: Literal["action_ended"]
    number: int
    source: str
    action: str
    start_s: float
    end_s: float
    duration_s: float
    confidence: float
    person: int | None = None
    zone: str | None = None


@dataclass(frozen=True, kw_only=True)
class PersonTold(Told):
    """A person in an upload, and what that person does; `action` is null if seen too shortly."""

    person: int = field(metadata={"description": "Number of the person, from 1."})
    start_s: float
    end_s: float
    box: list[float] = field(
        metadata={"description": "Last place: left, top, right, bottom in fractions."}
    )
    track: list[list[float]] = field(
        metadata={"description": "Time, left, top, right, bottom in each sampled frame."}
    )
    action: str | None
    confidence: float | None
    all_predictions: list[Ranked]
    timeline: list[Span]
    keypoints: list[list[float]] | None = field(
        default=None, metadata={"description": "17 of x, y, score at the last place, if asked for."}
    )


@dataclass(frozen=True, kw_only=True)
class Said(Told):
    """A prediction, as in the lines of `har-edge run`, without its source and time of day."""

    frame: int = field(metadata={"description": "Index of the window's last frame."})
    timestamp_s: float = field(metadata={"description": "Time of that frame."})
    action: str = field(metadata={"description": "The most probable action, or `unknown`."})
    confidence: float
    all_predictions: list[Ranked] = field(metadata={"description": "Most probable first."})
    window_frames: int = field(metadata={"description": "Number of frames in the window."})
    latency_ms: Latency
    person: int | None = field(
        default=None, metadata={"description": "Number of the person whom it is about."}
    )
    box: list[float] | None = None
    located: bool | None = None
    zone: str | None = None
    keypoints: list[list[float]] | None = None

    def top(self, k: int | None = None) -> list[tuple[str, float]]:
        """The k most probable of the listed actions, best first; all of them without k."""
        return [(ranked.action, ranked.confidence) for ranked in self.all_predictions[:k]]

    def __str__(self) -> str:
        return f"{self.action} {self.confidence:.0%}"

    def _repr_html_(self) -> str:
        rows = [(action, f"{confidence:.1%}") for action, confidence in self.top()]
        return html_table(str(self), ("action", "confidence"), rows)


AN_ANSWER: dict[str, object] = {
    "frame": 0,
    "timestamp_s": 0.0,
    "action": "sitting",
    "confidence": 0.9312,
    "all_predictions": [
        {"action": "sitting", "confidence": 0.9312},
        {"action": "using_laptop", "confidence": 0.0406},
    ],
    "window_frames": 1,
    "latency_ms": {"decode": 1.9, "preprocess": 1.1, "encode": 2.8, "classify": 0.02},
    "source": {"kind": "image", "width": 1280, "height": 720},
    "model": "har15",
    "age_ms": None,
}


@dataclass(frozen=True, kw_only=True)
class Answer(Said, example=AN_ANSWER):
    """The prediction for an upload; the last four members are there only for clips."""

    source: Source
    model: str = field(default="", metadata={"description": "Name of the model that looked at it."})
    age_ms: float | None = field(
        default=None, metadata={"description": "Always null: an upload is not live."}
    )
    duration_s: float = 0
    num_frames: int = 0
    timeline: list[Span] = field(
        default_factory=list,
        metadata={"description": "Each span lists its best 5 actions, regardless of `top_k`."},
    )
    events: list[ClipEvent] = field(default_factory=list)
    people: list[PersonTold] | None = field(
        default=None, metadata={"description": "Each person, where people are told apart."}
    )

    def as_dict(self) -> dict[str, object]:
        """Plain values, as they came."""
        values = super().as_dict()
        absent = OF_CLIPS if self.source.kind == "image" else ()
        return {name: value for name, value in values.items() if name not in absent}


@dataclass(frozen=True)
class Health(Told):
    """Confirms that the server runs, with what a page needs to know first."""

    status: Literal["ok"]
    version: str
    token_required: bool
    signed_in: bool = field(
        metadata={"description": "Whether this request may use the other routes."}
    )
    live: bool = field(metadata={"description": "Whether a live source is served."})
    max_upload_bytes: int


@dataclass(frozen=True)
class Classes(Told):
    """The actions that the model knows."""

    classes: list[str]
    count: int


@dataclass(frozen=True)
class Clip(Told):
    """The frames that make up a window of the model."""

    num_frames: int
    frame_rate_hz: float
    height: int
    width: int
    resize: str


@dataclass(frozen=True)
class Crop(Told):
    """How a person's crop is made of a box."""

    scale: float
    square: bool


@dataclass(frozen=True)
class ModelEntry(Told):
    """A model that uploads can be shown to."""

    name: str
    labels: list[str]
    looks_at: Literal["pictures", "clips"] = field(
        metadata={"description": "What it is made for: it gets these if no model is named."}
    )
    description: str


@dataclass(frozen=True)
class Models(Told):
    """The models that uploads can be shown to, the server's own first."""

    models: list[ModelEntry]


@dataclass(frozen=True)
class ModelFacts(Told):
    """Everything that the model file says about itself, and how it is run."""

    name: str
    labels: list[str]
    clip: Clip
    feature_size: int
    variant: str
    backbone: str
    temperature: float
    reject_threshold: float
    data_fingerprint: str
    metrics: dict[str, float]
    tool_versions: dict[str, str]
    float_layers: list[str]
    min_runtime: str
    description: str
    license: str
    model_bytes: int
    model_sha256: str
    schema_version: int
    view: str
    crop: Crop
    head_inputs: list[str]
    falls: dict[str, float]
    file: str
    window_s: float
    backend: str
    num_threads: int
    num_workers: int
    size_bytes: int
