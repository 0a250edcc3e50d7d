"""Who may ask, from where, with what: token and sessions, hosts and origins, headers, bodies."""

from __future__ import annotations

import hmac
import secrets
import time
from collections.abc import Iterable
from urllib.parse import urlsplit

import anyio
from fastapi import Request
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from har_edge.server.problems import ProblemError, problem_response

COOKIE = "har_edge_session"
SESSION_S = 7 * 24 * 3600.0
MAX_SESSIONS = 1000
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
# Requests without an upload have a body of a few hundred bytes, if any.
SMALL_BODY_BYTES = 64 * 1024
SMALL_BODY_S = 10.0
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})

CONTENT_POLICY = (
    "default-src 'self'; img-src 'self' data: blob:; media-src 'self' blob:; style-src 'self'; "
    "script-src 'self'; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; "
    "form-action 'self'"
)
HEADERS = {
    "Content-Security-Policy": CONTENT_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=(), payment=(), usb=()",
    "Cache-Control": "no-store",
}


class Guard:
    """Knows the token and the sessions that were opened with it.

    Attributes:
        required: Whether a token is needed.
    """

    def __init__(self, token: str | None) -> None:
        self._token = token.encode() if token else b""
        self._sessions: dict[str, float] = {}

    @property
    def required(self) -> bool:
        """Whether a token is needed."""
        return bool(self._token)

    def accepts(self, token: str) -> bool:
        """Compare in a time that does not tell how much of it is right."""
        return not self.required or hmac.compare_digest(token.encode(), self._token)

    def open_session(self) -> str:
        """Make a session's id; the oldest sessions end when there are too many."""
        self._forget_old()
        session = secrets.token_urlsafe(32)
        self._sessions[session] = time.monotonic() + SESSION_S
        return session

    def close_session(self, session: str) -> None:
        """Forget a session."""
        self._sessions.pop(session, None)

    def knows(self, request: Request) -> bool:
        """Whether a request may pass: by its token, or by its session."""
        if not self.required:
            return True
        kind, _, token = request.headers.get("authorization", "").partition(" ")
        if kind.lower() == "bearer":
            return self.accepts(token.strip())
        # A random id of 256 bits: nothing can be learned from how long looking it up takes.
        ends_s = self._sessions.get(request.cookies.get(COOKIE, ""), 0.0)
        return ends_s > time.monotonic()

    def check(self, request: Request) -> None:
        """Let a request pass; for routes that need the token.

        Raises:
            ProblemError: 401 otherwise.
        """
        if not self.knows(request):
            raise ProblemError(
                401,
                "Expected the server's token, as in 'Authorization: Bearer TOKEN'. Received "
                "none, or a wrong one. Send the token that the server was started with "
                "(--token or HAR_TOKEN).",
                headers={"WWW-Authenticate": "Bearer"},
            )

    def _forget_old(self) -> None:
        now_s = time.monotonic()
        live = [(key, ends_s) for key, ends_s in self._sessions.items() if ends_s > now_s]
        self._sessions = dict(live[-(MAX_SESSIONS - 1) :])


class GuardMiddleware:
    """Adds headers, refuses foreign hosts and origins, and bounds bodies that are no uploads.

    Without a token, a page of another site must not reach the server through the user's own
    browser: neither under a name that it made point to this machine, nor by a form. The `Host`
    and `Origin` headers, which pages cannot choose, tell.
    """

    def __init__(
        self, app: ASGIApp, *, guard: Guard, origins: Iterable[str] = (), upload_path: str
    ) -> None:
        self._app = app
        self._guard = guard
        self._origins = frozenset(origins)
        self._upload_path = upload_path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
                if "access-control-allow-origin" not in headers:
                    headers.setdefault("Cross-Origin-Resource-Policy", "same-origin")
            await send(message)

        problem = self._problem(scope)
        if problem:
            await problem_response(*problem)(scope, receive, send_guarded)
            return
        if scope["path"] != self._upload_path:
            receive = _small(receive)
        await self._app(scope, receive, send_guarded)

    def _problem(self, scope: Scope) -> tuple[int, str] | None:
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        if not self._guard.required and _hostname(host) not in LOOPBACK:
            return 421, (
                "Expected a request to 127.0.0.1 or localhost. Received one to another name. "
                "To reach the server under other names, start it with --token."
            )
        origin = headers.get("origin")
        foreign = origin is not None and urlsplit(origin).netloc != host
        if scope["method"] not in SAFE_METHODS and foreign and origin not in self._origins:
            return 403, (
                "Expected a request from this server's own page. Received one from another "
                "origin. Start the server with --allow-origin to allow it."
            )
        return None


def _hostname(host: str) -> str:
    """The name in a `Host` header, without its port."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def _small(receive: Receive) -> Receive:
    """Bound the size and the time of a body."""
    received, complete = 0, False

    async def receive_small() -> Message:
        nonlocal received, complete
        if complete:
            return await receive()
        try:
            with anyio.fail_after(SMALL_BODY_S):
                message = await receive()
        except TimeoutError:
            raise ProblemError(
                408, "The body did not arrive in time. Send it again.", headers=_CLOSE
            ) from None
        received += len(message.get("body", b""))
        complete = not message.get("more_body", False)
        if received > SMALL_BODY_BYTES:
            raise ProblemError(
                413,
                (
                    f"Expected a body of at most {SMALL_BODY_BYTES} bytes. Received more. Send "
                    "a smaller one."
                ),
                headers=_CLOSE,
            )
        return message

    return receive_small


_CLOSE = {"Connection": "close"}
