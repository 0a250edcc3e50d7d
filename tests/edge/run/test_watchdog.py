"""What systemd hears, on a real datagram socket."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from har_edge.run.watchdog import Watchdog
from tests.conftest import ROOT

UNIT = ROOT / "edge" / "systemd" / "har-edge.service"


@pytest.fixture(params=["path", "abstract"])
def manager(
    request: pytest.FixtureRequest, tmp_path: Path
) -> Iterator[tuple[socket.socket, dict[str, str]]]:
    """A service manager's socket, and the variables by which a service finds it."""
    path = str(tmp_path / "notify")
    name = path if request.param == "path" else f"@har-edge-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind(name.replace("@", "\0", 1) if name[0] == "@" else name)
        receiver.settimeout(5)
        environ = {"NOTIFY_SOCKET": name, "WATCHDOG_USEC": "2000000"}
        yield receiver, {**environ, "WATCHDOG_PID": str(os.getpid())}


def waiting(receiver: socket.socket) -> list[bytes]:
    """All messages that have come."""
    receiver.setblocking(False)
    messages = []
    while True:
        try:
            messages.append(receiver.recv(4096))
        except BlockingIOError:
            return messages


def test_the_manager_hears_start_status_and_end(
    manager: tuple[socket.socket, dict[str, str]],
) -> None:
    receiver, environ = manager
    watchdog = Watchdog(environ)
    watchdog.ready("camera:0, har15")
    watchdog.status("two\nlines=1")
    watchdog.stopping()
    assert waiting(receiver) == [
        b"READY=1\nSTATUS=camera:0, har15",
        b"STATUS=two lines=1",
        b"STOPPING=1",
    ]


def test_frames_feed_it_at_most_four_times_an_interval(
    manager: tuple[socket.socket, dict[str, str]],
) -> None:
    receiver, environ = manager
    now_s = 0.0
    watchdog = Watchdog(environ, clock=lambda: now_s)
    assert watchdog.interval_s == 2.0
    for i in range(101):
        now_s = i / 50
        watchdog.fresh()
    assert waiting(receiver) == [b"WATCHDOG=1"] * 5
    now_s += 60
    assert waiting(receiver) == []  # time alone does not feed it
    watchdog.fresh()
    assert waiting(receiver) == [b"WATCHDOG=1"]


@pytest.mark.parametrize(
    "changes",
    [{"WATCHDOG_PID": "1"}, {"WATCHDOG_USEC": "0"}, {"WATCHDOG_USEC": "x"}, {"WATCHDOG_USEC": ""}],
)
def test_a_watchdog_that_is_not_ours_is_not_fed(
    manager: tuple[socket.socket, dict[str, str]], changes: dict[str, str]
) -> None:
    receiver, environ = manager
    watchdog = Watchdog({**environ, **changes})
    watchdog.fresh()
    assert watchdog.interval_s is None
    assert waiting(receiver) == []
    watchdog.ready()
    assert waiting(receiver) == [b"READY=1"]


@pytest.mark.parametrize("environ", [{}, {"NOTIFY_SOCKET": "relative"}])
def test_without_a_manager_nothing_happens(environ: dict[str, str]) -> None:
    watchdog = Watchdog(environ)
    watchdog.ready()
    watchdog.fresh()
    watchdog.stopping()
    assert watchdog.address is None


def test_a_manager_that_is_gone_stops_nothing(tmp_path: Path) -> None:
    watchdog = Watchdog({"NOTIFY_SOCKET": str(tmp_path / "gone"), "WATCHDOG_USEC": "1"})
    watchdog.ready()
    watchdog.fresh()


def test_the_unit_is_accepted_by_systemd(tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed (apt: systemd)")
    # verify wants the program to exist; everything else is judged as it is delivered.
    text = UNIT.read_text(encoding="utf-8").replace("/opt/har-edge/bin/har-edge", "/bin/true")
    unit = tmp_path / UNIT.name
    unit.write_text(text, encoding="utf-8")
    result = subprocess.run(
        ["systemd-analyze", "verify", unit], capture_output=True, text=True, check=False
    )
    assert (result.returncode, result.stderr) == (0, "")


def test_the_unit_is_confined() -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed (apt: systemd)")
    # 0.0 is the safest; a threshold of 25 stands for an exposure of 2.5.
    command = ["systemd-analyze", "security", "--offline=true", "--threshold=25", str(UNIT)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout[-500:] + result.stderr
