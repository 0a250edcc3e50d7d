"""Files on a web server, which may be silent, slow or gone."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from har_edge.errors import SourceError
from har_edge.frames.sampling import FrameSampler
from har_edge.sources.files import VideoSource
from har_edge.sources.open import open_source
from har_edge.sources.web_files import UrlImageSource, UrlVideoSource
from tests.conftest import MakeVideo


class Server(ThreadingHTTPServer):
    """Serves one file, and falls silent after `share` of it until `go_on` is set."""

    def __init__(self, path: Path, share: float = 1.0) -> None:
        content = path.read_bytes()
        self.go_on = go_on = threading.Event()
        self.silent = silent = threading.Event()

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200)
                self.send_header("Content-Type", "video/x-matroska")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                part = int(len(content) * share)
                with contextlib.suppress(OSError):
                    self.wfile.write(content[:part])
                    if part < len(content):
                        silent.set()
                        go_on.wait(30)
                    self.wfile.write(content[part:])

            def log_message(self, *_: object) -> None:
                pass

        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_port}/film.mkv"

    def __enter__(self) -> Server:
        threading.Thread(target=self.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.go_on.set()
        self.shutdown()
        self.server_close()


@pytest.fixture
def film(make_video: MakeVideo) -> Path:
    return make_video("film.mkv", count=1500)


def test_it_gives_what_the_file_on_the_disk_gives(film: Path) -> None:
    with Server(film) as server:
        source = open_source(server.url)
        assert isinstance(source, UrlVideoSource)
        there = list(source.frames(FrameSampler(5.0)))
    here = list(VideoSource(film).frames(FrameSampler(5.0)))
    assert [f.index for f in there] == [f.index for f in here]
    assert all(np.array_equal(a.pixels, b.pixels) for a, b in zip(there, here, strict=True))


@pytest.fixture
def silent_source(film: Path) -> Iterator[UrlVideoSource]:
    with Server(film, share=0.6) as server:
        yield UrlVideoSource(server.url)


def test_stopping_does_not_wait_for_a_silent_server(silent_source: UrlVideoSource) -> None:
    threading.Timer(1.0, silent_source.stop).start()
    started_s = time.monotonic()
    frames = list(silent_source.frames(FrameSampler(5.0)))
    assert frames
    assert time.monotonic() - started_s < 3.0  # OpenCV's own limit is 5 s


def test_a_server_that_stays_silent_is_an_error(silent_source: UrlVideoSource) -> None:
    with pytest.raises(SourceError, match="should have 1500 frames, but only"):
        list(silent_source.frames(FrameSampler(5.0)))


def test_who_has_enough_need_not_read_on(silent_source: UrlVideoSource) -> None:
    with contextlib.closing(silent_source.frames(FrameSampler(5.0))) as frames:
        assert next(frames).index == 0


def test_video_file_on_a_server_is_read_to_its_end(web: str, make_video: MakeVideo) -> None:
    make_video("a.mp4", count=50, fps=25.0)
    source = open_source(f"{web}/a.mp4")
    assert isinstance(source, UrlVideoSource) and not source.live
    assert source.duration_s == pytest.approx(2.0)
    assert [f.index for f in source.frames(FrameSampler(5.0))] == list(range(0, 50, 5))


def test_picture_on_a_server(web: str, tmp_path: Path) -> None:
    Image.new("RGB", (20, 10), "blue").save(tmp_path / "a.png")
    source = open_source(f"{web}/a.png")
    assert isinstance(source, UrlImageSource)
    (frame,) = source.frames(FrameSampler(5.0))
    assert frame.pixels.shape == (10, 20, 3)
    assert source.name == f"{web}/a.png"


def test_missing_file_on_a_server(web: str) -> None:
    with pytest.raises(SourceError, match="answers 404"):
        open_source(f"{web}/gone.mp4")
