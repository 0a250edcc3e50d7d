"""Stills, videos, pipes, and what is opened for which name."""

from __future__ import annotations

import contextlib
import io
import os
import threading
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from har_edge.arrays import Pixels
from har_edge.config import StdinFormat
from har_edge.errors import SourceError
from har_edge.frames.opencv import import_cv2
from har_edge.frames.sampling import FrameSampler
from har_edge.sources import files
from har_edge.sources.captures.pipe import PipeCapture
from har_edge.sources.files import ImageSource, VideoSource
from har_edge.sources.live.source import LiveSource
from har_edge.sources.open import open_source
from har_edge.sources.pipe import PipeSource
from tests.conftest import MakeVideo, moving_square, write_video


def test_video_gives_the_instants_of_its_timestamps(make_video: MakeVideo) -> None:
    source = VideoSource(make_video(count=50, fps=25.0))
    frames = list(source.frames(FrameSampler(5.0)))
    assert source.duration_s == pytest.approx(2.0)
    assert [f.index for f in frames] == list(range(0, 50, 5))
    assert [f.timestamp_s for f in frames] == pytest.approx([i / 5 for i in range(10)])


def test_same_instants_from_another_frame_rate(tmp_path: Path) -> None:
    """A scene filmed at 30 and at 12 fps gives the same pictures at 6 Hz."""
    scene = moving_square(60)
    fast = write_video(tmp_path / "fast.mp4", scene, 30.0)
    slow = write_video(tmp_path / "slow.mp4", [scene[round(i * 2.5)] for i in range(24)], 12.0)
    a, b = (list(VideoSource(p).frames(FrameSampler(6.0))) for p in (fast, slow))
    assert len(a) == len(b) == 12
    assert [f.timestamp_s for f in a] == pytest.approx([f.timestamp_s for f in b], abs=2e-3)
    for x, y in zip(a, b, strict=True):
        assert np.abs(x.pixels.astype(int) - y.pixels.astype(int)).mean() < 4  # codec noise


def test_video_colours_are_rgb(tmp_path: Path) -> None:
    red = np.zeros((32, 32, 3), np.uint8)
    red[..., 0] = 200
    frames = list(VideoSource(write_video(tmp_path / "r.mp4", [red] * 5)).frames(FrameSampler(25)))
    assert frames[0].pixels[..., 0].mean() > 150
    assert frames[0].pixels[..., 2].mean() < 50


def test_what_opencv_cannot_do_is_an_error_of_the_source(
    make_video: MakeVideo, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(pixels: Pixels) -> Pixels:
        return np.asarray(import_cv2().resize(pixels, (0, 0)))

    monkeypatch.setattr(files, "view_as_rgb", fail)
    source = VideoSource(make_video())
    with pytest.raises(SourceError, match="cannot be decoded: OpenCV says"):
        list(source.frames(FrameSampler(5.0)))


def test_still_is_one_frame(tmp_path: Path) -> None:
    Image.new("RGB", (20, 10), "blue").save(tmp_path / "a.png")
    (frame,) = ImageSource(tmp_path / "a.png").frames(FrameSampler(5.0))
    assert frame.pixels.shape == (10, 20, 3)
    assert (frame.timestamp_s, frame.index) == (0.0, 0)


def test_names_that_are_not_utf8(tmp_path: Path, make_video: MakeVideo) -> None:
    raw = os.fsencode(tmp_path) + b"/caf\xe9.mp4"
    os.rename(make_video(), raw)  # noqa: PTH104  (a name of bytes)
    source = open_source(os.fsdecode(raw))
    assert len(list(source.frames(FrameSampler(5.0)))) == 10
    assert source.name.endswith("caf\\xe9.mp4")


def test_names_that_look_like_patterns(make_video: MakeVideo) -> None:
    """OpenCV would read a picture series, a user means this file."""
    source = open_source(make_video("walk_%02d.mp4"))
    assert len(list(source.frames(FrameSampler(5.0)))) == 10


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("text.mp4", b"this is not a video", "not a video"),
        ("empty.mp4", b"", "0 bytes"),
        ("notes.docx", b"PK", "no known kind"),
    ],
)
def test_unusable_files_are_refused(
    tmp_path: Path, name: str, content: bytes, message: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(SourceError, match=message):
        open_source(tmp_path / name)


def test_missing_files_are_refused(tmp_path: Path) -> None:
    for name in ("gone.mp4", "gone.jpg", "gone"):
        with pytest.raises(SourceError, match="does not exist"):
            list(open_source(tmp_path / name).frames(FrameSampler(5.0)))


def test_cut_short_header_is_refused(make_video: MakeVideo, tmp_path: Path) -> None:
    content = make_video().read_bytes()
    (tmp_path / "cut.mp4").write_bytes(content[: len(content) // 2])
    with pytest.raises(SourceError, match="cut short"):
        open_source(tmp_path / "cut.mp4")


def test_cut_short_stream_gives_what_there_is_and_then_an_error(tmp_path: Path) -> None:
    """An AVI has its header first: the frames before the cut can be used, the rest is missed."""
    cv2 = pytest.importorskip("cv2")
    path = tmp_path / "long.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 25.0, (64, 48))
    for frame in moving_square(100):
        writer.write(frame)
    writer.release()
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 3])
    seen = 0
    with pytest.raises(SourceError, match="should hold 100 frames"):
        for _ in VideoSource(path).frames(FrameSampler(25.0)):
            seen += 1
    assert 20 < seen < 50


@pytest.mark.parametrize("count", [1, 2, 3, 6, 7, 50])
def test_a_look_gives_first_middle_and_last(count: int, make_video: MakeVideo) -> None:
    source = VideoSource(make_video(count=count))
    frames = [f.pixels for f in source.frames(FrameSampler(1e6))]
    for looked_at, index in zip(source.look(), (0, count // 2, count - 1), strict=True):
        assert np.array_equal(looked_at, frames[index])


def test_a_look_forgives_what_decoding_forgives(make_video: MakeVideo) -> None:
    source = VideoSource(make_video(count=50))
    source.num_frames = 54
    list(source.frames(FrameSampler(1.0)))
    assert len(source.look()) == 3
    source.num_frames = 60
    for read in (source.look, lambda: list(source.frames(FrameSampler(1.0)))):
        with pytest.raises(SourceError, match="should hold 60 frames"):
            read()


@pytest.mark.parametrize("share", [0.3, 0.6, 0.8])
def test_a_look_misses_the_end_of_a_cut_file(share: float, tmp_path: Path) -> None:
    cv2 = pytest.importorskip("cv2")
    path = tmp_path / "long.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 25.0, (64, 48))
    for frame in moving_square(100):
        writer.write(frame)
    writer.release()
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(SourceError, match="should hold 100 frames, but number"):
        VideoSource(path).look()


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("camera:0", LiveSource),
        ("camera:/dev/v4l/by-id/usb-x", LiveSource),
        ("/dev/video3", LiveSource),
        ("picamera:0", LiveSource),
        ("rtsp://127.0.0.1:1/x", LiveSource),
        ("rtmp://127.0.0.1:1/x", LiveSource),
    ],
)
def test_names_of_live_sources(name: str, kind: type) -> None:
    source = open_source(name)
    assert isinstance(source, kind)
    assert source.live
    assert source.name == name


def jpegs(count: int) -> bytes:
    pictures = []
    for frame in moving_square(count):
        file = io.BytesIO()
        Image.fromarray(frame).save(file, "JPEG")
        pictures.append(file.getvalue())
    return b"".join(pictures)


def pipe_source(data: bytes, form: str) -> tuple[PipeSource, threading.Thread]:
    """A pipe with somebody who writes into it."""
    read, write = os.pipe()

    def feed() -> None:
        with contextlib.suppress(BrokenPipeError), os.fdopen(write, "wb") as file:
            file.write(data)

    writer = threading.Thread(target=feed, daemon=True)
    writer.start()
    parsed = StdinFormat.parse(form)
    assert parsed.frame_rate_hz is not None
    return PipeSource("-", PipeCapture(read, parsed), parsed.frame_rate_hz), writer


def test_pipe_of_pictures_gives_the_instants_of_its_rate() -> None:
    pytest.importorskip("simplejpeg")
    source, _ = pipe_source(jpegs(50), "mjpeg@25")
    frames = list(source.frames(FrameSampler(5.0)))
    assert not source.live
    assert [f.index for f in frames] == list(range(0, 50, 5))
    assert [f.timestamp_s for f in frames] == pytest.approx([i / 5 for i in range(10)])


def test_pipe_of_pixels() -> None:
    pictures = moving_square(20)
    data = b"".join(frame.tobytes() for frame in pictures)
    source, _ = pipe_source(data + b"half a frame", "rgb24:64x48@10")
    frames = list(source.frames(FrameSampler(10.0)))
    assert len(frames) == 20
    assert all(np.array_equal(f.pixels, p) for f, p in zip(frames, pictures, strict=True))
    assert frames[-1].timestamp_s == pytest.approx(1.9)
    assert source._capture.corrupt == 1


def test_pipe_waits_for_a_slow_reader() -> None:
    """The writer is held up, so nothing is lost and nothing piles up here."""
    data = b"".join(frame.tobytes() for frame in moving_square(200))
    source, writer = pipe_source(data, "rgb24:64x48@10")
    frames = source.frames(FrameSampler(10.0))
    next(frames)
    writer.join(0.3)
    assert writer.is_alive()
    assert 1 + sum(1 for _ in frames) == 200


def test_damaged_pictures_of_a_pipe_keep_their_time() -> None:
    pytest.importorskip("simplejpeg")
    file = io.BytesIO()
    Image.fromarray(moving_square(1)[0]).save(file, "JPEG")
    whole = file.getvalue()
    source, _ = pipe_source(whole + whole[:-30] + whole, "mjpeg@10")
    assert [f.timestamp_s for f in source.frames(FrameSampler(10.0))] == pytest.approx([0.0, 0.2])


def test_pipe_without_pictures_is_refused() -> None:
    pytest.importorskip("simplejpeg")
    source, _ = pipe_source(b"this is no picture" * 1000, "mjpeg")
    with pytest.raises(SourceError, match="no whole frame"):
        list(source.frames(FrameSampler(5.0)))


def test_silent_pipe_can_be_stopped() -> None:
    read, write = os.pipe()
    source = PipeSource("-", PipeCapture(read, StdinFormat("rgb24", 4, 4, 10.0)), 10.0)
    threading.Timer(0.2, source.stop).start()
    assert list(source.frames(FrameSampler(5.0))) == []
    os.close(write)
