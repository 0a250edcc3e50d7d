"""The session that the dashboard opens with the token."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from har_edge.server.guard import COOKIE, SESSION_S
from har_edge.server.problems import ProblemError, problem_docs
from har_edge.server.schema import Credentials
from har_edge.server.services import Services


def session_routes(services: Services) -> APIRouter:
    """Build the routes, which need no token: this is where it is given."""
    router = APIRouter()

    @router.post(
        "/session",
        tags=["server"],
        status_code=204,
        response_class=Response,
        responses=problem_docs(400, 401, 403, 408, 413, 421, 422),
    )
    async def sign_in(request: Request, credentials: Credentials) -> Response:
        """Open a session with the token, since browsers cannot send it with images and streams."""
        if not await services.guard.admits_token(request, credentials.token):
            raise ProblemError(
                401,
                "Expected the token that the server was started with. Received another one. "
                "Check its --token or HAR_TOKEN.",
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
        responses=problem_docs(403, 408, 413, 421, 422),
    )
    async def sign_out(request: Request) -> Response:
        """End the session."""
        services.guard.close_session(request.cookies.get(COOKIE, ""))
        response = Response(status_code=204)
        response.delete_cookie(COOKIE, httponly=True, samesite="strict")
        return response

    return router
