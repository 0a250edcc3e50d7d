"""What tests of videos need."""

from __future__ import annotations

import pytest

from har_edge.frames.encode import writes_h264
from har_edge.frames.ffmpeg import reads_videos

# Python 3.10 has no PyAV that we can use; there OpenCV reads, and writes motion JPEG.
needs_av = pytest.mark.skipif(
    not (reads_videos() and writes_h264()), reason="needs PyAV with an encoder for H.264"
)
