"""What the server takes and gives beside `har_edge.replies`, for its OpenAPI document.

Answers are built from plain values and not checked against these on their way out, which would
take time from the model; tests do that.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field


class Hello(BaseModel):
    """The server's name and version."""

    name: Literal["har-edge"]
    version: str
    status: Literal["running"]


class Ready(BaseModel):
    """Whether the model is loaded and the live source, if there is one, is of now."""

    status: Literal["ready"]
    model: str
    live: str | None = Field(description="State of the live source; null without one.")


class Classes(BaseModel):
    """The actions that the model knows."""

    classes: list[str]
    count: int


class Credentials(BaseModel):
    """What opens a session."""

    token: str = Field(max_length=1000)


class Problem(BaseModel):
    """Why a request was refused (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str
