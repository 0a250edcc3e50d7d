"""Where an MQTT broker is, and who one is there."""

from __future__ import annotations

import os
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from har_edge.errors import OutputError
from har_edge.sources.urls import encoding_advice

DEFAULT_PREFIX = "har"
PASSWORD_VARIABLE = "HAR_MQTT_PASSWORD"


@dataclass(frozen=True)
class Broker:
    """Where to publish.

    Attributes:
        host, port, tls: The connection.
        user, password: Credentials, or None.
        prefix: First part of all topics.
    """

    host: str
    port: int
    tls: bool
    user: str | None
    password: str | None
    prefix: str

    def __repr__(self) -> str:
        """Printable, without credentials."""
        return f"mqtt{'s' if self.tls else ''}://{self.host}:{self.port}/{self.prefix}"


def parse_broker(url: str) -> Broker:
    """Read `mqtt[s]://[USER[:PASSWORD]@]HOST[:PORT][/PREFIX]`.

    A password that the URL lacks is taken from the environment: HAR_MQTT_PASSWORD.

    Raises:
        OutputError: if it is no such URL. Credentials do not show in the message.
    """
    expected = "Expected mqtt://[USER[:PASSWORD]@]HOST[:PORT][/PREFIX], or mqtts:// for TLS."
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise OutputError(f"The address of the MQTT broker is invalid. {expected}") from error
    if parts.scheme not in ("mqtt", "mqtts") or not parts.hostname:
        raise OutputError(
            f"The address of the MQTT broker is invalid. {expected} Received one with scheme "
            f"{parts.scheme!r} and host {parts.hostname or ''!r}."
        )
    if advice := encoding_advice(url):
        raise OutputError(f"The address of the MQTT broker is unclear. {expected} {advice}")
    prefix = unquote(parts.path).strip("/") or DEFAULT_PREFIX
    if any(c in prefix for c in "+#\0") or parts.query or parts.fragment:
        raise OutputError(
            "An MQTT prefix cannot contain '+', '#', '?' or NUL. Received a URL with one of "
            "them. Choose another prefix."
        )
    tls = parts.scheme == "mqtts"
    password = parts.password or os.environ.get(PASSWORD_VARIABLE)
    return Broker(
        host=parts.hostname,
        port=port or (8883 if tls else 1883),
        tls=tls,
        user=unquote(parts.username) if parts.username else None,
        password=unquote(parts.password) if parts.password else password,
        prefix=prefix,
    )
