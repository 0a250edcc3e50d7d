"""Names that sinks give to files and topics."""

from __future__ import annotations

import pytest

from har_edge.sinks.base import safe_name


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("camera:0", "camera-0"),
        ("-", "stdin"),
        ("rtsp://10.0.0.7:554/live/ch+1#x", "rtsp-10.0.0.7-554-live-ch-1-x"),
        ("../../etc/passwd", "etc-passwd"),
        ("écrire à la main", "écrire-à-la-main"),
        ("🙂", "unnamed"),
        ("é" * 100, "é" * 30),
    ],
)
def test_names_that_are_safe_in_files_and_topics(text: str, name: str) -> None:
    assert safe_name(text) == name
