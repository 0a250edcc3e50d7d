"""What sources read from: real servers and pipes, and how missing devices are reported."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import threading
import time
import types
from collections.abc import Iterator
from email.message import Message
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import har_edge
from har_edge.config import StdinFormat
from har_edge.errors import SourceError, SourceRefusedError
from har_edge.frames.sampling import FrameSampler
from har_edge.sources.captures.camera import CameraCapture, PicameraCapture
from har_edge.sources.captures.devices import CameraDevice, advice, device_path, list_cameras
from har_edge.sources.captures.http import response_kind, url_kind
from har_edge.sources.captures.open import open_http, open_stream
from har_edge.sources.captures.opencv import OpenCvStream
from har_edge.sources.captures.options import OPENCV_OPTIONS
from har_edge.sources.captures.pipe import PipeCapture
from har_edge.sources.captures.pyav import has_av
from har_edge.sources.live.open import live_pipe
from har_edge.sources.live.source import LiveSource
from har_edge.sources.open import open_source
from har_edge.sources.web_files import UrlImageSource, UrlVideoSource
from tests.conftest import MakeVideo, moving_square
from tests.support.chaos import pattern
from tests.support.chaos.mjpeg_server import MjpegServer
from tests.support.chaos.watch import free_port

SAMPLE = Path(har_edge.__file__).parent / "samples" / "falling.mp4"


@pytest.fixture
def camera() -> Iterator[MjpegServer]:
    """A motion JPEG camera."""
    pytest.importorskip("simplejpeg")
    server = MjpegServer()
    yield server
    server.stop()


@pytest.mark.parametrize("announced", [True, False])
def test_motion_jpeg_over_http(camera: MjpegServer, announced: bool) -> None:
    camera.announced = announced
    capture = open_http(camera.url)
    for _ in range(5):
        assert capture.grab()
        pixels = capture.retrieve()
        assert pixels is not None
        stamp = pattern.read(pixels)
        assert stamp is not None and pattern.age_s(stamp) < 2.0
    capture.close()
    assert capture.corrupt == 0


@pytest.mark.parametrize("digest", [False, True])
def test_login_over_http(camera: MjpegServer, digest: bool) -> None:
    camera.login, camera.digest = ("me", "p@ss:w"), digest
    url = camera.url.replace("//", "//me:p%40ss%3Aw@")
    capture = open_http(url)
    assert capture.grab()
    capture.close()
    for wrong in (camera.url, url.replace("w@", "x@")):
        with pytest.raises(SourceRefusedError, match="refused the user") as error:
            open_http(wrong)
        assert "p%40ss" not in str(error.value)
    assert camera.refusals <= 4  # one to be asked, one for the wrong password


def test_server_that_is_not_there() -> None:
    with pytest.raises(SourceError, match=r"cannot be reached: .*refused") as error:
        open_http(f"http://me:geheim@127.0.0.1:{free_port()}/cam")
    assert "geheim" not in str(error.value)


def test_only_damaged_pictures_end_the_connection(camera: MjpegServer) -> None:
    capture = open_http(camera.url, 1.0)
    camera.mode = "cut off"
    started_s = time.monotonic()
    with pytest.raises(SourceError, match=r"no whole picture for 1 s.*--stall-timeout"):
        while capture.grab():
            assert time.monotonic() - started_s < 5.0
    assert capture.corrupt > 3
    capture.close()


@pytest.fixture
def web(tmp_path: Path) -> Iterator[str]:
    """A web server of the files in the test's folder."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    handler = partial(Quiet, directory=str(tmp_path))
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


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


def test_motion_jpeg_is_recognised_as_live(camera: MjpegServer) -> None:
    source = open_source(camera.url)
    assert isinstance(source, LiveSource) and source.live
    assert url_kind(camera.url) == "mjpeg"


@pytest.mark.parametrize(
    ("kind", "length", "expected"),
    [
        ("multipart/x-mixed-replace; boundary=x", None, "mjpeg"),
        ("image/jpeg", "100", "picture"),
        ("video/mp4", "100", "video"),
        ("application/octet-stream", "100", "video"),
        ("video/mp2t", None, "stream"),
        ("application/vnd.apple.mpegurl", "100", "stream"),
        ("application/x-mpegURL", "100", "stream"),
        ("application/dash+xml", "100", "stream"),
    ],
)
def test_what_a_server_sends(kind: str, length: str | None, expected: str) -> None:
    headers = Message()
    headers["Content-Type"] = kind
    if length:
        headers["Content-Length"] = length
    assert response_kind(headers) == expected


@pytest.mark.parametrize("opener", [open_stream, OpenCvStream])
def test_stream_that_is_not_there(opener: type) -> None:
    with pytest.raises(SourceError, match="cannot be opened") as error:
        opener(f"rtsp://me:geheim@127.0.0.1:{free_port()}/cam")
    assert "geheim" not in str(error.value)


@pytest.mark.skipif(not has_av(), reason="needs PyAV (pip install av)")
def test_file_without_video_is_refused(web: str, tmp_path: Path) -> None:
    (tmp_path / "a.ts").write_bytes(b"no video" * 1000)
    with pytest.raises(SourceError, match="cannot be opened"):
        open_stream(f"{web}/a.ts")


@pytest.mark.skipif(not has_av(), reason="needs PyAV (pip install av)")
def test_video_that_no_decoder_knows_is_refused(tmp_path: Path) -> None:
    from har_edge.sources.captures.pyav import AvStream

    path = tmp_path / "a.mp4"
    path.write_bytes(SAMPLE.read_bytes().replace(b"mp4v", b"evc1").replace(b"esds", b"evcC"))
    with pytest.raises(SourceError, match="no decoder"):
        AvStream(str(path))


@pytest.mark.skipif(
    not has_av() or shutil.which("ffmpeg") is None, reason="needs PyAV (pip install av) and ffmpeg"
)
def test_the_key_frame_that_rtmp_begins_with_is_not_lost() -> None:
    """The next one comes a minute later, long after patience is at its end."""
    url = f"rtmp://127.0.0.1:{free_port()}/live/cam"
    picture = ["-re", "-f", "lavfi", "-i", "testsrc=size=320x240:rate=15", "-t", "30"]
    coding = ["-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-g", "900"]
    command = ["ffmpeg", "-v", "quiet", *picture, *coding, "-f", "flv", "-listen", "1", url]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL) as server:
        try:
            until_s = time.monotonic() + 20
            while True:  # it serves one connection, which none may take to see if it is there
                try:
                    capture = open_stream(url)
                    break
                except SourceError:
                    if time.monotonic() > until_s or server.poll() is not None:
                        raise
                    time.sleep(0.2)
            assert all(capture.grab() for _ in range(20))
            assert capture.corrupt == 0
            capture.close()
        finally:
            server.kill()


@pytest.mark.skipif(not has_av(), reason="needs PyAV (pip install av)")
def test_frame_in_a_colour_space_of_no_camera_is_damaged() -> None:
    """As a damaged header of an H.264 stream may say; FFmpeg decodes it, but cannot convert it."""
    from har_edge.sources.captures.pyav import AvStream

    capture = AvStream(str(SAMPLE))
    try:
        assert capture.grab()
        assert capture.retrieve() is not None
        assert capture.grab()
        capture._frame.colorspace = 8  # AVCOL_SPC_YCGCO
        assert capture.retrieve() is None
        # Nothing that builds on it is shown.
        corrupt = capture.corrupt
        assert not capture.grab() or capture._frame.key_frame
        assert capture.corrupt > corrupt
    finally:
        capture.close()


def test_streams_leave_the_users_options_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    with contextlib.suppress(SourceError):
        OpenCvStream(f"rtsp://127.0.0.1:{free_port()}/cam")
    assert OPENCV_OPTIONS not in os.environ
    monkeypatch.setenv(OPENCV_OPTIONS, "rtsp_transport;udp")
    with contextlib.suppress(SourceError):
        OpenCvStream(f"rtsp://127.0.0.1:{free_port()}/cam")
    assert os.environ[OPENCV_OPTIONS] == "rtsp_transport;udp"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("mjpeg", StdinFormat("mjpeg", 0, 0, 25.0)),
        ("mjpeg@12.5", StdinFormat("mjpeg", 0, 0, 12.5)),
        ("mjpeg@live", StdinFormat("mjpeg", 0, 0, None)),
        ("rgb24:640x480", StdinFormat("rgb24", 640, 480, 25.0)),
        ("rgb24:640x480@30", StdinFormat("rgb24", 640, 480, 30.0)),
        ("rgb24:1x2@live", StdinFormat("rgb24", 1, 2, None)),
    ],
)
def test_formats_of_standard_input(text: str, expected: StdinFormat) -> None:
    assert StdinFormat.parse(text) == expected


@pytest.mark.parametrize(
    "text", ["", "h264", "rgb24", "rgb24:0x5", "mjpeg@0", "mjpeg@", "mjpeg:3x4", "rgb24:3x4@x"]
)
def test_other_formats_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="Expected mjpeg"):
        StdinFormat.parse(text)


def test_live_pipe_gives_the_newest_frame_and_ends_with_the_pipe() -> None:
    read, write = os.pipe()
    source = live_pipe("-", PipeCapture(read, StdinFormat.parse("rgb24:64x48@live")))

    def feed() -> None:
        with os.fdopen(write, "wb") as file:
            for frame in moving_square(20):
                file.write(frame.tobytes())
                file.flush()
                time.sleep(0.02)

    threading.Thread(target=feed, daemon=True).start()
    seen = []
    for frame in source.frames(FrameSampler(100.0)):
        seen.append(frame.index)
        time.sleep(0.1)
    assert source.live
    assert seen[0] == 0 and len(seen) < 10
    assert source.stats.read == 20


def test_ffmpeg_pipes_into_the_command(make_video: MakeVideo) -> None:
    """`ffmpeg ... -f mjpeg - | har-edge run -`, as far as the frames."""
    pytest.importorskip("simplejpeg")
    try:
        with subprocess.Popen(
            ["ffmpeg", "-v", "quiet", "-i", str(make_video(count=50)), "-f", "mjpeg", "-"],
            stdout=subprocess.PIPE,
        ) as ffmpeg:
            assert ffmpeg.stdout is not None
            capture = PipeCapture(ffmpeg.stdout.fileno(), StdinFormat())
            count = 0
            while capture.grab():
                assert capture.retrieve() is not None
                count += 1
    except FileNotFoundError:
        pytest.skip("needs ffmpeg")
    assert count == 50


@pytest.mark.skipif(sys.platform != "linux", reason="sysfs is Linux's")
def test_missing_camera_is_reported_at_once_and_nothing_printed(tmp_path: Path) -> None:
    code = (
        "import sys; from har_edge.sources.open import open_source\n"
        "from har_edge.frames.sampling import FrameSampler\n"
        "from har_edge.errors import SourceError\n"
        "try: next(open_source('camera:97').frames(FrameSampler(5.0)))\n"
        "except SourceError as error: print(error)"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=30
    )
    assert result.stdout.startswith("Camera 97 cannot be opened: there is no /dev/video97. F")
    assert result.stderr == ""
    with pytest.raises(SourceError, match="/dev/video97"):
        CameraCapture("97")


def fake_sysfs(root: Path, cameras: dict[str, tuple[str, str]]) -> tuple[Path, Path]:
    sysfs, devices = root / "sys", root / "dev"
    devices.mkdir()
    for node, (name, index) in cameras.items():
        (sysfs / node).mkdir(parents=True)
        (sysfs / node / "name").write_text(name + "\n")
        (sysfs / node / "index").write_text(index + "\n")
        (devices / node).write_text("")
    return sysfs, devices


def test_cameras_are_listed_with_their_names(tmp_path: Path) -> None:
    sysfs, devices = fake_sysfs(
        tmp_path,
        {"video10": ("Other", "0"), "video2": ("HD Webcam", "0"), "video3": ("HD Webcam", "1")},
    )
    found = list_cameras(sysfs, devices)
    assert [(Path(c.path).name, c.name, c.index) for c in found] == [
        ("video2", "HD Webcam", 0),
        ("video3", "HD Webcam", 1),
        ("video10", "Other", 0),
    ]
    assert isinstance(found[0], CameraDevice)
    said = advice(sysfs, devices)
    assert "video2 (HD Webcam)" in said and "video3" not in said
    with pytest.raises(SourceError, match=r"there is no .*video0\. Found: .*HD Webcam"):
        device_path("0", sysfs=sysfs, devices=devices)
    assert device_path("2", sysfs=sysfs, devices=devices) == found[0].path
    assert device_path(found[0].path, sysfs=sysfs, devices=devices) == found[0].path


def test_no_camera_at_all(tmp_path: Path) -> None:
    assert list_cameras(tmp_path, tmp_path) == []
    assert "Found no video device" in advice(tmp_path, tmp_path)


def test_missing_picamera_names_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "picamera2", None)
    with pytest.raises(SourceError, match="sudo apt install -y python3-picamera2"):
        PicameraCapture(0)


def test_picamera(monkeypatch: pytest.MonkeyPatch) -> None:
    """The calls of picamera2's interface; its pictures are those of libcamera's drivers."""
    calls: list[str] = []
    scene = moving_square(1)[0]

    class Picamera2:
        def __init__(self, index: int) -> None:
            calls.append(f"open {index}")

        @staticmethod
        def global_camera_info() -> list[dict[str, object]]:
            return [{"Model": "imx708"}]

        def create_video_configuration(self, main: dict[str, object]) -> dict[str, object]:
            return main

        def configure(self, config: dict[str, object]) -> None:
            calls.append(str(config["format"]))

        def start(self) -> None:
            calls.append("start")

        def capture_request(self) -> types.SimpleNamespace:
            return types.SimpleNamespace(
                make_array=lambda name: scene, release=lambda: calls.append("release")
            )

        def close(self) -> None:
            calls.append("close")

    monkeypatch.setitem(sys.modules, "picamera2", types.SimpleNamespace(Picamera2=Picamera2))
    capture = PicameraCapture(0)
    assert capture.grab() and capture.grab()
    assert np.array_equal(capture.retrieve(), scene)  # type: ignore[arg-type]
    capture.close()
    assert calls == ["open 0", "BGR888", "start", "release", "release", "close"]
    with pytest.raises(SourceError, match="Found 0: imx708"):
        PicameraCapture(1)
