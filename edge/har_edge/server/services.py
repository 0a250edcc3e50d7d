"""What the routes of one server share."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from har_edge.config import RequestLimits
from har_edge.server.guard import Guard
from har_edge.server.live import LiveSession
from har_edge.server.metrics import Metrics
from har_edge.server.problems import ProblemError
from har_edge.server.workers import Gate, ServedModel, Workers
from har_edge.visible import visible


class KeptZones(Protocol):
    """Keeps the zones of a live source: `har_edge.server.zones.ZonesKeeper`."""

    @property
    def detail(self) -> str:
        """Why zones cannot be drawn; empty if they can."""

    def facts(self) -> dict[str, object]:
        """The zones, and whether they can be drawn."""

    def replace(self, zones: list[dict[str, object]]) -> dict[str, object]:
        """Take other zones, and keep them."""


class KeptClips(Protocol):
    """Knows the clips of a live source's events: `har_edge.server.recordings.Recordings`."""

    @property
    def kept(self) -> bool:
        """Whether clips are kept at all."""

    def newest(self) -> list[dict[str, object]]:
        """The newest clips, the last one first."""

    def find(self, name: str) -> Path | None:
        """The clip of a name; None if there is none."""


class Teaches(Protocol):
    """Teaches the model of a live source: `har_edge.server.teaching.Teacher`."""

    def facts(self) -> dict[str, object]:
        """How far it is."""

    def start(self, label: str, duration_s: float) -> dict[str, object]:
        """Begin to record."""

    def cancel(self) -> dict[str, object]:
        """Stop recording."""


@dataclass(frozen=True)
class Services:
    """What the routes of one server share.

    Attributes:
        workers: Run the models on uploads.
        limits: What a request may cost.
        uploads: Lets uploads in.
        viewers, listeners: Let readers of the live pictures and of the live events in.
        guard: Knows the token.
        metrics: Count.
        live: The live source, if there is one.
        zones: Keeps its zones.
        recordings: Knows the clips of its events.
        teacher: Teaches its model.
    """

    workers: Workers
    limits: RequestLimits
    uploads: Gate
    viewers: Gate
    listeners: Gate
    guard: Guard
    metrics: Metrics
    live: LiveSession | None = None
    zones: KeptZones | None = None
    recordings: KeptClips | None = None
    teacher: Teaches | None = None

    @property
    def model(self) -> ServedModel:
        """What is known of the server's own model."""
        return self.workers.model

    def check_model(self, name: str | None) -> None:
        """Check that a request names a model that there is, or none.

        Raises:
            ProblemError: 422.
        """
        known = self.workers.models
        if name is not None and name not in known:
            raise ProblemError(
                422,
                f"model should be one of {', '.join(known)}. Received {visible(name)[:80]}. Leave "
                "it out for the one that suits the file.",
            )

    def session(self) -> LiveSession:
        """The live source.

        Raises:
            ProblemError: if there is none.
        """
        if self.live is None:
            raise ProblemError(
                404, "This server has no live source. Start it with --camera N or a stream's URL."
            )
        return self.live
