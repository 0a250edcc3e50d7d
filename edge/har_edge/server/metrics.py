"""Figures for Prometheus: base units, and label sets that stay small.

Source: Prometheus, Metric and label naming.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Protocol

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from har_edge import __version__
from har_edge.recognition.headcount import Headcount
from har_edge.recognition.prediction import UNKNOWN
from har_edge.server.messages import Answered
from har_edge.server.workers import Gate, ServedModel

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
METHODS = frozenset({"GET", "HEAD", "POST", "DELETE", "OPTIONS", "PUT", "PATCH"})
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)


class Watched(Protocol):
    """What is shown of a live source; see `har_edge.server.live.LiveSession`."""

    viewers: int

    @property
    def fresh(self) -> bool:
        """Whether the last picture is current."""

    def age_s(self) -> float:
        """Time since the last prediction."""

    def fps(self) -> float:
        """Recent predictions per second."""

    def last_event_id(self) -> int:
        """The id of the newest event."""

    @property
    def headcount(self) -> Headcount | None:
        """How many people are in view; None where people are not told apart."""


class Metrics:
    """The figures of one server."""

    def __init__(self, model: ServedModel) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self._registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        Gauge(
            "har_edge_info", "Always 1.", ("version", "model", "backend"), registry=registry
        ).labels(__version__, model.spec.name, model.backend).set(1)
        self.requests = Counter(
            "har_edge_http_requests",
            "Requests answered.",
            ("route", "method", "status"),
            registry=registry,
        )
        self.request_seconds = Histogram(
            "har_edge_http_request_duration_seconds",
            "Time from the request header to the last byte; without streams.",
            ("route",),
            buckets=SECONDS,
            registry=registry,
        )
        self.uploads = Counter(
            "har_edge_uploads", "Uploads answered.", ("kind",), registry=registry
        )
        self.upload_bytes = Counter(
            "har_edge_upload_bytes", "Total size of the uploads.", registry=registry
        )
        self.stage_seconds = Histogram(
            "har_edge_stage_duration_seconds",
            "Time spent in each stage of an upload.",
            ("stage",),
            buckets=SECONDS,
            registry=registry,
        )

    def watch_gate(self, gate: Gate) -> None:
        """Show how full the server is."""
        self._gauge("har_edge_uploads_in_progress", "Uploads in progress.", lambda: gate.inside)
        self._gauge(
            "har_edge_uploads_limit", "Most uploads accepted at the same time.", lambda: gate.limit
        )

    def watch_people(self, live: Watched, labels: Sequence[str]) -> None:
        """Show how many people are in view of the live source, and how many of them do what."""

        def doing(action: str) -> float:
            count = live.headcount
            return count.actions.get(action, 0) if count else 0

        self._gauge(
            "har_edge_live_people",
            "People in view of the live source.",
            lambda: live.headcount.people if live.headcount else 0,
        )
        gauge = Gauge(
            "har_edge_live_people_doing",
            "People in view of the live source who do this.",
            ("action",),
            registry=self._registry,
        )
        for action in (*labels, UNKNOWN):
            gauge.labels(action).set_function(partial(doing, action))

    def watch_live(self, live: Watched) -> None:
        """Show the live source."""
        self._gauge("har_edge_live_up", "1 while the live picture is current.", lambda: live.fresh)
        self._gauge(
            "har_edge_live_age_seconds",
            "Time since the last prediction of the live source.",
            live.age_s,
        )
        self._gauge(
            "har_edge_live_predictions_per_second",
            "Recent prediction rate of the live source.",
            live.fps,
        )
        self._gauge("har_edge_live_events", "Events of the live source so far.", live.last_event_id)
        self._gauge(
            "har_edge_live_viewers", "Clients watching the live pictures.", lambda: live.viewers
        )

    def count_answer(self, answered: Answered, size_bytes: int) -> None:
        """Count an upload that was answered."""
        self.uploads.labels(answered.kind).inc()
        self.upload_bytes.inc(size_bytes)
        for stage, stage_ms in answered.latency_ms.items():
            self.stage_seconds.labels(stage).observe(stage_ms / 1e3)

    def expose(self) -> bytes:
        """Everything in the text format."""
        return generate_latest(self._registry)

    def _gauge(self, name: str, what: str, value: Callable[[], float]) -> None:
        Gauge(name, what, registry=self._registry).set_function(value)


class MetricsMiddleware:
    """Counts requests by route, method and status."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status, stream, started_s = 500, False, time.perf_counter()

        async def send_counted(message: Message) -> None:
            nonlocal status, stream
            if message["type"] == "http.response.start":
                status = message["status"]
                kinds = dict(message["headers"]).get(b"content-type", b"")
                stream = kinds.startswith((b"text/event-stream", b"multipart/"))
            await send(message)

        try:
            await self._app(scope, receive, send_counted)
        finally:
            # The path of a request is anybody's choice; that of a route is ours.
            route = getattr(scope.get("route"), "path", "none")
            method = scope["method"] if scope["method"] in METHODS else "other"
            self._metrics.requests.labels(route, method, str(status)).inc()
            if not stream:
                taken_s = time.perf_counter() - started_s
                self._metrics.request_seconds.labels(route).observe(taken_s)
