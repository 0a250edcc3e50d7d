"""Bodies of the OpenAPI document that are not in `har_edge.replies`.

Replies are built from plain values. Tests check them against these classes; the server does not,
since that would take time from the model.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class Hello(BaseModel):
    """The server's name and version."""

    name: Literal["har-edge"]
    version: str
    status: Literal["running"]


class Ready(BaseModel):
    """Confirms that the model is loaded and the live source, if there is one, is current."""

    status: Literal["ready"]
    model: str
    live: str | None = Field(description="State of the live source; null without one.")


class Credentials(BaseModel):
    """The token that opens a session."""

    token: str = Field(max_length=1000)


class Problem(BaseModel):
    """Why a request was refused (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str


class Lesson(BaseModel):
    """An action to be taught from the next seconds of the live source."""

    model_config = ConfigDict(extra="forbid")

    label: str = Field(
        min_length=1, max_length=60, description="Its name; `nothing` for what is no action."
    )
    duration_s: float = Field(default=10.0, ge=1, le=300, description="Seconds to record.")


class TeachingState(BaseModel):
    """How far teaching is; `detail` says what was learned, or why nothing was."""

    state: Literal["idle", "recording", "done", "failed"]
    label: str | None
    recorded_s: float
    duration_s: float | None
    windows: int = Field(description="Examples so far.")
    detail: str
