"""The live source: its current prediction and its past events."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import JSONResponse

from har_edge.replies_live import EventPage, Live
from har_edge.server.problems import problem_docs
from har_edge.server.services import Services

MAX_PAGE = 1000
PROBLEMS = problem_docs(401, 404, 408, 413, 421, 422)


def live_routes(services: Services) -> APIRouter:
    """Build the routes."""
    router = APIRouter(tags=["live"])

    @router.get("/live", response_model=Live, responses=PROBLEMS)
    async def live() -> object:
        """The current prediction of the live source, and its last five minutes."""
        return JSONResponse(services.session().snapshot())

    @router.get("/events", response_model=EventPage, responses=PROBLEMS)
    async def events(
        after: Annotated[int, Query(ge=0, description="Only events after this id.")] = 0,
        limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = 100,
        last: Annotated[
            int | None, Query(ge=1, le=MAX_PAGE, description="The newest events instead.")
        ] = None,
    ) -> JSONResponse:
        """Actions that began and ended, oldest first; the newest 10,000 are kept."""
        found = services.session()
        if last is not None:
            after, limit = max(0, found.last_event_id() - last), last
        page, more = found.events(after=min(after, 2**53), limit=limit)
        records = [record for _, record in page]
        return JSONResponse({"events": records, "next_after": page[-1][0] if more else None})

    return router
