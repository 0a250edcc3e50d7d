"""Uploads that mean harm, or are broken: each is refused, and the server stays as it was."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import io
import socket
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from pathlib import Path

import pytest
from PIL import Image

pytest.importorskip("fastapi", reason="needs the extra serve")
httpx = pytest.importorskip("httpx", reason="needs httpx")

from fastapi import Request  # noqa: E402

from har_edge.config import RequestLimits  # noqa: E402
from har_edge.frames.decode import lacks_reader  # noqa: E402
from har_edge.server.problems import ProblemError  # noqa: E402
from har_edge.server.uploads import receive_upload  # noqa: E402
from tests.conftest import MakeVideo  # noqa: E402
from tests.support.hostile import (  # noqa: E402
    PAGE,
    a_thousand_scans,
    animated,
    bitmap_of,
    bomb,
    comment,
    png,
    png_of,
    printer_settings,
    text_bomb,
    zipped,
)
from tests.support.serving import CLIP, PICTURE, Serving, encode_picture, serving  # noqa: E402
from tests.support.videos import needs_av  # noqa: E402

MEBIBYTE = 2**20
# Room for two pictures in hand at the pixel limit, and what the allocator keeps.
MOST_MEMORY_BYTES = 300 * MEBIBYTE


@pytest.fixture(scope="module")
def server() -> Iterator[Serving]:
    limits = ["--max-upload-mb", "8", "--upload-timeout", "2", "--max-clip-s", "10"]
    with serving(*limits, "--max-requests", "4") as running:
        yield running


@pytest.fixture(autouse=True)
def server_stays_as_it_was(server: Serving) -> Iterator[None]:
    before = server.memory_bytes()
    yield
    assert server.memory_bytes(peak=True) - before < MOST_MEMORY_BYTES
    good = send(server, PICTURE.read_bytes())
    assert good.status_code == 200, good.text


def send(server: Serving, content: bytes, name: str = "x.jpg") -> httpx.Response:
    return httpx.post(f"{server.url}/predict", files={"file": (name, content)}, timeout=30)


JPEG = PICTURE.read_bytes()
SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'
ARCHIVE_END = b"PK\x05\x06" + bytes(18)


@pytest.mark.parametrize(
    ("content", "status"),
    [
        pytest.param(png(10_000, 10_000), 422, id="100-megapixel-header"),
        pytest.param(b"", 422, id="zero-bytes"),
        pytest.param(JPEG[: len(JPEG) // 2], 422, id="truncated-jpeg"),
        pytest.param(JPEG[:20], 422, id="jpeg-header-alone"),
        pytest.param(png(8, 8), 422, id="png-without-pixels"),
        pytest.param(SVG, 415, id="svg"),
        pytest.param(PAGE, 415, id="html-named-jpg"),
        pytest.param(b"GIF89a" + bytes(100), 422, id="gif-without-pictures"),
        pytest.param(animated("GIF", 2) + PAGE, 422, id="gif-and-page"),
        pytest.param(animated("GIF", 2, comment=PAGE), 422, id="gif-with-page-in-a-note"),
        pytest.param(animated("GIF", 2, (6000, 6000)), 422, id="large-gif"),
        pytest.param(animated("WEBP", 2, (6000, 6000)), 422, id="large-webp"),
        pytest.param(animated("PNG", 2, (6000, 6000)), 422, id="large-animated-png"),
        pytest.param(animated("WEBP", 120), 422, id="long-webp"),
        pytest.param(animated("GIF", 120), 422, id="long-gif"),
        # Without PyAV an animated PNG is its first picture, and short.
        pytest.param(animated("PNG", 120), 422, id="long-animated-png", marks=needs_av),
        pytest.param(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", 415, id="postscript"),
        pytest.param(b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n", 415, id="playlist"),
        pytest.param(b"ffconcat version 1.0\nfile /etc/passwd\n", 415, id="concat"),
        pytest.param(JPEG + PAGE, 422, id="polyglot-page"),
        pytest.param(JPEG[:2] + b"\xff\xfe\x00\x37" + PAGE + JPEG[2:], 422, id="polyglot-comment"),
        pytest.param(JPEG[:2] + b"\xff\xfe\x00\x0a%PDF-1.7" + JPEG[2:], 422, id="polyglot-pdf"),
        pytest.param(JPEG + b"%PDF-1.7", 422, id="polyglot-pdf-at-the-end"),
        pytest.param(JPEG + b"PK\x03\x04" + bytes(300) + ARCHIVE_END, 422, id="polyglot-archive"),
        pytest.param(JPEG + bytes(90_000) + PAGE, 422, id="polyglot-page-far-behind"),
        pytest.param(png(8, 8, b"tEXtComment\0" + PAGE) + zipped(), 422, id="png-and-jar"),
        pytest.param(png(8, 8, b"tEXtComment\0" + PAGE), 422, id="png-with-page-in-a-note"),
        pytest.param(encode_picture("PNG") + b"%PDF-1.7\n1 0 obj", 422, id="png-and-pdf"),
        pytest.param(encode_picture("BMP") + zipped(), 422, id="bmp-and-archive"),
        pytest.param(encode_picture("WEBP") + SVG, 422, id="webp-and-svg"),
        pytest.param(CLIP.read_bytes() + zipped(), 422, id="clip-and-archive"),
        pytest.param(CLIP.read_bytes() + PAGE, 422, id="clip-and-page"),
        pytest.param(JPEG[:2] + comment(zipped()) + JPEG[2:], 422, id="archive-in-a-comment"),
        pytest.param(JPEG + b"Rar!\x1a\x07\0", 422, id="jpeg-and-rar"),
        pytest.param(JPEG + b"<?php echo 1;__HALT_COMPILER();", 422, id="jpeg-and-phar"),
        pytest.param(CLIP.read_bytes()[:5000], 422, id="truncated-clip"),
        pytest.param(b"\0\0\0\x18ftypisom" + bytes(5000), 422, id="no-clip"),
        pytest.param(b"\x1a\x45\xdf\xa3" + bytes(5000), 422, id="no-matroska"),
        pytest.param(b"RIFF\x10\0\0\0AVI LIST", 422, id="no-avi"),
        pytest.param(b"BM" + b"\xff" * 52, 422, id="no-bitmap"),
    ],
)
def test_hostile_content_is_refused(server: Serving, content: bytes, status: int) -> None:
    answer = send(server, content)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert "/tmp" not in answer.text


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(JPEG[:2] + printer_settings() + JPEG[2:], id="printer-settings"),
        pytest.param(bitmap_of(PAGE), id="bitmap-of-a-page"),
        pytest.param(bitmap_of(b"PK\x05\x06PK\x01\x02<svg ><!DOCTYPE html>"), id="bitmap-of-marks"),
        pytest.param(png_of(PAGE + b"PK\x05\x06"), id="png-of-a-page"),
        pytest.param(JPEG + JPEG, id="two-pictures-as-phones-store-them"),
        pytest.param(JPEG + CLIP.read_bytes(), id="motion-photo"),
        pytest.param(JPEG + bytes(100), id="padded"),
    ],
)
def test_pixels_and_plain_metadata_are_no_foreign_content(server: Serving, content: bytes) -> None:
    answer = send(server, content)
    assert answer.status_code == 200, answer.text


def needs(form: str) -> pytest.MarkDecorator:
    """Skip where pictures of a format cannot be written and read."""
    if form == "HEIF" and not lacks_reader(form):
        importlib.import_module("pillow_heif").register_heif_opener()
    return pytest.mark.skipif(bool(lacks_reader(form)), reason=f"nothing here reads {form}")


def one_colour(form: str, size: tuple[int, int]) -> bytes:
    """A large picture that is quickly made."""
    with io.BytesIO() as file:
        Image.new("L", size).save(file, form)
        return file.getvalue()


@pytest.mark.parametrize("form", [pytest.param(f, marks=needs(f)) for f in ("AVIF", "HEIF")])
def test_pictures_of_phones_are_answered_within_the_same_limits(form: str, server: Serving) -> None:
    content, large = encode_picture(form), one_colour(form, (6000, 6000))
    answer = send(server, content, "x.jpg")
    assert answer.status_code == 200, answer.text
    assert answer.json()["source"] == {"kind": "image", "width": 320, "height": 240}
    for bad in (content + PAGE, content + zipped(), encode_picture(form, xmp=PAGE), large,
                content[: len(content) // 2], content[:60]):  # fmt: skip
        answer = send(server, bad)
        assert answer.status_code == 422, answer.text
    assert "25 megapixels. Received 6000 x 6000" in send(server, large).json()["detail"]


@pytest.mark.parametrize(
    "form",
    ["WEBP", "GIF", pytest.param("PNG", marks=needs_av),
     pytest.param("AVIF", marks=[needs_av, needs("AVIF")])],
)  # fmt: skip
def test_pictures_that_move_are_clips(form: str, server: Serving) -> None:
    answer = send(server, animated(form, 20), "x.jpg")
    assert answer.status_code == 200, answer.text
    told = answer.json()
    assert told["source"] == {"kind": "clip", "width": 64, "height": 48}
    assert told["duration_s"] == pytest.approx(2.0, abs=0.25) and told["num_frames"] > 5


@pytest.mark.parametrize(
    ("brand", "module", "remedy"),
    [(b"heic", "pillow_heif", 'pip install "har-edge[heif]"'),
     (b"avif", "PIL._avif", "pip install --upgrade pillow")],
)  # fmt: skip
def test_what_nothing_reads_here_is_refused_with_what_helps(
    brand: bytes, module: str, remedy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    boundary = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
    content = b"\0\0\0\x18ftyp" + brand + bytes(4) + b"mif1" + brand + bytes(64)
    body = boundary + content + b"\r\n--x--\r\n"

    async def receive() -> dict[str, object]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def upload() -> None:
        headers = [(b"content-type", b"multipart/form-data; boundary=x")]
        request = Request({"type": "http", "method": "POST", "headers": headers}, receive)
        async with receive_upload(request, RequestLimits()):
            pass

    with pytest.raises(ProblemError) as raised:
        asyncio.run(upload())
    assert raised.value.status_code == 415
    assert remedy in str(raised.value.detail)


@pytest.mark.parametrize("make", [bomb, text_bomb, a_thousand_scans])
def test_bombs_are_refused(server: Serving, make: object) -> None:
    answer = send(server, make())  # type: ignore[operator]
    assert answer.status_code == 422, answer.text


def test_a_long_clip_is_refused(server: Serving, make_video: MakeVideo) -> None:
    answer = send(server, make_video(count=120, fps=10).read_bytes())
    assert answer.status_code == 422
    assert "12.0 s" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("kind", "body", "status"),
    [
        ("application/json", b"{}", 415),
        ("image/jpeg", JPEG, 415),
        ("", JPEG, 415),
        ("multipart/form-data", b"no boundary", 400),
        ("multipart/form-data; boundary=x", b"not a form", 400),
        ("multipart/form-data; boundary=x", b"--x\r\nno end", 400),
        ("multipart/form-data; boundary=" + "x" * 999, b"--x--\r\n", 400),
        ("multipart/form-data; boundary=x", b"--x--\r\n", 422),
        ("multipart/form-data; boundary=x", b"", 422),
        (
            "multipart/form-data; boundary=x",
            b'--x\r\nContent-Disposition: form-data; name="file"\r\n\r\ntext\r\n--x--\r\n',
            422,
        ),
        (
            "multipart/form-data; boundary=x",
            b'--x\r\nContent-Disposition: form-data; name="file"; filename="../../etc/passwd"\r\n'
            b"\r\ntext\r\n--x--\r\n",
            415,
        ),
    ],
)
def test_wrong_bodies_are_refused(server: Serving, kind: str, body: bytes, status: int) -> None:
    headers = {"Content-Type": kind} if kind else {}
    answer = httpx.post(f"{server.url}/predict", content=body, headers=headers)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"


def test_two_files_are_refused(server: Serving) -> None:
    files = [("file", ("a.jpg", JPEG)), ("file", ("b.jpg", JPEG))]
    assert httpx.post(f"{server.url}/predict", files=files).status_code == 400


def test_a_stream_of_two_gigabytes_is_refused_early(server: Serving) -> None:
    """Its length is not announced; it is cut off soon after the limit."""
    part = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
    chunk = bytes(64 * 1024)
    sent, answer = 0, b""
    with server.connect() as connection:
        connection.sendall(_head("Transfer-Encoding: chunked"))
        connection.sendall(b"%x\r\n%s\r\n" % (len(part), part))
        connection.settimeout(5)
        with contextlib.suppress(OSError):
            while sent < 2 * 1024**3:
                connection.sendall(b"%x\r\n%s\r\n" % (len(chunk), chunk))
                sent += len(chunk)
        with contextlib.suppress(OSError):
            answer = connection.recv(1000)
    assert sent < 64 * MEBIBYTE
    # A sender that does not listen may lose the answer with the connection.
    assert not answer or answer.startswith(b"HTTP/1.1 413")


def test_an_announced_size_is_refused_at_once(server: Serving) -> None:
    with server.connect() as connection:
        connection.sendall(_head(f"Content-Length: {2 * 1024**3}"))
        assert connection.recv(1000).startswith(b"HTTP/1.1 413")


@pytest.mark.parametrize("path", ["/session", "/health", "/classes"])
def test_other_routes_take_no_large_body(server: Serving, path: str) -> None:
    body = b'{"token": "' + b"x" * 10 * MEBIBYTE + b'"}'
    method = "POST" if path == "/session" else "GET"
    headers = {"Content-Type": "application/json"}
    with contextlib.suppress(httpx.WriteError, httpx.ReadError):
        answer = httpx.request(method, server.url + path, content=body, headers=headers)
        assert answer.status_code == (413 if path == "/session" else 200)


def test_a_slow_body_is_cut_off(server: Serving) -> None:
    started_s = time.monotonic()
    with server.connect() as connection:
        part = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
        connection.sendall(_head("Content-Length: 100000") + part)
        answer = _trickle(connection)
    assert answer.startswith(b"HTTP/1.1 408")
    assert time.monotonic() - started_s < 15


@pytest.mark.parametrize("start", [b"", b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\nX: "])
def test_a_connection_that_asks_for_nothing_is_closed(server: Serving, start: bytes) -> None:
    started_s = time.monotonic()
    with server.connect() as connection:
        connection.sendall(start)
        with contextlib.suppress(OSError):
            assert _trickle(connection, b"-" if start else b"") == b""
    assert time.monotonic() - started_s < 15


def test_a_connection_is_kept_for_the_next_request(server: Serving) -> None:
    with contextlib.closing(HTTPConnection("127.0.0.1", server.port, timeout=20)) as connection:
        connection.connect()
        connection.auto_open = 0  # from now on, it must be this one
        for _ in range(2):
            connection.request("GET", "/health")
            answer = connection.getresponse()
            assert (answer.status, b"ok" in answer.read()) == (200, True)
            time.sleep(2.5)  # longer than a header may take


def test_a_full_disk_is_said(
    small_disk: Callable[[int], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(small_disk(1024)))
    with serving() as full:  # and whose output holds no traceback
        answer = send(full, encode_picture("BMP", (1600, 1200)))
        assert answer.status_code == 507, answer.text
        assert answer.headers["content-type"] == "application/problem+json"
        assert send(full, JPEG).status_code == 200


def test_a_client_that_leaves_is_forgotten(server: Serving) -> None:
    for _ in range(20):
        with server.connect() as connection:
            connection.sendall(_head("Content-Length: 100000") + b"--x\r\n")
    # None of them holds one of the four places.
    assert send(server, JPEG).status_code == 200


def test_too_many_are_told_to_come_back(server: Serving) -> None:
    content = CLIP.read_bytes()
    with ThreadPoolExecutor(24) as pool:
        answers = list(pool.map(lambda _: send(server, content), range(24)))
    codes = [answer.status_code for answer in answers]
    assert set(codes) == {200, 429}
    for answer in answers:
        if answer.status_code == 429:
            assert int(answer.headers["retry-after"]) >= 1
            assert answer.headers["content-type"] == "application/problem+json"


def _head(*lines: str) -> bytes:
    fixed = (
        "POST /predict HTTP/1.1",
        "Host: 127.0.0.1",
        "Content-Type: multipart/form-data; boundary=x",
    )
    return "\r\n".join((*fixed, *lines, "", "")).encode()


def _trickle(connection: socket.socket, byte: bytes = b"-") -> bytes:
    """Send a byte now and then until an answer, or the end, comes."""
    connection.settimeout(0.2)
    for _ in range(100):
        try:
            return connection.recv(1000)
        except TimeoutError:
            connection.sendall(byte)
    raise AssertionError("neither an answer nor the end")
