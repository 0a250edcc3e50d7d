"""The server's page for people: the dashboard, its files and the reference of the API."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from har_edge import __version__
from har_edge.server.pages import Page, dashboard_files, reference_page
from har_edge.server.problems import ProblemError, problem_docs
from har_edge.server.schema import Hello


def page_routes() -> APIRouter:
    """Build the routes, which need no token."""
    router = APIRouter()
    files = dashboard_files()
    html = {"description": "The dashboard, or JSON.", "content": {"text/html": {}}}

    @router.get(
        "/",
        tags=["server"],
        response_model=Hello,
        responses={200: html, **problem_docs(408, 413, 421, 422)},
    )
    async def hello(request: Request) -> Response:
        """Name and version; a browser gets the dashboard."""
        first = request.headers.get("accept", "").partition(",")[0].partition(";")[0].strip()
        if first == "text/html":
            return files["index.html"].response(request)
        body = {"name": "har-edge", "version": __version__, "status": "running"}
        return JSONResponse(body, headers={"Vary": "Accept"})

    @router.get("/dashboard/{name}", include_in_schema=False)
    async def file(request: Request, name: str) -> Response:
        """A file of the page."""
        if name not in files:
            raise ProblemError(404, "The dashboard has no such file.")
        return files[name].response(request)

    @router.get("/docs", include_in_schema=False)
    @router.get("/redoc", include_in_schema=False)
    async def reference(request: Request) -> Response:
        """The OpenAPI document for people."""
        address = str(request.base_url).rstrip("/")
        page: Page = reference_page(request.app.openapi(), address)
        return page.response(request)

    return router
