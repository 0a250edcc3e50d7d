"""Streams that cannot be opened, with PyAV and without."""

from __future__ import annotations

import pytest

from har_edge.errors import SourceError
from har_edge.sources.captures.open import open_stream
from har_edge.sources.captures.opencv import OpenCvStream
from tests.support.chaos.watch import free_port


@pytest.mark.parametrize("opener", [open_stream, OpenCvStream])
def test_stream_that_is_not_there(opener: type) -> None:
    with pytest.raises(SourceError, match="cannot be opened") as error:
        opener(f"rtsp://me:geheim@127.0.0.1:{free_port()}/cam")
    assert "geheim" not in str(error.value)
