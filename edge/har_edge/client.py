"""A small client of `har-edge serve`; nothing but the standard library.

    >>> from har_edge.client import Client
    >>> client = Client("http://127.0.0.1:8000", timeout_s=5)

What it gives is typed, see `har_edge.replies`: `client.predict("photo.jpg").action`.
"""

from __future__ import annotations

import json
import os
import secrets
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from typing import TypeVar

from har_edge.errors import ServerError
from har_edge.replies import Answer, Classes, Health, ModelEntry, ModelFacts, Models, Told
from har_edge.replies_live import (
    EventPage,
    EventRecord,
    Live,
    Message,
    PeopleRecord,
    PredictionRecord,
    StatusRecord,
)

DEFAULT_URL = "http://127.0.0.1:8000"
# What the stream tells, by the names of its kinds; others may come with later servers.
MESSAGES: dict[str, type[Message]] = {
    "prediction": PredictionRecord,
    "people": PeopleRecord,
    "action_started": EventRecord,
    "action_ended": EventRecord,
    "status": StatusRecord,
}

Reply = TypeVar("Reply", bound=Told)


class Client:
    """A client of one server.

    Args:
        url: Address of the server.
        token: Token that the server was started with; `HAR_TOKEN` if None.
        timeout_s: Time limit for a single read.
    """

    def __init__(
        self, url: str = DEFAULT_URL, *, token: str | None = None, timeout_s: float = 60.0
    ) -> None:
        self.url = url.rstrip("/")
        self._token = os.environ.get("HAR_TOKEN") if token is None else token
        self._timeout_s = timeout_s

    def predict(
        self,
        file: str | os.PathLike[str] | bytes,
        *,
        top_k: int | None = None,
        model: str | None = None,
    ) -> Answer:
        """Recognise a picture or a clip.

        Args:
            file: Its path, or its content.
            top_k: Number of actions to list; all if None.
            model: Name of one of the server's models; the one that suits the file if None.

        Returns:
            The prediction; for a clip with `timeline` and `events`.

        Raises:
            ServerError: if the server cannot be reached or refuses the file.
            OSError: if the file cannot be read.
        """
        content = file if isinstance(file, bytes) else Path(file).read_bytes()
        boundary = secrets.token_hex(16)
        head = (
            f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="upload"\r\n'
            "Content-Type: application/octet-stream\r\n\r\n"
        )
        body = head.encode() + content + f"\r\n--{boundary}--\r\n".encode()
        query = {k: v for k, v in (("top_k", top_k), ("model", model)) if v is not None}
        kind = f"multipart/form-data; boundary={boundary}"
        return self._ask(Answer, "/predict", query, body, {"Content-Type": kind})

    def health(self) -> Health:
        """Whether the server runs, and whether it requires a token."""
        return self._ask(Health, "/health")

    def classes(self) -> list[str]:
        """The actions that its model knows."""
        return self._ask(Classes, "/classes").classes

    def models(self) -> list[ModelEntry]:
        """The models that it can show an upload to, its own first."""
        return self._ask(Models, "/models").models

    def model(self, name: str | None = None) -> ModelFacts:
        """Everything that the file of a model says about itself; without a name, of its own."""
        return self._ask(ModelFacts, "/model", {} if name is None else {"name": name})

    def live(self) -> Live:
        """What its live source shows right now."""
        return self._ask(Live, "/live")

    def events(self, *, after: int = 0) -> Iterator[EventRecord]:
        """All events that the server keeps with ids above `after`, oldest first."""
        following: int | None = after
        while following is not None:
            page = self._ask(EventPage, "/events", {"after": following, "limit": 1000})
            yield from page.events
            following = page.next_after

    def stream(self, *, after: int | None = None) -> Iterator[Message]:
        """Predictions, events and status records of its live source, until the server ends.

        Args:
            after: Start with the events with ids above this.

        Yields:
            `PredictionRecord`, `EventRecord` or `StatusRecord`, as `kind` says, too.
        """
        headers = {} if after is None else {"Last-Event-ID": str(after)}
        kind = ""
        with self._open("/events/stream", headers=headers) as lines:
            for raw in lines:
                name, _, value = raw.decode().rstrip("\n").partition(": ")
                if name == "event":
                    kind = value
                elif name == "data" and kind in MESSAGES:
                    yield self._read(MESSAGES[kind], value)

    def _ask(
        self,
        reply: type[Reply],
        path: str,
        query: Mapping[str, int | str] | None = None,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        with self._open(path, query, body, headers) as response:
            try:
                content = response.read()
            except (OSError, HTTPException) as error:
                raise self._unreadable(error) from error
        return self._read(reply, content)

    def _read(self, reply: type[Reply], content: str | bytes) -> Reply:
        try:
            return reply.read(json.loads(content))
        except (ValueError, TypeError) as error:
            raise self._unreadable(error) from error

    def _unreadable(self, error: Exception) -> ServerError:
        return ServerError(
            f"{self.url} should reply in JSON. Received something else or an incomplete reply: "
            f"{error}. Check that har-edge serves there."
        )

    def _open(
        self,
        path: str,
        query: Mapping[str, int | str] | None = None,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> HTTPResponse:
        text = f"?{urllib.parse.urlencode(query)}" if query else ""
        request = urllib.request.Request(self.url + path + text, body, dict(headers or {}))
        if self._token:
            request.add_header("Authorization", f"Bearer {self._token}")
        try:
            response: HTTPResponse = urllib.request.urlopen(request, timeout=self._timeout_s)
        except urllib.error.HTTPError as error:
            with error:
                raise ServerError(_detail(error), status=error.code) from error
        except (OSError, HTTPException) as error:
            reason = getattr(error, "reason", error)
            raise ServerError(
                f"{self.url} should reply. Received no reply: {reason}. Start the server: "
                "har-edge serve"
            ) from error
        return response


def _detail(error: urllib.error.HTTPError) -> str:
    """What a problem says, or its title where it is none of ours."""
    try:
        return str(json.loads(error.read())["detail"])
    except (ValueError, KeyError, TypeError, OSError, HTTPException):
        return f"The server replied {error.code} {error.reason}."
