"""What all connections over a network share: how long they may take, and how a refusal is told."""

from __future__ import annotations

import time

from har_edge.errors import SourceError, SourceRefusedError

# Longest wait for a connection, and for the next byte of one.
TIMEOUT_S = 5.0


class Patience:
    """Ends a search for whole pictures in a stream that has only damaged ones."""

    def __init__(self, name: str, limit_s: float) -> None:
        self._name = name
        self._limit_s = limit_s
        self._until_s = time.monotonic() + limit_s

    def check(self) -> None:
        """Raise SourceError if it took too long."""
        if time.monotonic() >= self._until_s:
            raise SourceError(
                f"{self._name} gave no whole picture for {self._limit_s:g} s. Let the camera send "
                "a key frame every second or two, or wait longer with --stall-timeout."
            )


def refused(name: str) -> SourceRefusedError:
    """Make the error for a wrong user or password; the name is without them."""
    return SourceRefusedError(
        f"{name} refused the user or the password. Put the right ones into the address, "
        "scheme://USER:PASSWORD@HOST/…, percent-encoded."
    )
