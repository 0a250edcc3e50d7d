"""Who may ask, from where, with what: token and sessions, hosts and origins, headers, bodies."""

from __future__ import annotations

import hmac
import secrets
import time
from collections import OrderedDict
from collections.abc import Iterable
from urllib.parse import urlsplit

import anyio
from fastapi import Request
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from har_edge.say import Say
from har_edge.server.connections import neighbourhood
from har_edge.server.problems import ProblemError, problem_response

COOKIE = "har_edge_session"
SESSION_S = 7 * 24 * 3600.0
MAX_SESSIONS = 1000
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
# Requests without an upload have a body of a few hundred bytes, if any.
SMALL_BODY_BYTES = 64 * 1024
SMALL_BODY_S = 10.0
# A guess costs so long at first, and then twice as long each time.
FIRST_WAIT_S = 0.25
LONGEST_WAIT_S = 4.0
FORGET_S = 600.0
MAX_STRANGERS = 1000
SAY_EVERY_S = 10.0
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

    def __init__(self, token: str | None, note: Say = lambda line: None) -> None:
        """Keep a token.

        Args:
            token: What clients must send; None to let everybody pass.
            note: Takes a line about who sends wrong ones.
        """
        self._token = token.encode() if token else b""
        self._sessions: dict[str, float] = {}
        self._strangers = Strangers(note)

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
        if (token := _bearer(request)) is not None:
            return self.accepts(token)
        # A random id of 256 bits: nothing can be learned from how long looking it up takes.
        ends_s = self._sessions.get(request.cookies.get(COOKIE, ""), 0.0)
        return ends_s > time.monotonic()

    async def admits(self, request: Request) -> bool:
        """Tell whether a request may pass; a wrong token has to wait for that."""
        known = self.knows(request)
        if not known and _bearer(request):
            await self._strangers.hold_up(request)
        return known

    async def admits_token(self, request: Request, token: str) -> bool:
        """Tell whether a token in a body is right; a wrong one has to wait for that."""
        if self.accepts(token):
            return True
        await self._strangers.hold_up(request)
        return False

    async def check(self, request: Request) -> None:
        """Let a request pass; for routes that need the token.

        Raises:
            ProblemError: 401 otherwise.
        """
        if not await self.admits(request):
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


class Strangers:
    """Holds up who sends wrong tokens, each address longer and longer, and says who it is."""

    def __init__(self, note: Say) -> None:
        self._note = note
        self._wrong: OrderedDict[str, tuple[int, float]] = OrderedDict()
        self._unsaid, self._said_s = 0, -SAY_EVERY_S

    async def hold_up(self, request: Request) -> None:
        """Wait: the longer, the more wrong tokens came from there."""
        address = neighbourhood(request.client)
        count = self._count(address, time.monotonic())
        self._say(address, count, time.monotonic())
        await anyio.sleep(min(LONGEST_WAIT_S, FIRST_WAIT_S * 2.0 ** min(count - 1, 10)))

    def _count(self, address: str, now_s: float) -> int:
        count, last_s = self._wrong.pop(address, (0, now_s))
        count = 1 if now_s - last_s > FORGET_S else count + 1
        self._wrong[address] = (count, now_s)
        if len(self._wrong) > MAX_STRANGERS:
            self._wrong.popitem(last=False)
        return count

    def _say(self, address: str, count: int, now_s: float) -> None:
        self._unsaid += 1
        if now_s - self._said_s < SAY_EVERY_S:
            return
        others = f"; {self._unsaid} in all since the last line" if self._unsaid > 1 else ""
        self._note(f"A wrong token came from {address}, number {count} from there{others}.")
        self._unsaid, self._said_s = 0, now_s


def _bearer(request: Request) -> str | None:
    """The token that a request sends in its header; None if it sends none."""
    kind, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if kind.lower() == "bearer" else None


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
        allowed = origin is None or not {origin, "*"}.isdisjoint(self._origins)
        foreign = not allowed and _place(str(origin)) != host
        if scope["method"] not in SAFE_METHODS and foreign:
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


def _place(origin: str) -> str | None:
    """Host and port of an origin; None if it is none."""
    try:
        return urlsplit(origin).netloc
    except ValueError:
        return None


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
