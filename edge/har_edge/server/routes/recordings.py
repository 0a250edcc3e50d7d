"""The clips of events of the live source, as a list and as videos."""

from __future__ import annotations

from anyio import to_thread
from fastapi import APIRouter
from fastapi.responses import FileResponse, JSONResponse

from har_edge.replies_live import SavedClips
from har_edge.server.problems import ProblemError, problem_docs
from har_edge.server.recordings import KINDS
from har_edge.server.services import KeptClips, Services

PROBLEMS = problem_docs(401, 404, 408, 413, 421, 422)
VIDEO = {"video/mp4": {"schema": {"type": "string", "format": "binary"}}}


def recording_routes(services: Services) -> APIRouter:
    """Build the routes."""
    router = APIRouter(tags=["live"])

    def recordings() -> KeptClips:
        services.session()
        assert services.recordings is not None
        return services.recordings

    @router.get("/clips", response_model=SavedClips, responses=PROBLEMS)
    async def clips() -> JSONResponse:
        """Clips of events that `--save-events` kept, the newest 200, the last one first."""
        found = recordings()
        listed = await to_thread.run_sync(found.newest)
        return JSONResponse({"kept": found.kept, "clips": listed})

    @router.get(
        "/clips/{name}",
        response_class=FileResponse,
        responses={200: {"description": "The video.", "content": VIDEO}, **PROBLEMS},
    )
    async def clip(name: str) -> FileResponse:
        """One of these clips; parts of it by `Range`."""
        path = await to_thread.run_sync(recordings().find, name)
        if path is None:
            raise ProblemError(
                404,
                "Expected the name of a saved clip. There is none of that name, or it was deleted "
                "to make room. GET /clips lists them.",
            )
        return FileResponse(path, media_type=KINDS[path.suffix])

    return router
