"""Which files of watched folders are taken, and when."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from har_edge.errors import SourceError
from har_edge.media import Skipped, list_files
from har_edge.sources import watch
from har_edge.sources.watch import iter_new_files


class Looks:
    """Does something between one look at the folder and the next, then stops."""

    def __init__(self, *steps: Callable[[], object]) -> None:
        self._steps = list(steps)
        self.over = False

    def sleep(self, _: float) -> None:
        if self._steps:
            self._steps.pop(0)()
        else:
            self.over = True


def test_new_files_are_taken_once_they_are_complete(tmp_path: Path) -> None:
    growing, folder = tmp_path / "growing.mp4", tmp_path / "sub"
    (tmp_path / "old.jpg").write_bytes(b"1")

    def grow() -> None:
        with growing.open("ab") as file:
            file.write(b"more")

    looks = Looks(
        grow,
        grow,
        grow,
        lambda: None,
        lambda: (folder.mkdir(), (folder / "new.png").write_bytes(b"1")),
        lambda: (tmp_path / "notes.txt").write_text("no picture"),
        lambda: None,
    )
    names = iter_new_files([str(tmp_path)], lambda: looks.over, sleep=looks.sleep)
    assert [Path(name).name for name in names] == ["old.jpg", "growing.mp4", "new.png"]


def test_name_that_comes_again_is_taken_again(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(b"1")
    looks = Looks(
        lambda: None, path.unlink, lambda: path.write_bytes(b"2"), lambda: None, lambda: None
    )
    names = iter_new_files([str(tmp_path)], lambda: looks.over, sleep=looks.sleep)
    assert list(names) == [str(path)] * 2


def test_folder_to_watch_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no folder to watch"):
        next(iter_new_files([str(tmp_path / "gone")], lambda: False))


def test_folder_that_vanishes_during_a_look_ends_no_watch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.jpg").write_bytes(b"1")

    def vanish(folder: Path, skipped: object) -> object:
        monkeypatch.setattr(watch, "list_files", list_files)
        raise FileNotFoundError(2, "No such file or directory")

    looks = Looks(
        lambda: monkeypatch.setattr(watch, "list_files", vanish),
        lambda: (tmp_path / "b.jpg").write_bytes(b"1"),
        lambda: None,
        lambda: None,
    )
    names = iter_new_files([str(tmp_path)], lambda: looks.over, sleep=looks.sleep)
    assert [Path(name).name for name in names] == ["a.jpg", "b.jpg"]


def test_what_is_no_media_is_counted_once_and_trash_is_not_looked_at(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("notes")
    (tmp_path / "photo").write_bytes(b"\xff\xd8\xff")
    (tmp_path / ".Trash-1000").mkdir()
    (tmp_path / ".Trash-1000" / "old.jpg").write_bytes(b"1")
    looks = Looks(*[lambda: None] * 5)
    skipped = Skipped()
    names = iter_new_files([str(tmp_path)], lambda: looks.over, sleep=looks.sleep, skipped=skipped)
    assert [Path(name).name for name in names] == ["photo"]
    assert str(skipped) == "Skipped 1 file: 1 text; and what is in .Trash-1000"
