"""Streams through PyAV: what it refuses, and which frames it takes for damaged."""

from __future__ import annotations

import shutil
import subprocess
import time
from pathlib import Path

import pytest

import har_edge
from har_edge.errors import SourceError
from har_edge.frames.ffmpeg import has_av
from har_edge.sources.captures.open import open_stream
from tests.support.chaos.watch import free_port

SAMPLE = Path(har_edge.__file__).parent / "samples" / "falling.mp4"


@pytest.mark.skipif(not has_av(), reason="needs PyAV (pip install av)")
def test_file_without_video_is_refused(web: str, tmp_path: Path) -> None:
    (tmp_path / "a.ts").write_bytes(b"no video" * 1000)
    with pytest.raises(SourceError, match="cannot be opened"):
        open_stream(f"{web}/a.ts")


@pytest.mark.skipif(not has_av(), reason="needs PyAV (pip install av)")
def test_video_that_no_decoder_knows_is_refused(tmp_path: Path) -> None:
    from har_edge.sources.captures.pyav import AvStream

    path = tmp_path / "a.mp4"
    path.write_bytes(SAMPLE.read_bytes().replace(b"avc1", b"evc1").replace(b"avcC", b"evcC"))
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
