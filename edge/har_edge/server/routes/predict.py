"""`POST /predict`: a picture or a clip in, actions out."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from fastapi.routing import APIRoute

from har_edge.replies import Answer
from har_edge.server.messages import Answered, Upload
from har_edge.server.problems import ProblemError, problem_docs
from har_edge.server.services import Services
from har_edge.server.uploads import receive_upload, refuse

PREDICT_PATH = "/predict"
TOP_K_TEXT = (
    "Number of actions in `all_predictions`; all if left out. `timeline[].all_predictions` always "
    "has 5."
)
MODEL_TEXT = (
    "Name of the model to ask, see `GET /models`; if left out, pictures go to the first made for "
    "pictures, clips to the first made for clips."
)
# The form is read by hand, within limits, so FastAPI cannot know what it holds.
FORM = {
    "required": True,
    "content": {
        "multipart/form-data": {
            "schema": {
                "type": "object",
                "required": ["file"],
                "properties": {
                    "file": {
                        "type": "string",
                        "format": "binary",
                        "description": "JPEG, PNG, WebP, BMP, AVIF or HEIC; MP4, MOV, MKV, WebM, "
                        "AVI, MPEG-TS, FLV or WMV; an animated GIF, PNG, WebP or AVIF.",
                    }
                },
            }
        }
    },
}


def predict_routes(services: Services) -> APIRouter:
    """Build the route."""
    limits = services.limits

    class UploadRoute(APIRoute):
        """Spares uploads without parameters FastAPI's look for some: a fifth of the app's time."""

        def get_route_handler(self) -> Callable[[Request], Coroutine[object, object, Response]]:
            answer = super().get_route_handler()

            async def answer_upload(request: Request) -> Response:
                if request.scope["query_string"]:
                    return await answer(request)
                await services.guard.check(request)  # all that the application's dependencies do
                return await predict(request)

            return answer_upload

    router = APIRouter(tags=["recognition"], route_class=UploadRoute)

    @router.post(
        PREDICT_PATH,
        response_model=Answer,
        responses=problem_docs(400, 401, 403, 408, 413, 415, 421, 422, 429, 503, 507),
        openapi_extra={"requestBody": FORM},
    )
    async def predict(
        request: Request,
        top_k: Annotated[int | None, Query(ge=1, description=TOP_K_TEXT)] = None,
        model: Annotated[str | None, Query(description=MODEL_TEXT)] = None,
    ) -> Response:
        """Recognise what the person in a picture or a clip is doing."""
        services.check_model(model)
        if services.uploads.full:
            problem = services.uploads.problem()
            await refuse(request, problem.status_code, problem.detail, dict(problem.headers or {}))
        with services.uploads.enter():
            async with receive_upload(request, limits) as upload:
                answered = await _while_heard(request, services, upload, top_k, model)
                services.metrics.count_answer(answered, upload.size_bytes)
        return Response(answered.body, media_type="application/json")

    return router


async def _while_heard(
    request: Request, services: Services, upload: Upload, top_k: int | None, model: str | None
) -> Answered:
    """Let a worker answer, as long as there is time and somebody who waits for it.

    Raises:
        ProblemError: 503 if it takes too long, 400 if nobody hears the answer.
    """
    job = asyncio.ensure_future(services.workers.run(upload, top_k, model))
    gone = asyncio.ensure_future(_gone(request))
    limit_s = services.limits.request_timeout_s
    try:
        await asyncio.wait({job, gone}, timeout=limit_s, return_when=asyncio.FIRST_COMPLETED)
        if job.done():
            return job.result()
        if gone.done():
            raise ProblemError(400, "The client has gone before the answer. Send it again.")
        raise ProblemError(
            503,
            f"The prediction should take at most {limit_s:g} s. It took longer. Try again, send "
            "less, or raise --request-timeout.",
            headers={"Retry-After": "5"},
        )
    finally:
        gone.cancel()
        job.cancel()
        if not job.done():
            await asyncio.wait({job})  # the upload's file is closed after this


async def _gone(request: Request) -> None:
    """Wait until the client has left."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
