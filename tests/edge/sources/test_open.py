"""What is opened for which name, and which names are refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from har_edge.errors import SourceError, SourceRefusedError
from har_edge.frames.sampling import FrameSampler
from har_edge.paths import sample_path
from har_edge.sources.files import ImageSource, VideoSource
from har_edge.sources.live.source import LiveSource
from har_edge.sources.open import open_source
from tests.conftest import moving_square, write_video


@pytest.mark.parametrize("name", ["photo.mp4", "photo", "photo.txt", "photo.jfif"])
def test_files_are_opened_by_their_content(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(sample_path("lying.jpg").read_bytes())
    assert isinstance(open_source(tmp_path / name), ImageSource)
    (tmp_path / name).write_bytes(sample_path("falling.mp4").read_bytes())
    assert isinstance(open_source(tmp_path / name), VideoSource)


@pytest.mark.parametrize("name", ["camera.ts", "camera.mts", "camera.mpg"])
def test_what_recorders_write_is_a_video(tmp_path: Path, name: str) -> None:
    write_video(tmp_path / name, moving_square(20), 25.0)
    (tmp_path / "camera").write_bytes((tmp_path / name).read_bytes())
    for path in (tmp_path / name, tmp_path / "camera"):
        with open_source(path) as source:
            assert isinstance(source, VideoSource)
            assert list(source.frames(FrameSampler(5.0)))


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


def test_schemes_may_be_written_in_capitals(monkeypatch: pytest.MonkeyPatch) -> None:
    opened = []

    def open_stream(url: str, *_: object) -> None:
        opened.append(url)
        raise SourceRefusedError("not here")

    monkeypatch.setattr("har_edge.sources.captures.open.open_stream", open_stream)
    source = open_source("RTSP://Admin:Secret@Cam/Live")
    with pytest.raises(SourceRefusedError):
        list(source.frames(FrameSampler(5.0)))
    assert opened == ["rtsp://Admin:Secret@Cam/Live"]
