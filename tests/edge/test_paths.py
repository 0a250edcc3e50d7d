"""Paths can be printed, whatever their bytes."""

from __future__ import annotations

from har_edge.paths import display_path


def test_any_file_name_can_be_printed() -> None:
    name = b"caf\xe9.jpg".decode("utf-8", "surrogateescape")
    assert display_path(name) == "caf\\xe9.jpg"
    display_path(name).encode("utf-8")
