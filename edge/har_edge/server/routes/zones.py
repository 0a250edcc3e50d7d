"""The zones of the live source."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

from anyio import to_thread
from fastapi import APIRouter, Body
from fastapi.responses import JSONResponse

from har_edge.errors import ConfigError, OutputError
from har_edge.replies_live import DrawnZones, ZonesReply
from har_edge.server.problems import ProblemError, problem_docs
from har_edge.server.services import KeptZones, Services

PROBLEMS = problem_docs(401, 404, 408, 413, 421)


def zone_routes(services: Services) -> APIRouter:
    """Build the routes."""
    router = APIRouter(tags=["live"])

    def keeper() -> KeptZones:
        services.session()
        assert services.zones is not None
        return services.zones

    @router.get("/zones", response_model=ZonesReply, responses=PROBLEMS)
    async def zones() -> JSONResponse:
        """The zones of the live source, in fractions of the picture."""
        return JSONResponse(keeper().facts())

    @router.put(
        "/zones",
        response_model=ZonesReply,
        responses={**PROBLEMS, **problem_docs(400, 403, 409, 422, 500)},
    )
    async def draw(drawn: Annotated[DrawnZones, Body()]) -> JSONResponse:
        """Replace the zones, from the next frame on; they are kept in the file of `--zones`."""
        kept = keeper()
        if kept.detail:
            raise ProblemError(409, kept.detail)
        try:
            facts = await to_thread.run_sync(kept.replace, [asdict(zone) for zone in drawn.zones])
        except ConfigError as error:
            raise ProblemError(422, str(error)) from error
        except OutputError as error:
            raise ProblemError(500, str(error)) from error
        return JSONResponse(facts)

    return router
