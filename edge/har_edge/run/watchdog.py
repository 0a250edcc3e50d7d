"""Tell systemd that the runner is well, as long as fresh frames come.

A service that hangs in a camera driver is alive as a process and dead for its user. So the
watchdog is fed by frames and nothing else: without them for WatchdogSec, systemd restarts it.
Black frames count, though nothing is recognised in them: a night is no fault of the service.
Everything here does nothing where systemd does not ask for it.

Source: sd_notify(3) and sd_watchdog_enabled(3), https://www.freedesktop.org/software/systemd/man/.
"""

from __future__ import annotations

import contextlib
import os
import socket
import time
from collections.abc import Callable, Mapping

# The manual asks for half the interval; a quarter survives one slow frame.
FEEDS_PER_INTERVAL = 4


class Watchdog:
    """The service manager's socket, if there is one.

    Attributes:
        address: Where messages go; None without a service manager.
        interval_s: Time without a fresh frame after which systemd restarts the service; None if
            it does not watch.
    """

    def __init__(
        self,
        environ: Mapping[str, str] = os.environ,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Read NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID."""
        name = environ.get("NOTIFY_SOCKET", "")
        # "@" stands for the NUL that begins an abstract address.
        self.address = "\0" + name[1:] if name[:1] == "@" else name if name[:1] == "/" else None
        usec = environ.get("WATCHDOG_USEC", "")
        # A variable that was inherited from another service's process is not for us.
        ours = environ.get("WATCHDOG_PID", "") in ("", str(os.getpid()))
        watched = ours and usec.isdecimal() and int(usec) > 0
        self.interval_s = int(usec) / 1e6 if watched else None
        self._clock = clock
        self._fed_s = -float("inf")

    def ready(self, status: str = "") -> None:
        """Say that the start is over: the model is loaded and sources are opened."""
        self._send("READY=1", status and f"STATUS={_line(status)}")

    def fresh(self) -> None:
        """Say that a fresh frame came; cheap enough to be called for each."""
        if self.interval_s is None:
            return
        now_s = self._clock()
        if now_s - self._fed_s >= self.interval_s / FEEDS_PER_INTERVAL:
            self._fed_s = now_s
            self._send("WATCHDOG=1")

    def status(self, text: str) -> None:
        """Show a line in `systemctl status`."""
        self._send(f"STATUS={_line(text)}")

    def stopping(self) -> None:
        """Say that the end has begun, so that closing files is not taken for hanging."""
        self._send("STOPPING=1")

    def _send(self, *assignments: str) -> None:
        if self.address is None:
            return
        message = "\n".join(filter(None, assignments)).encode("utf-8", "replace")
        # A manager that is gone or busy must not stop recognition, nor make it wait.
        with (
            contextlib.suppress(OSError),
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender,
        ):
            sender.setblocking(False)
            sender.sendto(message, self.address)


def _line(text: str) -> str:
    """One line: a line break would start another assignment."""
    return " ".join(text.split())
