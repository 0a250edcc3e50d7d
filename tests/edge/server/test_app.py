"""The server's API as its users see it, over HTTP."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from itertools import pairwise

import pytest

pytest.importorskip("fastapi", reason="needs the extra serve")
httpx = pytest.importorskip("httpx", reason="needs httpx")

from har_edge.model.loaded import load_model  # noqa: E402
from har_edge.server.forms import MEMORY_BYTES  # noqa: E402
from tests.conftest import ASSETS, ROOT, RunCommand  # noqa: E402
from tests.support.serving import CLIP, PICTURE, Serving, encode_picture, serving  # noqa: E402

TOKEN = "a-token-for-tests"


@pytest.fixture(scope="module")
def server() -> Iterator[Serving]:
    with serving("--allow-origin", "https://home.example") as running:
        yield running


@pytest.fixture(scope="module")
def guarded() -> Iterator[Serving]:
    with serving("--model", ASSETS / "tiny-int8.tflite", token=TOKEN) as running:
        yield running


@pytest.fixture
def client(server: Serving) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url, timeout=30) as found:
        yield found


def send(client: httpx.Client, content: bytes, **query: object) -> httpx.Response:
    return client.post("/predict", files={"file": ("any.name", content)}, params=query)


# What it says of itself.


def test_says_what_it_is(client: httpx.Client) -> None:
    hello = client.get("/").json()
    assert hello.keys() == {"name", "version", "status"}
    assert (hello["name"], hello["status"]) == ("har-edge", "running")


def test_gives_browsers_a_page(client: httpx.Client) -> None:
    answer = client.get("/", headers={"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"})
    assert answer.headers["content-type"].startswith("text/html")
    assert "accept" in answer.headers["vary"].lower()
    assert "unsafe-inline" not in answer.headers["content-security-policy"]


def test_pages_are_kept_as_long_as_they_stay_the_same(client: httpx.Client) -> None:
    for path in ("/", "/docs"):
        first = client.get(path, headers={"Accept": "text/html"})
        known = {"Accept": "text/html", "If-None-Match": first.headers["etag"]}
        again = client.get(path, headers=known)
        assert (again.status_code, again.content) == (304, b"")


def test_files_of_the_page_are_those_of_its_folder(client: httpx.Client) -> None:
    folder = ROOT / "edge" / "har_edge" / "server" / "dashboard"
    for path in folder.iterdir() if folder.is_dir() else ():
        answer = client.get(f"/dashboard/{path.name}")
        assert answer.content == path.read_bytes()
    for name in ("../cli.py", "..%2fcli.py", "%2e%2e/cli.py", "cli.py", "/etc/passwd"):
        assert client.get(f"/dashboard/{name}").status_code == 404


def test_health_needs_nothing(server: Serving, guarded: Serving) -> None:
    open_ = httpx.get(f"{server.url}/health").json()
    assert (open_["status"], open_["token_required"], open_["signed_in"]) == ("ok", False, True)
    closed = httpx.get(f"{guarded.url}/health").json()
    assert (closed["status"], closed["token_required"], closed["signed_in"]) == ("ok", True, False)
    assert not open_["live"]


def test_lists_classes_and_the_model(client: httpx.Client) -> None:
    labels = list(load_model("har15").spec.labels)
    assert client.get("/classes").json() == {"classes": labels, "count": 15}
    facts = client.get("/model").json()
    assert facts["labels"] == labels
    assert facts["clip"]["height"] == 224
    assert facts["size_bytes"] > 10**6
    assert facts["backend"].split()[0] in ("litert", "tflite-runtime")
    assert client.get("/ready").json()["status"] == "ready"


def test_reference_is_served_without_other_hosts(client: httpx.Client) -> None:
    own = str(client.base_url).rstrip("/")  # what is shown can be copied, whatever the port
    for path in ("/docs", "/redoc"):
        answer = client.get(path)
        assert "/predict" in answer.text
        assert set(re.findall(r"https?://[^/'\"]*", answer.text)) == {own}
        assert "default-src 'none'" in answer.headers["content-security-policy"]
    other = client.get("/docs", headers={"Host": "localhost:1234"}).text
    assert "curl http://localhost:1234/classes" in other


def test_the_reference_leaves_nothing_out(client: httpx.Client) -> None:
    document, page = client.get("/openapi.json").json(), client.get("/docs").text
    assert "`" not in page
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            assert f"<code>{method.upper()} {path}</code></h3>" in page
            assert f"{str(client.base_url).rstrip('/')}{path}" in page
            errors = sorted(status for status in operation["responses"] if status >= "400")
            assert f"<p>Errors: {', '.join(errors)}, as " in page
            for parameter in operation.get("parameters", ()):
                assert f"{parameter['name']} ({parameter['in']}" in page
    anchors = set(re.findall(r'id="([^"]+)"', page))
    assert set(re.findall(r'href="#([^"]+)"', page)) <= anchors
    assert {f"schema-{name}" for name in document["components"]["schemas"]} <= anchors


def test_head_is_get_without_a_body(client: httpx.Client) -> None:
    for path in ("/", "/health", "/classes", "/model", "/metrics", "/docs", "/openapi.json"):
        got, asked = client.get(path), client.head(path)
        assert (asked.status_code, asked.content) == (got.status_code, b"")
        assert asked.headers["content-type"] == got.headers["content-type"]
    assert client.head("/nothing").status_code == 404
    assert client.head("/predict").status_code == 405
    assert 'route="/classes",status="200"' in client.get("/metrics").text
    assert 'method="HEAD",route="/classes"' in client.get("/metrics").text


# Predictions.


def test_predicts_a_picture_as_run_does(client: httpx.Client, har_edge: RunCommand) -> None:
    answer = send(client, PICTURE.read_bytes()).json()
    arguments = ["--output-format", "jsonl", "--top-k", "15"]
    told = json.loads(har_edge("run", PICTURE, *arguments).stdout.splitlines()[0])
    assert answer["action"] == told["action"]
    assert answer["confidence"] == told["confidence"]
    assert answer["all_predictions"] == told["all_predictions"]
    assert answer["source"] == {"kind": "image", "width": 384, "height": 220}
    assert answer["latency_ms"].keys() == {"decode", "preprocess", "encode", "classify"}
    assert "timeline" not in answer


@pytest.mark.parametrize("form", ["PNG", "WEBP", "BMP"])
def test_takes_other_formats(client: httpx.Client, form: str) -> None:
    answer = send(client, encode_picture(form), top_k=3).json()
    assert len(answer["all_predictions"]) == 3
    assert answer["source"]["width"] == 320


def test_takes_pictures_that_are_too_large_to_wait_in_memory(client: httpx.Client) -> None:
    content = encode_picture("BMP", (1280, 960))
    assert len(content) > MEMORY_BYTES
    small = send(client, encode_picture("PNG", (1280, 960))).json()
    assert send(client, content).json()["all_predictions"] == small["all_predictions"]


def test_predicts_a_clip_with_a_timeline_that_covers_it(client: httpx.Client) -> None:
    answer = send(client, CLIP.read_bytes()).json()
    assert answer["source"]["kind"] == "clip"
    timeline = answer["timeline"]
    assert timeline[0]["start_s"] == 0
    assert timeline[-1]["end_s"] == answer["duration_s"]
    for span, following in pairwise(timeline):
        assert span["end_s"] == following["start_s"]
        assert span["action"] != following["action"]
    assert all(len(span["all_predictions"]) == 5 for span in timeline)
    assert sum(p["confidence"] for p in answer["all_predictions"]) == pytest.approx(1, abs=0.01)
    for event in answer["events"]:
        assert event["duration_s"] == pytest.approx(event["end_s"] - event["start_s"], abs=2e-3)


def test_a_window_model_takes_pictures_and_short_clips(guarded: Serving) -> None:
    headers = {"Authorization": f"Bearer {TOKEN}"}
    with httpx.Client(base_url=guarded.url, headers=headers, timeout=30) as client:
        for content in (PICTURE.read_bytes(), CLIP.read_bytes()):
            answer = send(client, content)
            assert answer.status_code == 200, answer.text
        assert answer.json()["timeline"][0]["start_s"] == 0


def test_answers_while_others_are_being_answered(client: httpx.Client, server: Serving) -> None:
    """The event loop is not held up by recognition."""
    busy = threading.Thread(target=lambda: [send(client, CLIP.read_bytes()) for _ in range(3)])
    busy.start()
    worst_s = 0.0
    with httpx.Client(base_url=server.url) as other:
        while busy.is_alive():
            started_s = time.monotonic()
            assert other.get("/health").status_code == 200
            worst_s = max(worst_s, time.monotonic() - started_s)
    assert worst_s < 5


@pytest.mark.skipif(not shutil.which("curl"), reason="needs curl")
def test_the_lines_of_the_manual_work(server: Serving) -> None:
    text = (ROOT / "docs" / "how-to" / "server.md").read_text(encoding="utf-8")
    lines = re.findall(r"^(curl .*)$", text, re.MULTILINE)
    assert len(lines) >= 7
    for line in lines:
        command = line.replace("http://127.0.0.1:8000", server.url).replace("curl", "curl -sSf", 1)
        result = subprocess.run(
            command, shell=True, cwd=PICTURE.parent, capture_output=True, text=True, check=True
        )
        assert result.stdout


# Refusals.


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nothing", 404),
        ("GET", "/live", 404),
        ("GET", "/events", 404),
        ("GET", "/events/stream", 404),
        ("GET", "/live.mjpg", 404),
        ("GET", "/live/teach", 404),
        ("DELETE", "/live/teach", 404),
        ("POST", "/live/teach", 422),
        ("POST", "/predict?model=none", 422),
        ("GET", "/predict", 405),
        ("DELETE", "/classes", 405),
        ("POST", "/predict", 415),
        ("POST", "/predict?top_k=0", 422),
        ("POST", "/session", 422),
        ("GET", "/events?limit=x", 422),
    ],
)
def test_every_error_is_a_problem(
    client: httpx.Client, method: str, path: str, status: int
) -> None:
    answer = client.request(method, path)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["status"] == status
    assert problem["title"] and problem["detail"]
    assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8000", "127.0.0.1.evil.example"])
def test_other_names_for_this_machine_are_refused(client: httpx.Client, host: str) -> None:
    assert client.get("/health", headers={"Host": host}).status_code == 421


def test_other_sites_are_refused(client: httpx.Client, server: Serving) -> None:
    files = {"file": ("a.jpg", PICTURE.read_bytes())}
    for origin, status in (("https://evil.example", 403), ("null", 403), (server.url, 200)):
        answer = client.post("/predict", files=files, headers={"Origin": origin})
        assert answer.status_code == status
        assert "access-control-allow-origin" not in answer.headers


def test_a_site_that_is_allowed_may_ask(client: httpx.Client) -> None:
    origin = "https://home.example"
    asked = {"Origin": origin, "Access-Control-Request-Method": "POST"}
    assert client.options("/predict", headers=asked).status_code == 200
    files = {"file": ("a.jpg", PICTURE.read_bytes())}
    answer = client.post("/predict", files=files, headers={"Origin": origin})
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == origin


def test_what_cannot_be_served_is_said(har_edge: RunCommand, server: Serving) -> None:
    taken = har_edge("serve", "--port", str(server.port))
    assert (taken.returncode, "--port" in taken.stderr) == (1, True)
    file = har_edge("serve", PICTURE)
    assert (file.returncode, "/predict" in file.stderr) == (1, True)


def test_an_answer_that_takes_too_long_is_given_up() -> None:
    with serving("--request-timeout", "0.0001") as slow, httpx.Client(base_url=slow.url) as client:
        for content in (PICTURE.read_bytes(), CLIP.read_bytes()):
            answer = send(client, content)
            assert answer.status_code == 503
            assert int(answer.headers["retry-after"]) >= 1
        assert client.get("/health").status_code == 200


# The token.


def test_all_but_the_door_needs_the_token(guarded: Serving) -> None:
    document = httpx.get(f"{guarded.url}/openapi.json").json()
    free = {"/", "/health", "/session"}
    for path, methods in document["paths"].items():
        for method in methods:
            answer = httpx.request(method.upper(), guarded.url + path)
            assert (answer.status_code == 401) == (path not in free), (method, path)
            if path not in free:
                assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize(
    "header", ["Bearer wrong", "Bearer", f"Basic {TOKEN}", f"Bearer {TOKEN}x", "Bearer \xe9"]
)
def test_other_tokens_are_refused(guarded: Serving, header: str) -> None:
    headers = {"Authorization": header.encode("latin-1")}
    assert httpx.get(f"{guarded.url}/model", headers=headers).status_code == 401


def test_the_token_opens_a_session(guarded: Serving) -> None:
    with httpx.Client(base_url=guarded.url) as client:
        assert client.post("/session", json={"token": "wrong"}).status_code == 401
        assert client.get("/model").status_code == 401
        opened = client.post("/session", json={"token": TOKEN})
        assert opened.status_code == 204
        cookie = opened.headers["set-cookie"]
        assert "HttpOnly" in cookie and "samesite=strict" in cookie.lower()
        assert TOKEN not in cookie
        assert client.get("/model").status_code == 200
        assert client.get("/health").json()["signed_in"]
        kept = dict(client.cookies)
        assert client.delete("/session").status_code == 204
        assert httpx.get(f"{guarded.url}/model", cookies=kept).status_code == 401


def test_a_server_with_a_token_has_any_name(guarded: Serving) -> None:
    headers = {"Host": "camera.local", "Authorization": f"Bearer {TOKEN}"}
    assert httpx.get(f"{guarded.url}/model", headers=headers).status_code == 200


# Figures, and the end.


def test_counts_requests_by_route(client: httpx.Client) -> None:
    client.get("/some/made-up/path")
    send(client, PICTURE.read_bytes())
    text = client.get("/metrics").text
    assert 'route="/predict",status="200"} ' in text
    assert 'route="none",status="404"' in text
    assert "made-up" not in text
    assert 'har_edge_uploads_total{kind="image"}' in text
    assert 'har_edge_stage_duration_seconds_count{stage="encode"}' in text
    assert "process_resident_memory_bytes" in text
    before = _value(text, "har_edge_upload_bytes_total")
    send(client, PICTURE.read_bytes())
    after = _value(client.get("/metrics").text, "har_edge_upload_bytes_total")
    assert after - before == PICTURE.stat().st_size


def _value(text: str, name: str) -> float:
    found = re.search(rf"^{name} (\S+)$", text, re.MULTILINE)
    assert found
    return float(found[1])
