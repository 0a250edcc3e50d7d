"""How the formats of networks are told apart."""

from __future__ import annotations

# Bytes 4 to 8 of every TFLite flatbuffer. Source: TFLite schema, `file_identifier`.
FLATBUFFER_ID = b"TFL3"


def is_flatbuffer(content: bytes) -> bool:
    """Whether this is a TFLite network, by its first bytes."""
    return content[4:8] == FLATBUFFER_ID
