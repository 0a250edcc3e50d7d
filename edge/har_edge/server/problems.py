"""Errors of the server as `application/problem+json`, whatever raised them.

Source: RFC 9457, Problem Details for HTTP APIs.
"""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.encoders import jsonable_encoder
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from har_edge.errors import SourceError
from har_edge.visible import visible

MEDIA_TYPE = "application/problem+json"


class ProblemError(HTTPException):
    """A request is refused; `detail` says what was expected, what came, what to do."""

    def __init__(
        self, status: int, detail: str, *, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(status, detail, headers)


def problem_response(
    status: int, detail: str, headers: Mapping[str, str] | None = None, **more: object
) -> JSONResponse:
    """Build the response of a problem; `more` are members beside the standard ones."""
    body = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        **more,
    }
    return JSONResponse(body, status, headers=headers, media_type=MEDIA_TYPE)


def problem_docs(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Describe problems for the OpenAPI document."""
    schema = {"$ref": "#/components/schemas/Problem"}
    return {
        status: {
            "description": HTTPStatus(status).phrase,
            "content": {MEDIA_TYPE: {"schema": schema}},
        }
        for status in statuses
    }


def check_query(request: Request) -> None:
    """Refuse parameters that the address does not have; as a dependency of every route.

    A misspelt one would be passed over without a word, and the answer be another one.

    Raises:
        ProblemError: 422.
    """
    if not request.scope["query_string"]:
        return
    app: FastAPI = request.app
    path = getattr(request.scope["route"], "path", "")
    described = app.openapi()["paths"].get(path, {}).get(request.method.lower(), {})
    names = sorted(p["name"] for p in described.get("parameters", ()) if p["in"] == "query")
    unknown = sorted(set(request.query_params) - {*names})
    if unknown:
        raise ProblemError(
            422,
            f"Expected {'the parameters ' + ', '.join(names) if names else 'no parameters'}. "
            f"Received {visible(', '.join(unknown))[:80]}. See /docs.",
        )


def install_problem_handlers(app: FastAPI) -> None:
    """Make every error of an application a problem."""

    @app.exception_handler(HTTPException)
    async def failed(request: Request, error: HTTPException) -> JSONResponse:
        detail = str(error.detail)
        if error.status_code == HTTPStatus.NOT_FOUND and detail == HTTPStatus.NOT_FOUND.phrase:
            detail = "There is nothing at this address. See /docs for the available routes."
        if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
            detail = (
                f"This address does not accept {request.method}. See /docs for what it accepts."
            )
        return problem_response(error.status_code, detail, error.headers)

    @app.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: RequestValidationError) -> JSONResponse:
        # What came is not sent back: it may be large, and is the sender's own.
        errors = [
            {"where": ".".join(map(str, item["loc"])), "problem": item["msg"]}
            for item in error.errors()
        ]
        detail = "; ".join(f"{item['where']}: {item['problem']}" for item in errors)
        return problem_response(422, f"{detail}. See /docs.", errors=jsonable_encoder(errors))

    @app.exception_handler(SourceError)
    async def unreadable(_: Request, error: SourceError) -> JSONResponse:
        return problem_response(422, str(error))

    @app.exception_handler(Exception)
    async def broken(_: Request, __: Exception) -> JSONResponse:
        return problem_response(500, "The server failed; see its log for the reason. Try again.")
