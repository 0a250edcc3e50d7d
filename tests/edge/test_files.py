"""Files that are whole or not there."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from har_edge.errors import OutputError
from har_edge.files import check_writable, open_whole, whole_path, write_whole
from tests.support.full_disk import fill_disk

TEXT = "grün"


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize(
    "content", ["gr\u00fcn", "gr\u00fcn".encode(), memoryview("gr\u00fcn".encode())]
)
def test_content(tmp_path: Path, content: str | bytes | memoryview) -> None:
    write_whole(tmp_path / "a.txt", content)
    assert (tmp_path / "a.txt").read_text(encoding="utf-8") == TEXT
    write_whole(tmp_path / "a.txt", "new", sync=False)
    assert (tmp_path / "a.txt").read_text(encoding="utf-8") == "new"
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]


def test_mode_is_the_users_own_choice(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write_whole(tmp_path / "new", "")
    finally:
        os.umask(before)
    assert mode(tmp_path / "new") == 0o640
    (tmp_path / "new").chmod(0o604)
    write_whole(tmp_path / "new", "")
    assert mode(tmp_path / "new") == 0o604
    with whole_path(tmp_path / "new") as partial:
        partial.write_text("x", encoding="utf-8")
    assert mode(tmp_path / "new") == 0o604


def test_private(tmp_path: Path) -> None:
    (tmp_path / "key").touch(0o644)
    with open_whole(tmp_path / "key", private=True) as file:
        (partial,) = tmp_path.glob(".key.*.partial")
        assert mode(partial) == 0o600
        file.write(b"x")
    assert mode(tmp_path / "key") == 0o600
    (tmp_path / "key").chmod(0o644)
    with whole_path(tmp_path / "key", private=True) as partial:
        assert mode(partial) == 0o600
        partial.write_text("x", encoding="utf-8")
    assert mode(tmp_path / "key") == 0o600


def test_link_is_replaced_and_not_followed(tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_text("of somebody else", encoding="utf-8")
    other.chmod(0o666)
    link = tmp_path / "link"
    link.symlink_to(other)
    write_whole(link, "mine", private=True)
    assert not link.is_symlink()
    assert other.read_text(encoding="utf-8") == "of somebody else"
    assert mode(link) == 0o600


def test_nobody_sees_half_of_it(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_text("old", encoding="utf-8")
    with open_whole(path) as file:
        file.write(b"new")
        file.flush()
        assert path.read_text(encoding="utf-8") == "old"
    assert path.read_text(encoding="utf-8") == "new"
    with whole_path(path) as partial:
        assert partial.parent == tmp_path
        assert partial.suffix == ".png"
        partial.unlink()  # some writers put a new file there
        partial.write_text("newer", encoding="utf-8")
        assert path.read_text(encoding="utf-8") == "new"
    assert path.read_text(encoding="utf-8") == "newer"


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_error_leaves_the_old_file(tmp_path: Path, error: type[BaseException]) -> None:
    path = tmp_path / "a"
    path.write_text("old", encoding="utf-8")
    with pytest.raises(error), open_whole(path) as file:
        file.write(b"half")
        raise error
    with pytest.raises(error), whole_path(path) as partial:
        partial.write_text("half", encoding="utf-8")
        raise error
    assert path.read_text(encoding="utf-8") == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["a"]


def test_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a"
    write_whole(path, "old")
    fill_disk(monkeypatch)
    with pytest.raises(OutputError) as error:
        write_whole(path, "new", advice="Give another --out.")
    message = f"{path} cannot be written: No space left on device. Give another --out."
    assert str(error.value) == message
    assert path.read_text(encoding="utf-8") == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["a"]


def test_folders(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "c"
    with pytest.raises(OutputError, match=r"cannot be written: No such file or directory\. Make"):
        write_whole(path, "")
    write_whole(path, "", parents=True)
    assert path.is_file()
    with pytest.raises(OutputError, match="cannot be written: Is a directory"):
        write_whole(tmp_path / "a", "")
    with pytest.raises(OutputError, match="cannot be written: File exists"):
        write_whole(path / "d", "", parents=True)
    assert [p.name for p in tmp_path.rglob("*")] == ["a", "b", "c"]


def test_name_as_long_as_names_may_be(tmp_path: Path) -> None:
    write_whole(tmp_path / ("\u20ac" * 85), "x")
    with whole_path(tmp_path / ("n" * 251 + ".txt")) as partial:
        partial.write_text("x", encoding="utf-8")


def test_whether_a_file_can_be_written_is_found_out_before(tmp_path: Path) -> None:
    check_writable(tmp_path / "new.npz")
    check_writable(tmp_path / "deep" / "er" / "new.npz", parents=True)
    assert list(tmp_path.iterdir()) == []
    old = tmp_path / "old.npz"
    old.write_text("kept")
    check_writable(old)
    assert old.read_text() == "kept"
    for path in (tmp_path, tmp_path / "gone" / "new.npz", old / "new.npz"):
        with pytest.raises(OutputError, match=r"cannot be written: .*\. Elsewhere\."):
            check_writable(path, advice="Elsewhere.")
