"""Pictures and videos are known by their endings."""

from __future__ import annotations

from pathlib import Path

import pytest

from har_edge.media import is_media


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a.JPG", True),
        ("b.mp4", True),
        ("c.MTS", True),
        ("d.gif", True),
        ("notes.txt", False),
        (".hidden.jpg", False),
        ("c", False),
    ],
)
def test_files_are_known_by_their_endings(name: str, expected: bool, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(b"1")
    assert is_media(tmp_path / name) is expected


def test_only_files_count(tmp_path: Path) -> None:
    (tmp_path / "folder.jpg").mkdir()
    assert not is_media(tmp_path / "folder.jpg")
    assert not is_media(tmp_path / "gone.jpg")
