"""Is there a host of that name? FFmpeg says "input/output error" of one that is not."""

from __future__ import annotations

import socket
import threading
from urllib.parse import urlsplit

from har_edge.errors import SourceError
from har_edge.sources.urls import encoding_advice, redact

LOOK_UP_TIMEOUT_S = 3.0


def check_host(url: str, timeout_s: float = LOOK_UP_TIMEOUT_S) -> None:
    """Look the host of an address up, so that a wrong name is called one.

    Args:
        url: The address. Of one that names no host nothing is said, nor of one that cannot be
            looked up in time: whoever opens it will see.
        timeout_s: Time limit; the look-up itself has none, so it runs on a thread of its own.

    Raises:
        SourceError: if there is no such host.
    """
    try:
        host = urlsplit(url).hostname
    except ValueError:
        return
    errors: list[Exception] = []

    def look_up() -> None:
        try:
            socket.getaddrinfo(host, None)
        except (OSError, UnicodeError) as error:
            errors.append(error)

    thread = threading.Thread(target=look_up, name="look-up of a host", daemon=True)
    if host:
        thread.start()
        thread.join(timeout_s)
    if errors:
        reason = getattr(errors[0], "strerror", None) or errors[0]
        # What was taken for the host may be a part of the password.
        advice = encoding_advice(url)
        named = "" if advice else f" {host!r}"
        raise SourceError(
            f"{redact(url)} cannot be opened: there is no host{named} ({reason}). Check how the "
            "name is spelled, or give the camera's IP address, and see whether the network is up."
            f"{advice and ' '}{advice}"
        )
