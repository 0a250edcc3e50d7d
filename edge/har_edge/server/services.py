"""What the routes of one server share."""

from __future__ import annotations

from dataclasses import dataclass

from har_edge.config import RequestLimits
from har_edge.model.loaded import LoadedModel
from har_edge.server.answers import Answering
from har_edge.server.guard import Guard
from har_edge.server.live import LiveSession
from har_edge.server.metrics import Metrics
from har_edge.server.workers import Gate, Workers


@dataclass(frozen=True)
class Services:
    """What the routes of one server share.

    Attributes:
        model: For its facts; nobody runs it.
        workers: Run it.
        answering: Says how uploads are answered.
        uploads: Lets uploads in.
        viewers, listeners: Let readers of the live pictures and of the live events in.
        guard: Knows the token.
        metrics: Count.
        live: The live source, if there is one.
    """

    model: LoadedModel
    workers: Workers
    answering: Answering
    uploads: Gate
    viewers: Gate
    listeners: Gate
    guard: Guard
    metrics: Metrics
    live: LiveSession | None = None

    @property
    def limits(self) -> RequestLimits:
        """What a request may cost."""
        return self.answering.limits
