"""Files are known by their content; in folders, the usual endings are believed."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from PIL import Image

from har_edge import media
from har_edge.media import (
    FileKind,
    Role,
    Skipped,
    find_media,
    is_clutter,
    is_media,
    is_video,
    kind_of,
    read_kind,
    without_clutter,
)
from har_edge.paths import sample_path


@pytest.mark.parametrize(
    ("name", "expected"),
    [("a.JPG", True), ("b.mp4", True), ("notes.txt", False), (".hidden.jpg", False), ("c", False)],
)
def test_files_are_known_by_their_endings(name: str, expected: bool, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(b"1")
    assert is_media(tmp_path / name) is expected


def test_only_files_count(tmp_path: Path) -> None:
    (tmp_path / "folder.jpg").mkdir()
    assert not is_media(tmp_path / "folder.jpg")
    assert not is_media(tmp_path / "gone.jpg")


def ftyp(brand: bytes, *compatible: bytes) -> bytes:
    content = brand + bytes(4) + b"".join(compatible)
    return (8 + len(content)).to_bytes(4, "big") + b"ftyp" + content


PACKET = b"\x47" + bytes(187)


@pytest.mark.parametrize(
    ("head", "form", "role"),
    [
        (b"\xff\xd8\xff\xe1", "JPEG", "picture"),
        (b"\x89PNG\r\n\x1a\n", "PNG", "picture"),
        (b"RIFF\0\0\0\0WEBPVP8 ", "WEBP", "picture"),
        (b"BM\x36\xf4\1\0\0\0\0\0\x36", "BMP", "picture"),
        (ftyp(b"avif"), "AVIF", "picture"),
        (ftyp(b"mif1", b"avif"), "AVIF", "picture"),
        (ftyp(b"heic"), "HEIF", "picture"),
        (b"GIF89a", "GIF", "video"),
        (ftyp(b"isom"), "MP4", "video"),
        (ftyp(b"qt  "), "MP4", "video"),
        (ftyp(b"3gp5"), "MP4", "video"),
        (b"\0\0\0\x08wide\0\0\0\0mdat", "MP4", "video"),
        (b"\x1a\x45\xdf\xa3", "MKV", "video"),
        (b"RIFF\0\0\0\0AVI LIST", "AVI", "video"),
        (PACKET * 3, "MPEG-TS", "video"),
        ((bytes(4) + PACKET) * 3, "MPEG-TS", "video"),
        ((PACKET + bytes(16)) * 3, "MPEG-TS", "video"),
        (b"\0\0\x01\xba\x44", "MPEG-PS", "video"),
        (b"\0\0\x01\xb3\x14", "MPEG video", "video"),
        (b"FLV\x01\x05", "FLV", "video"),
        (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11\xa6\xd9", "WMV", "video"),
        (b"OggS\0\2" + bytes(22) + b"\x80theora", "Ogg", "video"),
        (b"OggS\0\2" + bytes(22) + b"OpusHead", "sound", "other"),
        (b"\0\0\0\x01\x67\x64", "H.264 or HEVC", "video"),
        (b"\0\0\0\x01\x40\x01\x0c", "H.264 or HEVC", "video"),
        (ftyp(b"M4A "), "sound", "other"),
        (b"RIFF\0\0\0\0WAVEfmt ", "sound", "other"),
        (b"ID3\4", "sound", "other"),
        (b"\xff\xfb\x90\x64\0", "sound", "other"),
        (b"%PDF-1.7", "PDF", "other"),
        (b"PK\x03\x04", "archive", "other"),
        (b"II*\0", "TIFF or raw photo", "other"),
        (b"BM is an English abbreviation", "text", "other"),
        ("grüße".encode(), "text", "other"),
        ("grüße".encode()[:3], "text", "other"),
        ("gr\u00fc\u00dfe, a little longer".encode("utf-16"), "text", "other"),
        (b'<?xml version="1.0"?><svg xmlns="x">', "SVG", "other"),
        (b"version https://git-lfs.github.com/spec/v1\n", "text", "other"),
        (b"", "empty", "other"),
        (b"\0\1\2\3\4", "unknown", "other"),
    ],
)
def test_what_a_file_is_its_first_bytes_say(head: bytes, form: str, role: str) -> None:
    found = kind_of(head)
    assert (found.form, found.role) == (form, role)


@pytest.mark.parametrize("form", ["WEBP", "PNG"])
def test_pictures_that_move_are_told_from_stills(form: str) -> None:
    frames = [Image.new("RGB", (16, 16), colour) for colour in ("red", "blue")]
    for count in (1, 2):
        packed = io.BytesIO()
        frames[0].save(packed, form, save_all=True, append_images=frames[1:count])
        role: Role = "video" if count > 1 else "picture"
        assert kind_of(packed.getvalue()[:1024]) == FileKind(form, role, animated=count > 1)


def test_a_name_does_not_make_a_file_what_it_is_not(tmp_path: Path) -> None:
    clip, photo = tmp_path / "photo.jpg", tmp_path / "saved-by-a-browser.jfif"
    clip.write_bytes(sample_path("falling.mp4").read_bytes())
    photo.write_bytes(sample_path("lying.jpg").read_bytes())
    assert is_video(clip) and not is_video(photo)
    assert is_media(photo)
    assert read_kind(photo).form == "JPEG"
    # Of what is missing or damaged the name is all that there is.
    assert is_video("gone.mp4") and not is_video("gone.jpg")


def test_what_is_passed_over_is_counted_by_kind(tmp_path: Path) -> None:
    for name, content in (
        ("a.jpg", b"\xff\xd8\xff"),
        ("b", b"\xff\xd8\xff"),
        ("notes.txt", b"notes"),
        ("more.csv", b"a,b"),
        ("paper", b"%PDF-1.7"),
        (".hidden.jpg", b"\xff\xd8\xff"),
        ("Thumbs.db", b"\0"),
        (".Trash-1000/files/c.jpg", b"\xff\xd8\xff"),
        ("sub/@eaDir/d.jpg", b"\xff\xd8\xff"),
        ("__MACOSX/e.jpg", b"\xff\xd8\xff"),
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(content)
    skipped = Skipped()
    assert [p.name for p in find_media(tmp_path, skipped)] == ["a.jpg", "b"]
    assert str(skipped) == (
        "Skipped 3 files: 2 text, 1 PDF; and what is in .Trash-1000, @eaDir, __MACOSX"
    )
    assert str(Skipped()) == ""


@pytest.mark.parametrize(
    "name",
    [".ipynb_checkpoints", ".Trash-1000", "$RECYCLE.BIN", "lost+found", "@eaDir", "__MACOSX"],
)
def test_folders_that_programs_leave_behind_hold_no_data(name: str) -> None:
    assert is_clutter(name)
    assert without_clutter(["sitting", name]) == ["sitting"]


def test_files_with_the_usual_endings_are_listed_unopened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a start would take long where a hundred thousand lie on a slow disk."""
    for number in range(3):
        (tmp_path / f"{number}.jpg").write_bytes(b"")
        (tmp_path / f"{number}.txt").write_bytes(b"")
    monkeypatch.setattr(media, "read_kind", pytest.fail)
    assert len(find_media(tmp_path)) == 3
