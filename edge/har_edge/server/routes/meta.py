"""Routes about the server itself and its model."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from har_edge import __version__
from har_edge.model.spec import ModelSpec
from har_edge.paths import display_path
from har_edge.replies import Classes, Health, ModelFacts, Models
from har_edge.server.metrics import CONTENT_TYPE
from har_edge.server.problems import ProblemError, problem_docs
from har_edge.server.schema import Ready
from har_edge.server.services import Services
from har_edge.visible import visible

COMMON = problem_docs(401, 408, 413, 421, 422)


def health_routes(services: Services) -> APIRouter:
    """Build the health route, which needs no token."""
    router = APIRouter()

    @router.get("/health", tags=["server"], response_model=Health, responses=problem_docs(421, 422))
    async def health(request: Request) -> object:
        """Confirm that the server runs, for monitoring."""
        return {
            "status": "ok",
            "version": __version__,
            "token_required": services.guard.required,
            "signed_in": await services.guard.admits(request),
            "live": services.live is not None,
            "max_upload_bytes": services.limits.max_upload_bytes,
        }

    return router


def _entry(spec: ModelSpec) -> dict[str, object]:
    return {
        "name": spec.name,
        "labels": list(spec.labels),
        "looks_at": "clips" if spec.clip.windowed else "pictures",
        "description": spec.description,
    }


def _check_known(name: str | None, known: Collection[str]) -> None:
    if name is not None and name not in known:
        raise ProblemError(
            404,
            f"name should be one of {', '.join(known)}. Received {visible(name)[:80]}. Leave it "
            "out for the server's own model.",
        )


def model_routes(services: Services) -> APIRouter:
    """Build the routes about the model and the server's state."""
    router = APIRouter(tags=["server"])
    spec = services.model.spec

    @router.get("/classes", response_model=Classes, responses=COMMON)
    async def classes() -> object:
        """The actions that the model knows."""
        return {"classes": list(spec.labels), "count": len(spec.labels)}

    @router.get("/models", response_model=Models, responses=COMMON)
    async def models() -> object:
        """The models that uploads can be shown to, the server's own first."""
        return {"models": [_entry(served.spec) for served in services.workers.models.values()]}

    @router.get("/model", response_model=ModelFacts, responses={**COMMON, **problem_docs(404)})
    async def model(name: str | None = None) -> object:
        """Everything that a model's file says about itself; without `name`, the server's own."""
        _check_known(name, services.workers.models)
        served = services.model if name is None else services.workers.models[name]
        facts = {
            **asdict(served.spec),
            "file": display_path(served.path.name),
            "window_s": round(served.spec.clip.window_s, 3),
            "backend": f"{served.backend} {served.version}",
            "num_threads": 1,
            "num_workers": services.workers.count,
            "size_bytes": served.size_bytes,
        }
        return JSONResponse(facts)

    @router.get("/ready", response_model=Ready, responses={**COMMON, **problem_docs(503)})
    async def ready() -> object:
        """Whether the server is ready: 503 while the live source delivers no current pictures."""
        live = services.live
        if live is not None and not live.fresh:
            raise ProblemError(
                503,
                f"Expected current pictures from {live.source}. It is {live.state}. Check the "
                "camera; uploads still work.",
                headers={"Retry-After": "5"},
            )
        state = None if live is None else live.state
        return {"status": "ready", "model": spec.name, "live": state}

    @router.get(
        "/metrics",
        response_class=Response,
        responses={200: {"content": {"text/plain": {}}, "description": "Metrics."}, **COMMON},
    )
    async def metrics() -> Response:
        """Metrics for Prometheus."""
        return Response(services.metrics.expose(), headers={"Content-Type": CONTENT_TYPE})

    return router
