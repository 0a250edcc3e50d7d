"""When a server does not start, and how it ends."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

pytest.importorskip("fastapi", reason="needs the extra serve")
httpx = pytest.importorskip("httpx", reason="needs httpx")

from tests.conftest import RunCommand  # noqa: E402
from tests.support.serving import CLIP, serving, wait_for  # noqa: E402


@pytest.mark.parametrize(
    "arguments",
    [
        ["--host", "0.0.0.0"],
        ["--host", "::"],
        ["--host", "camera.local"],
        ["--token", "short"],
        ["--port", "70000"],
    ],
)
def test_serving_the_network_needs_a_token(har_edge: RunCommand, arguments: list[str]) -> None:
    result = har_edge("serve", *arguments)
    assert result.returncode == 2
    assert "--" in result.stderr


def test_a_missing_extra_is_named(tmp_path: Path) -> None:
    code = (
        "import sys; sys.modules['fastapi'] = None\n"
        "import importlib.util as u; find = u.find_spec\n"
        "u.find_spec = lambda name, *rest: None if name == 'fastapi' else find(name, *rest)\n"
        "from har_edge.commands.main import main\n"
        "sys.argv = ['har-edge', 'serve', '--port', '0']; main()"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert result.returncode == 1
    assert 'pip install "har-edge[serve]"' in result.stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_what_is_in_hand_is_answered_before_the_end(number: signal.Signals) -> None:
    answers: list[httpx.Response] = []
    with serving() as server:

        def ask() -> None:
            with httpx.Client(base_url=server.url, timeout=30) as client:
                files = {"file": ("any.name", CLIP.read_bytes())}
                answers.append(client.post("/predict", files=files))

        asking = threading.Thread(target=ask)
        asking.start()
        in_hand = "har_edge_uploads_in_progress 1.0"
        wait_for(lambda: in_hand in httpx.get(f"{server.url}/metrics").text or answers)
        server.process.send_signal(number)
        asking.join(20)
        code = server.process.wait(20)
    assert [answer.status_code for answer in answers] == [200]
    assert code in (-number, 128 + number)
