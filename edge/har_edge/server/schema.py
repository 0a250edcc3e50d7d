"""Bodies of the OpenAPI document that are not in `har_edge.replies`.

Replies are built from plain values. Tests check them against these classes; the server does not,
since that would take time from the model.
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
