"""Teach an action from what the live source shows."""

from __future__ import annotations

from typing import Annotated

from anyio import to_thread
from fastapi import APIRouter, Body
from fastapi.responses import JSONResponse

from har_edge.errors import DataError, OutputError
from har_edge.server.problems import ProblemError, problem_docs
from har_edge.server.schema import Lesson, TeachingState
from har_edge.server.services import Services, Teaches
from har_edge.server.teaching import RefusedError

PROBLEMS = problem_docs(401, 404, 408, 413, 421, 422)
CHANGING = {**PROBLEMS, **problem_docs(403)}


def teaching_routes(services: Services) -> APIRouter:
    """Build the routes."""
    router = APIRouter(tags=["live"])

    def teacher() -> Teaches:
        services.session()
        assert services.teacher is not None
        return services.teacher

    @router.get("/live/teach", response_model=TeachingState, responses=PROBLEMS)
    async def state() -> JSONResponse:
        """How far teaching is, and how the last lesson ended."""
        return JSONResponse(teacher().facts())

    @router.post(
        "/live/teach",
        status_code=202,
        response_model=TeachingState,
        responses={**CHANGING, **problem_docs(400, 409, 500)},
    )
    async def teach(lesson: Annotated[Lesson, Body()]) -> JSONResponse:
        """Learn an action from the next seconds of the live source.

        There it is recognised at once; uploads go by it after the next start of the server.
        """
        found = teacher()
        current = services.session().snapshot()["state"]
        if current != "live":
            raise ProblemError(
                409,
                f"The live source should show the action. It is {current}. Check the camera, and "
                "try again.",
            )
        try:
            facts = await to_thread.run_sync(found.start, lesson.label, lesson.duration_s)
        except RefusedError as error:
            raise ProblemError(409, str(error)) from error
        except DataError as error:
            raise ProblemError(422, str(error)) from error
        except OutputError as error:
            raise ProblemError(500, str(error)) from error
        return JSONResponse(facts, 202)

    @router.delete("/live/teach", response_model=TeachingState, responses=CHANGING)
    async def cancel() -> JSONResponse:
        """Stop recording; nothing is learned from it."""
        return JSONResponse(await to_thread.run_sync(teacher().cancel))

    return router
