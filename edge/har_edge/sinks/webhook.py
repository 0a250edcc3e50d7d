"""Send events and states to a web server: one POST each, in order, until it says yes.

| answer | what is done |
|---|---|
| 2xx | the next one is sent |
| 408, 425, 429, 5xx, none at all | the same one again later, by `Retry-After` where it is given |
| anything else | it is lost and counted; the next one is sent |

A server that answered too late may see an event twice. Both times it carries the same
`Idempotency-Key`, by which it can tell.
"""

from __future__ import annotations

import base64
import http.client
import json
import urllib.error
import urllib.request
import uuid
from urllib.parse import quote, unquote, urlsplit

from har_edge import __version__
from har_edge.errors import OutputError
from har_edge.recognition.events import Event
from har_edge.recognition.visits import Visit
from har_edge.sinks.base import Record, TryLaterError
from har_edge.sources.base import SourceStatus
from har_edge.sources.urls import encoding_advice

TIMEOUT_S = 10.0
TRY_AGAIN = frozenset({408, 425, 429})
MAX_RETRY_AFTER_S = 300.0


class WebhookSink:
    """Posts events and states as JSON.

    Args:
        url: `http[s]://[USER:PASSWORD@]HOST[:PORT]/PATH`. Only scheme, host and port are ever
            printed: path and query of such addresses are often secrets too.
        timeout_s: Time limit for each step of a request.

    Raises:
        OutputError: if the URL is unusable.
    """

    wants: tuple[type, ...] = (Event, Visit, SourceStatus)

    def __init__(self, url: str, *, timeout_s: float = TIMEOUT_S) -> None:
        self._url, self._credentials, shown = _parse(url)
        self.name = f"webhook {shown}"
        self._timeout_s = timeout_s
        self._run = uuid.uuid4().hex
        self._count = 0
        self._last: Record | None = None
        self._opener = urllib.request.build_opener(_NoRedirect)

    def take(self, record: Record) -> None:
        """Post one record.

        Raises:
            TryLaterError: if the server is away or busy.
            OutputError: if it does not accept the record.
        """
        if record is not self._last:
            self._last = record
            self._count += 1
        try:
            with self._opener.open(self._request(record), timeout=self._timeout_s):
                return
        except urllib.error.HTTPError as error:
            with error:
                self._refused(error)
        except (OSError, http.client.HTTPException) as error:
            reason = getattr(error, "reason", error)
            raise TryLaterError(f"{self.name} cannot be reached: {reason}.") from None

    def close(self) -> None:
        """Do nothing: each request closes its connection."""

    def _request(self, record: Record) -> urllib.request.Request:
        # Counted, not taken from the record: states have no number of their own.
        key = f"{self._run}-{self._count}"
        values: dict[str, object] = {"id": key}
        if isinstance(record, Event | Visit | SourceStatus):
            values |= record.as_dict()
        headers = {
            "Content-Type": "application/json",
            "User-Agent": f"har-edge/{__version__}",
            "Idempotency-Key": key,
        }
        if self._credentials:
            headers["Authorization"] = f"Basic {self._credentials}"
        body = json.dumps(values, ensure_ascii=False).encode()
        return urllib.request.Request(self._url, body, headers, method="POST")

    def _refused(self, error: urllib.error.HTTPError) -> None:
        answer = f"{error.code} {error.reason}".strip()
        if error.code in TRY_AGAIN or error.code >= 500:
            raise TryLaterError(
                f"{self.name} is busy or broken: it answered {answer}.",
                after_s=_retry_after_s(error.headers.get("Retry-After")),
            ) from None
        moved = " Give the address that it redirects to." if 300 <= error.code < 400 else ""
        raise OutputError(
            f"{self.name} did not accept an event: it answered {answer}. Expected 2xx. Check "
            f"the address and what its server expects.{moved}"
        ) from None


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Following would turn the POST into a GET without the event."""

    def redirect_request(self, *_: object, **__: object) -> None:
        return None


def _parse(url: str) -> tuple[str, str, str]:
    """Split a URL: without credentials; those, encoded for Basic; what may be printed."""
    expected = "Expected http[s]://[USER:PASSWORD@]HOST[:PORT]/PATH."
    try:
        parts = urlsplit(url)
        port = f":{parts.port}" if parts.port else ""
    except ValueError as error:
        raise OutputError(f"The address of the webhook is invalid. {expected}") from error
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise OutputError(
            f"The address of the webhook is invalid. {expected} Received one with scheme "
            f"{parts.scheme!r} and host {parts.hostname or ''!r}."
        )
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    shown = address = f"{parts.scheme}://{host}{port}"
    if encoding_advice(url):  # what is taken for the host may be a piece of the password
        shown = f"{parts.scheme}://***"
    credentials = ""
    if parts.username is not None:
        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        credentials = base64.b64encode(pair.encode()).decode("ascii")
    path = quote(parts.path or "/", safe="/%:@!$&'()*+,;=~")
    query = "?" + quote(parts.query, safe="/?%:@!$&'()*+,;=~") if parts.query else ""
    return f"{address}{path}{query}", credentials, shown


def _retry_after_s(value: str | None) -> float | None:
    """Seconds that a server asks to wait; dates, which it may also give, are not read."""
    if value is None or not value.isdecimal():
        return None
    return min(float(value), MAX_RETRY_AFTER_S)
