"""Locks that end with their process."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from har_edge.locks import abandoned


def test_what_is_locked_is_not_abandoned(tmp_path: Path) -> None:
    path = tmp_path / "a"
    with abandoned(path) as nobodys:
        assert not nobodys
    path.touch()
    (tmp_path / "link").symlink_to(path)
    with abandoned(tmp_path / "link") as nobodys:
        assert not nobodys
    with abandoned(path) as nobodys, abandoned(path) as again:
        assert (nobodys, again) == (True, False)


def test_a_file_system_without_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(descriptor: int, operation: int) -> None:
        raise OSError(38, os.strerror(38))

    monkeypatch.setattr("har_edge.locks.fcntl.flock", refuse)
    (tmp_path / "a").touch()
    with abandoned(tmp_path / "a") as nobodys:
        assert not nobodys
