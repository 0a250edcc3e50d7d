"""How long a search for whole pictures may take, and how a refusal is told."""

from __future__ import annotations

import pytest

from har_edge.errors import SourceError
from har_edge.sources.captures.network import Patience, refused


def test_patience_ends() -> None:
    Patience("camera", 60.0).check()
    with pytest.raises(SourceError, match=r"camera gave no whole picture for 0 s.*--stall-timeout"):
        Patience("camera", 0.0).check()


def test_a_refusal_says_where_user_and_password_go() -> None:
    assert "scheme://USER:PASSWORD@HOST" in str(refused("rtsp://***@cam"))
