"""Live sources by their names."""

from __future__ import annotations

import pytest

from har_edge.errors import SourceError
from har_edge.sources.live.open import open_live


def test_names_hold_no_password() -> None:
    assert open_live("rtsp://me:geheim@cam/x").name == "rtsp://***@cam/x"


@pytest.mark.parametrize("name", ["camera:", "picamera:x", "video.mp4"])
def test_other_names_are_refused(name: str) -> None:
    with pytest.raises(SourceError, match="neither a camera nor a stream"):
        open_live(name)
