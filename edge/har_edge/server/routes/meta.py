"""What the server says of itself, its page, and the session that a page opens."""

from __future__ import annotations

from dataclasses import asdict

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from har_edge import __version__
from har_edge.paths import display_path
from har_edge.replies import Health, ModelFacts
from har_edge.server.guard import COOKIE, SESSION_S
from har_edge.server.metrics import CONTENT_TYPE
from har_edge.server.pages import Page, dashboard_files, reference_page
from har_edge.server.problems import ProblemError, problem_docs
from har_edge.server.schema import Classes, Credentials, Hello, Ready
from har_edge.server.services import Services

COMMON = problem_docs(401, 408, 413, 421)


def open_routes(services: Services) -> APIRouter:
    """Build the routes that need no token."""
    router = APIRouter()
    files = dashboard_files()
    html = {"description": "The page, or JSON.", "content": {"text/html": {}}}

    @router.get(
        "/",
        tags=["server"],
        response_model=Hello,
        responses={200: html, **problem_docs(408, 413, 421)},
    )
    async def hello(request: Request) -> Response:
        """Name and version; browsers get the page."""
        first = request.headers.get("accept", "").partition(",")[0].partition(";")[0].strip()
        if first == "text/html":
            return files["index.html"].response(request)
        body = {"name": "har-edge", "version": __version__, "status": "running"}
        return JSONResponse(body, headers={"Vary": "Accept"})

    @router.get("/health", tags=["server"], response_model=Health, responses=problem_docs(421))
    async def health(request: Request) -> object:
        """That the server runs; for whoever watches over it."""
        return {
            "status": "ok",
            "version": __version__,
            "token_required": services.guard.required,
            "signed_in": services.guard.knows(request),
            "live": services.live is not None,
            "max_upload_bytes": services.limits.max_upload_bytes,
        }

    @router.get("/dashboard/{name}", include_in_schema=False)
    async def file(request: Request, name: str) -> Response:
        """A file of the page."""
        if name not in files:
            raise ProblemError(404, "The page has no such file.")
        return files[name].response(request)

    @router.get("/docs", include_in_schema=False)
    @router.get("/redoc", include_in_schema=False)
    async def reference(request: Request) -> Response:
        """The OpenAPI document for people."""
        address = str(request.base_url).rstrip("/")
        page: Page = reference_page(request.app.openapi(), address)
        return page.response(request)

    @router.post(
        "/session",
        tags=["server"],
        status_code=204,
        response_class=Response,
        responses=problem_docs(400, 401, 403, 408, 413, 421, 422),
    )
    async def sign_in(request: Request, credentials: Credentials) -> Response:
        """Open a session with the token: browsers cannot send it with pictures and streams."""
        if not services.guard.accepts(credentials.token):
            raise ProblemError(
                401,
                "Expected the token that the server was started with. Received another one. "
                "Look for --token or HAR_TOKEN.",
                headers={"WWW-Authenticate": "Bearer"},
            )
        response = Response(status_code=204)
        response.set_cookie(
            COOKIE,
            services.guard.open_session(),
            max_age=int(SESSION_S),
            httponly=True,
            samesite="strict",
            secure=request.url.scheme == "https",
        )
        return response

    @router.delete(
        "/session",
        tags=["server"],
        status_code=204,
        response_class=Response,
        responses=problem_docs(403, 408, 413, 421),
    )
    async def sign_out(request: Request) -> Response:
        """End the session."""
        services.guard.close_session(request.cookies.get(COOKIE, ""))
        response = Response(status_code=204)
        response.delete_cookie(COOKIE, httponly=True, samesite="strict")
        return response

    return router


def model_routes(services: Services) -> APIRouter:
    """Build the routes about the model and the server's state."""
    router = APIRouter(tags=["server"])
    spec = services.model.spec

    @router.get("/classes", response_model=Classes, responses=COMMON)
    async def classes() -> object:
        """The actions that the model knows."""
        return {"classes": list(spec.labels), "count": len(spec.labels)}

    @router.get("/model", response_model=ModelFacts, responses=COMMON)
    async def model() -> object:
        """All that the model file says of itself."""
        backend = services.model.backend
        facts = {
            **asdict(spec),
            "file": display_path(services.model.path.name),
            "window_s": round(spec.clip.window_s, 3),
            "backend": f"{backend.name} {backend.version}",
            "num_threads": 1,
            "num_workers": services.workers.count,
            "size_bytes": services.model.size_bytes,
        }
        return JSONResponse(facts)

    @router.get("/ready", response_model=Ready, responses={**COMMON, **problem_docs(503)})
    async def ready() -> object:
        """Whether answers can be had: 503 while the live source shows nothing of now."""
        live = services.live
        if live is not None and not live.fresh:
            raise ProblemError(
                503,
                f"Expected fresh pictures from {live.source}. It is {live.state}. Check the "
                "camera; uploads are answered meanwhile.",
                headers={"Retry-After": "5"},
            )
        state = None if live is None else live.state
        return {"status": "ready", "model": spec.name, "live": state}

    @router.get(
        "/metrics",
        response_class=Response,
        responses={200: {"content": {"text/plain": {}}, "description": "Figures."}, **COMMON},
    )
    async def metrics() -> Response:
        """Figures for Prometheus."""
        return Response(services.metrics.expose(), headers={"Content-Type": CONTENT_TYPE})

    return router
