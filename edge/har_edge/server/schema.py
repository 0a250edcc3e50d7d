"""The shapes of what the server takes and gives, for its OpenAPI document.

Answers are built from plain values and not checked against these on their way out, which would
take time from the model; tests do that.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Confidence = float


class Ranked(BaseModel):
    """An action with its probability."""

    action: str
    confidence: float = Field(ge=0, le=1)


class Source(BaseModel):
    """What was uploaded: size in pixels as shown."""

    kind: Literal["image", "clip"]
    width: int
    height: int


class Latency(BaseModel):
    """Milliseconds of each stage; of a clip, summed over its windows."""

    decode: float
    preprocess: float
    encode: float
    classify: float


class Span(BaseModel):
    """A part of a clip with one answer; spans cover the clip."""

    start_s: float
    end_s: float
    action: str
    confidence: float
    all_predictions: list[Ranked]


class ClipEvent(BaseModel):
    """An action of a clip, from its start to its end."""

    event: Literal["action_ended"]
    action: str
    confidence: float
    start_s: float
    end_s: float
    duration_s: float


class Answer(BaseModel):
    """What an upload shows; the last four are there for clips alone."""

    action: str = Field(description="The most probable action, or `unknown`.")
    confidence: float
    all_predictions: list[Ranked] = Field(description="Best first.")
    source: Source
    latency_ms: Latency
    duration_s: float = 0
    num_frames: int = 0
    timeline: list[Span] = Field([], description="Each lists its best 5, whatever `top_k` says.")
    events: list[ClipEvent] = []

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "action": "sitting",
                    "confidence": 0.9312,
                    "all_predictions": [
                        {"action": "sitting", "confidence": 0.9312},
                        {"action": "using_laptop", "confidence": 0.0406},
                    ],
                    "source": {"kind": "image", "width": 1280, "height": 720},
                    "latency_ms": {
                        "decode": 1.9,
                        "preprocess": 1.1,
                        "encode": 2.8,
                        "classify": 0.02,
                    },
                }
            ]
        }
    )


class Hello(BaseModel):
    """The server's name and version."""

    name: Literal["har-edge"]
    version: str
    status: Literal["running"]


class Health(BaseModel):
    """That the server runs, and what a page needs to know beforehand."""

    status: Literal["ok"]
    version: str
    token_required: bool
    signed_in: bool = Field(description="Whether this request may use the other routes.")
    live: bool = Field(description="Whether a live source is served.")
    max_upload_bytes: int


class Ready(BaseModel):
    """Whether the model is loaded and the live source, if there is one, is of now."""

    status: Literal["ready"]
    model: str
    live: str | None = Field(description="State of the live source; null without one.")


class Classes(BaseModel):
    """The actions that the model knows."""

    classes: list[str]
    count: int


class ModelFacts(BaseModel):
    """All that the model file says of itself, and how it is run."""

    name: str
    labels: list[str]
    clip: dict[str, Any]
    feature_size: int
    variant: str
    backend: str
    num_threads: int
    num_workers: int
    size_bytes: int


class EventRecord(BaseModel):
    """An action of the live source that began or ended; times are local with their offset."""

    id: int
    event: Literal["action_started", "action_ended"]
    source: str
    action: str
    confidence: float
    start_time: str | None
    end_time: str | None
    duration_s: float | None


class EventPage(BaseModel):
    """A page of events, oldest first; `next_after` asks for the next one."""

    events: list[EventRecord]
    next_after: int | None


class Live(BaseModel):
    """The present of the live source; `history` holds [Unix time, action, confidence]."""

    source: str
    state: Literal["live", "lost", "black", "frozen", "ended"]
    detail: str = Field(description="What became of the source; empty while all is well.")
    action: str | None = Field(
        description="Null while there is no answer of now: without a picture, and after a gap "
        "until a window is full again. So are `confidence`, `latency_ms` and `age_ms`."
    )
    confidence: float | None
    all_predictions: list[Ranked]
    fps: float
    latency_ms: Latency | None
    age_ms: float | None
    totals_today: dict[str, float] = Field(description="Action to seconds.")
    history: list[tuple[float, str, float]]


class Credentials(BaseModel):
    """What opens a session."""

    token: str = Field(max_length=1000)


class Problem(BaseModel):
    """Why a request was refused (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str
