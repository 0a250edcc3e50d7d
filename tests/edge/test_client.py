"""The client against a real server, and against none."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from itertools import islice
from threading import Thread

import pytest

from har_edge.client import Client
from har_edge.errors import ServerError
from har_edge.replies import Answer, Told
from har_edge.replies_live import EventRecord
from tests.conftest import ASSETS
from tests.support.chaos.mjpeg_server import MjpegServer
from tests.support.serving import CLIP, PICTURE, Serving, serving, wait_for

TOKEN = "a-token-for-tests"
BEARER = {"Authorization": f"Bearer {TOKEN}"}


@pytest.fixture(scope="module")
def server() -> Iterator[Serving]:
    pytest.importorskip("fastapi", reason="needs the extra serve")
    camera = MjpegServer()
    options = ("--score-threshold", "0", "--smoothing", "0", "--min-duration", "0")
    with serving(camera.url, "-m", ASSETS / "tiny-int8.tflite", *options, token=TOKEN) as running:
        yield running
    camera.stop()


@pytest.fixture
def client(server: Serving) -> Client:
    return Client(server.url, token=TOKEN)


def test_recognises_files_and_bytes(client: Client) -> None:
    by_path, by_content = client.predict(PICTURE), client.predict(PICTURE.read_bytes())
    assert by_path.action == by_content.action in client.classes()
    assert by_path.all_predictions == by_content.all_predictions
    assert by_path.top(1) == [(by_path.action, by_path.confidence)]
    clip = client.predict(CLIP, top_k=1)
    assert len(clip.all_predictions) == 1
    assert clip.timeline[-1].end_s == clip.duration_s
    assert all(event.source == "upload" for event in clip.events)


def test_tells_what_the_server_says(client: Client) -> None:
    assert client.health().status == "ok"
    assert client.model().labels == client.classes()
    assert client.model().clip.num_frames == 4
    wait_for(lambda: client.live().state == "live")


def test_follows_the_live_source(client: Client) -> None:
    kinds = [message.kind for message in islice(client.stream(after=0), 6)]
    assert kinds[0] == "status"
    assert "prediction" in kinds
    wait_for(lambda: list(client.events()))
    first = next(client.events())
    assert (first.id, first.event) == (1, "action_started")
    assert all(event.id > 1 for event in client.events(after=1))


def test_members_can_be_had_by_name(client: Client) -> None:
    """As those could that had no types; and nothing that the server tells is lost on the way."""
    httpx = pytest.importorskip("httpx", reason="needs httpx")
    answer = client.predict(PICTURE)
    assert (answer["action"], answer.get("timeline")) == (answer.action, None)
    paths: dict[str, Told] = {"/model": client.model(), "/health": client.health()}
    for path, told in paths.items():
        assert dict(told) == httpx.get(client.url + path, headers=BEARER).json()
    wait_for(lambda: client.live().action is not None)
    live = httpx.get(client.url + "/live", headers=BEARER).json()
    assert client.live().keys() == live.keys()
    message = next(m for m in client.stream(after=0) if isinstance(m, EventRecord))
    assert message["kind"] == message["event"] == message.kind


def test_answers_are_what_the_document_says(client: Client) -> None:
    """pydantic builds the same of what the server sends, member for member."""
    httpx = pytest.importorskip("httpx", reason="needs httpx")
    pydantic = pytest.importorskip("pydantic")
    for path in (PICTURE, CLIP):
        files = {"file": path.read_bytes()}
        reply = httpx.post(client.url + "/predict", files=files, headers=BEARER)
        sent, adapter = reply.json(), pydantic.TypeAdapter(Answer)
        assert adapter.validate_json(reply.content, strict=True).as_dict() == sent
        assert Answer.read(sent).as_dict() == sent


def test_the_token_may_come_from_the_environment(
    server: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HAR_TOKEN", TOKEN)
    assert Client(server.url).classes()
    monkeypatch.delenv("HAR_TOKEN")
    with pytest.raises(ServerError, match="token") as refused:
        Client(server.url).classes()
    assert refused.value.status == 401


def test_refusals_say_why(client: Client) -> None:
    with pytest.raises(ServerError, match="Convert it") as refused:
        client.predict(b"no picture")
    assert refused.value.status == 415
    with pytest.raises(OSError, match="no-such-file"):
        client.predict("no-such-file.jpg")


def test_a_server_that_is_not_there() -> None:
    with pytest.raises(ServerError, match="har-edge serve") as missing:
        Client("http://127.0.0.1:9", timeout_s=2).health()
    assert missing.value.status is None


def test_another_server() -> None:
    class Other(BaseHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

        def do_GET(self) -> None:
            self.send_response(418 if self.path == "/classes" else 200)
            self.end_headers()
            self.wfile.write(b"[]" if self.path == "/model" else b"hello")

    with HTTPServer(("127.0.0.1", 0), Other) as http:
        Thread(target=http.serve_forever, args=(0.05,), daemon=True).start()
        client = Client(f"http://127.0.0.1:{http.server_address[1]}")
        with pytest.raises(ServerError, match="JSON"):
            client.health()
        with pytest.raises(ServerError, match="should be an object, not list"):
            client.model()
        with pytest.raises(ServerError, match="418"):
            client.classes()
        http.shutdown()


def test_needs_the_standard_library_alone() -> None:
    # What a distribution's Python loads by itself (`sitecustomize`) is not ours.
    code = (
        "import sys\n"
        "before = set(sys.modules)\n"
        "import har_edge.client\n"
        "new = {n.split('.')[0] for n in set(sys.modules) - before}\n"
        "third = {n for n in new - set(sys.stdlib_module_names) if n[0] != '_'}\n"
        "assert third == {'har_edge'}, third"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
