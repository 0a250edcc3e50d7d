"""Connections of the server: who holds one must say what it wants in time."""

from __future__ import annotations

import asyncio

from uvicorn.protocols.http.auto import AutoHTTPProtocol

# Well below the 1,024 files that a process may have open by default.
MAX_CONNECTIONS = 500


def bounded_protocol(header_timeout_s: float) -> type[asyncio.Protocol]:
    """Make a protocol for uvicorn that bounds what it leaves open: slow headers, and crowds.

    uvicorn closes connections that are idle between requests. One whose first byte never comes,
    or whose header comes a byte a minute, it would hold for ever.

    Args:
        header_timeout_s: Time for the header of a request to arrive, from its first byte, or
            from the connection's begin.
    """

    class BoundedProtocol(AutoHTTPProtocol):  # type: ignore[misc, valid-type]
        """Closes connections that ask for nothing."""

        _deadline: asyncio.TimerHandle | None = None

        def connection_made(self, transport: asyncio.Transport) -> None:
            super().connection_made(transport)
            if len(self.connections) > MAX_CONNECTIONS:
                transport.close()
            else:
                self._watch()

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            self._watch()

        def connection_lost(self, error: Exception | None) -> None:
            self._unwatch()
            super().connection_lost(error)

        def _watch(self) -> None:
            """Start the clock where a header is to come; stop it where one has."""
            if self.cycle is not None and not self.cycle.response_complete:
                self._unwatch()
            elif self._deadline is None:
                self._deadline = self.loop.call_later(header_timeout_s, self._give_up)

        def _unwatch(self) -> None:
            if self._deadline is not None:
                self._deadline.cancel()
                self._deadline = None

        def _give_up(self) -> None:
            self._deadline = None
            self.transport.close()

    return BoundedProtocol
