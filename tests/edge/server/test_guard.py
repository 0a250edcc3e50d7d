"""Who may ask and who may stay: tokens, sessions, origins, addresses, certificates."""

from __future__ import annotations

import re
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("fastapi", reason="needs the extra serve")
httpx = pytest.importorskip("httpx", reason="needs httpx")

from har_edge.config import ServeConfig  # noqa: E402
from har_edge.errors import ConfigError  # noqa: E402
from har_edge.server.app import check_certificate, is_in_the_clear  # noqa: E402
from tests.conftest import ASSETS  # noqa: E402
from tests.support.chaos.mjpeg_server import MjpegServer  # noqa: E402
from tests.support.serving import PICTURE, Serving, serving, wait_for  # noqa: E402

TOKEN = "a-token-for-tests"
MODEL = ("--model", ASSETS / "tiny-int8.tflite", "--workers", "1")
KNOWN = {"Authorization": f"Bearer {TOKEN}"}


@pytest.fixture(scope="module")
def camera() -> Iterator[MjpegServer]:
    found = MjpegServer()
    yield found
    found.stop()


@pytest.fixture(scope="module")
def guarded(camera: MjpegServer) -> Iterator[Serving]:
    with serving(camera.url, *MODEL, "--allow-origin", "*", token=TOKEN) as running:
        wait_for(lambda: httpx.get(f"{running.url}/ready", headers=KNOWN).status_code == 200)
        yield running


@pytest.fixture(scope="module")
def server() -> Iterator[Serving]:
    with serving(*MODEL) as running:
        yield running


@pytest.mark.parametrize("origin", ["http://[", "http://[::1", "null", "", "http://]", "//", "*"])
def test_an_origin_that_is_none_is_refused(server: Serving, origin: str) -> None:
    files = {"file": ("a.jpg", PICTURE.read_bytes())}
    answer = httpx.post(f"{server.url}/predict", files=files, headers={"Origin": origin})
    assert answer.status_code == 403
    assert answer.headers["content-type"] == "application/problem+json"
    assert httpx.get(f"{server.url}/health", headers={"Origin": origin}).status_code == 200


def test_all_sites_can_be_allowed_with_a_token(guarded: Serving) -> None:
    files = {"file": ("a.jpg", PICTURE.read_bytes())}
    headers = {"Origin": "https://home.example"}
    url = f"{guarded.url}/predict"
    assert httpx.post(url, files=files, headers={**headers, **KNOWN}).status_code == 200
    assert httpx.post(url, files=files, headers=headers).status_code == 401


@pytest.mark.parametrize(
    "path",
    [
        "/health?x=1",
        "/?x=1",
        "/classes?x",
        "/model?file=/etc/passwd",
        "/predict?topk=3",
        "/predict?top_k=3&x=%1b[2J",
        "/events?since=3",
        "/session?next=/",
        "/docs?x=1",
        "/dashboard/app.js?v=2",
        "/live.mjpg?t=1",
        "/metrics?x=" + "y" * 5000,
    ],
)
def test_unknown_parameters_are_refused(server: Serving, path: str) -> None:
    post = path.startswith(("/predict", "/session"))
    files = {"file": ("a.jpg", PICTURE.read_bytes())}
    answer = httpx.post(server.url + path, files=files) if post else httpx.get(server.url + path)
    assert answer.status_code == 422, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert "\x1b" not in answer.json()["detail"]
    assert len(answer.text) < 1000


def test_wrong_tokens_wait_and_are_said(guarded: Serving) -> None:
    took_s = []
    for number in range(4):
        started_s = time.monotonic()
        answer = httpx.get(f"{guarded.url}/health", headers={"Authorization": f"Bearer x{number}"})
        assert not answer.json()["signed_in"]
        took_s.append(time.monotonic() - started_s)
    assert took_s[3] > took_s[1] > 0.3
    assert took_s[3] > 1.5
    sent = {"token": "not-the-token"}
    started_s = time.monotonic()
    assert httpx.post(f"{guarded.url}/session", json=sent, timeout=20).status_code == 401
    assert time.monotonic() - started_s > 1.5
    # Who knows it is not held up by the others at the same address.
    started_s = time.monotonic()
    assert httpx.get(f"{guarded.url}/classes", headers=KNOWN).status_code == 200
    assert time.monotonic() - started_s < 1
    said = guarded.said()
    assert re.search(r"wrong token came from 127\.0\.0\.1, number 1", said), said
    assert "not-the-token" not in said and "x0" not in said


@pytest.mark.parametrize("path", ["/events/stream", "/live.mjpg"])
def test_signing_out_ends_the_streams(guarded: Serving, path: str) -> None:
    ended = threading.Event()
    with httpx.Client(base_url=guarded.url, timeout=20) as client:
        assert client.post("/session", json={"token": TOKEN}).status_code == 204
        begun = threading.Event()

        def watch() -> None:
            with client.stream("GET", path) as answer:
                for _ in answer.iter_raw():
                    begun.set()
            ended.set()

        watcher = threading.Thread(target=watch, daemon=True)
        watcher.start()
        assert begun.wait(10)
        with httpx.Client(base_url=guarded.url, cookies=dict(client.cookies)) as other:
            assert other.delete("/session").status_code == 204
        assert ended.wait(10)


def test_a_viewer_that_does_not_read_is_let_go(guarded: Serving) -> None:
    """After 10 s, and what sockets take in."""
    head = f"GET /live.mjpg HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {TOKEN}\r\n\r\n"

    def viewers() -> str:
        text = httpx.get(f"{guarded.url}/metrics", headers=KNOWN).text
        return re.findall(r"^har_edge_live_viewers (\S+)$", text, re.MULTILINE)[0]

    with guarded.connect() as connection:
        connection.sendall(head.encode())
        wait_for(lambda: viewers() == "1.0")
        wait_for(lambda: viewers() == "0.0", 60)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate for this machine, and its key."""
    folder = tmp_path_factory.mktemp("tls")
    certificate, key = folder / "cert.pem", folder / "key.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    names = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    try:
        subprocess.run(
            [*command, *names, "-keyout", key, "-out", certificate], check=True, capture_output=True
        )
    except FileNotFoundError:
        pytest.skip("needs openssl")
    return certificate, key


def test_a_certificate_serves_https(certificate: tuple[Path, Path]) -> None:
    options = ("--tls-cert", certificate[0], "--tls-key", certificate[1])
    with serving(*MODEL, *options, token=TOKEN) as server:
        assert server.url.startswith("https://")
        trust = ssl.create_default_context(cafile=str(certificate[0]))
        with httpx.Client(base_url=server.url, verify=trust) as client:
            assert client.get("/classes", headers=KNOWN).status_code == 200
            opened = client.post("/session", json={"token": TOKEN})
            assert "secure" in opened.headers["set-cookie"].lower()
        with pytest.raises(httpx.HTTPError):
            httpx.get(server.url.replace("https", "http"))


def test_certificates_are_checked_first(certificate: tuple[Path, Path], tmp_path: Path) -> None:
    assert check_certificate(None, None) is None
    assert check_certificate(*certificate) == certificate
    (tmp_path / "odd.pem").write_text("nothing")
    for given in (
        (tmp_path / "gone.pem", None),
        (tmp_path / "odd.pem", None),
        (certificate[0], None),
        (certificate[1], certificate[0]),
        (certificate[0], tmp_path / "odd.pem"),
    ):
        with pytest.raises(ConfigError, match="--tls-cert and --tls-key"):
            check_certificate(*given)


def test_a_token_in_the_clear_is_said() -> None:
    assert is_in_the_clear(ServeConfig(host="0.0.0.0", token=TOKEN))
    assert not is_in_the_clear(ServeConfig(host="0.0.0.0", token=TOKEN, tls_cert="c.pem"))
    assert not is_in_the_clear(ServeConfig(token=TOKEN))
