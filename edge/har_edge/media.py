"""What a file is, by its first bytes; and which files of a folder are pictures and videos.

A name is believed in one case only: a folder may hold a hundred thousand files, so those with the
usual ending of a picture, a video or a label file are listed or passed over unopened. What pictures
and videos really are is seen when their turn comes. All other files are looked into.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from har_edge.counted import counted

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp"})
VIDEO_SUFFIXES = frozenset({".mp4", ".avi", ".mkv", ".mov", ".webm", ".m4v"})
# What lies beside them in datasets, a file for each.
TEXT_SUFFIXES = frozenset({".txt", ".json", ".xml", ".csv", ".yaml", ".yml", ".md", ".srt"})
# Enough for four packets of MPEG-TS, and the first page of Ogg.
HEAD_BYTES = 1024
# Files and folders that desktops, cameras' recorders and notebooks leave behind; as are all whose
# name begins with a dot.
_CLUTTER = frozenset({"@eadir", "#recycle", "__macosx", "$recycle.bin", "lost+found"}) | {
    "system volume information",
    "thumbs.db",
    "desktop.ini",
}

Role = Literal["picture", "video", "other"]


@dataclass(frozen=True)
class FileKind:
    """What a file is.

    Attributes:
        form: Its format: for pictures as Pillow calls it, for others in words for people.
        role: What it is to us. A container whose sound has no picture counts as a video: its first
            bytes do not tell, except where they say so (`sound` is `other`).
        animated: Whether it is a picture that moves, where its first bytes say so; a video to us.
    """

    form: str
    role: Role
    animated: bool = False

    def __str__(self) -> str:
        """The format, for people."""
        return {"WEBP": "WebP", "HEIF": "HEIC"}.get(self.form, self.form)


@dataclass
class Skipped:
    """What was passed over in folders.

    Attributes:
        kinds: How many files there were of each kind.
        folders: Names of folders that were not entered.
    """

    kinds: Counter[str] = field(default_factory=Counter)
    folders: set[str] = field(default_factory=set)

    def __str__(self) -> str:
        """One line for people, or "".

        Example:
            >>> str(Skipped(Counter({"text": 2, "PDF": 1}), {"@eaDir"}))
            'Skipped 3 files: 2 text, 1 PDF; and what is in @eaDir'
        """
        count = self.kinds.total()
        found = ", ".join(f"{number} {kind}" for kind, number in self.kinds.most_common())
        files = f"{counted(count, 'file')}: {found}" if count else ""
        names = [name.encode("utf-8", "backslashreplace").decode() for name in self.folders]
        folders = f"what is in {', '.join(sorted(names))}" if names else ""
        both = "; and ".join(filter(None, (files, folders)))
        return f"Skipped {both}" if both else ""


# First bytes; then bytes further on, with their place. Source: WHATWG MIME Sniffing, 6.1 and 6.2;
# the formats' own specifications.
_SIGNATURES: tuple[tuple[bytes, int, bytes, str, Role], ...] = (
    (b"\xff\xd8\xff", 0, b"", "JPEG", "picture"),
    (b"\x89PNG\r\n\x1a\n", 0, b"", "PNG", "picture"),
    (b"RIFF", 8, b"WEBP", "WEBP", "picture"),
    (b"RIFF", 8, b"AVI ", "AVI", "video"),
    (b"RIFF", 8, b"WAVE", "sound", "other"),
    (b"GIF87a", 0, b"", "GIF", "video"),
    (b"GIF89a", 0, b"", "GIF", "video"),
    (b"\x1a\x45\xdf\xa3", 0, b"", "MKV", "video"),
    (b"", 4, b"moov", "MP4", "video"),
    (b"", 4, b"mdat", "MP4", "video"),
    (b"", 4, b"wide", "MP4", "video"),
    (b"", 4, b"pnot", "MP4", "video"),
    (b"FLV\x01", 0, b"", "FLV", "video"),
    (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", 0, b"", "WMV", "video"),
    (b"\0\0\x01\xba", 0, b"", "MPEG-PS", "video"),
    (b"\0\0\x01\xb3", 0, b"", "MPEG video", "video"),
    (b"DKIF", 0, b"", "IVF", "video"),
    (b"YUV4MPEG2 ", 0, b"", "Y4M", "video"),
    (b"\x06\x0e\x2b\x34", 0, b"", "MXF", "video"),
    (b"ID3", 0, b"", "sound", "other"),
    (b"fLaC", 0, b"", "sound", "other"),
    (b"#!AMR", 0, b"", "sound", "other"),
    (b"FORM", 8, b"AIFF", "sound", "other"),
    (b"%PDF-", 0, b"", "PDF", "other"),
    (b"PK\x03\x04", 0, b"", "archive", "other"),
    (b"\x1f\x8b", 0, b"", "archive", "other"),
    (b"7z\xbc\xaf", 0, b"", "archive", "other"),
    (b"Rar!", 0, b"", "archive", "other"),
    (b"BZh", 0, b"", "archive", "other"),
    (b"\xfd7zXZ", 0, b"", "archive", "other"),
    (b"\x28\xb5\x2f\xfd", 0, b"", "archive", "other"),
    (b"II*\0", 0, b"", "TIFF or raw photo", "other"),
    (b"MM\0*", 0, b"", "TIFF or raw photo", "other"),
    (b"8BPS", 0, b"", "Photoshop", "other"),
    (b"\xff\x0a", 0, b"", "JPEG XL", "other"),
    (b"\0\0\0\x0cJXL ", 0, b"", "JPEG XL", "other"),
    (b"\x7fELF", 0, b"", "program", "other"),
    (b"MZ", 0, b"", "program", "other"),
    (b"SQLite format 3\0", 0, b"", "database", "other"),
    (b"\x93NUMPY", 0, b"", "array", "other"),
    (b"\x89HDF", 0, b"", "array", "other"),
)
# Of ISO base media; all other brands are videos.
_PICTURE_BRANDS = {
    **dict.fromkeys((b"avif", b"avis"), "AVIF"),
    **dict.fromkeys((b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1"), "HEIF"),
}
_SOUND_BRANDS = frozenset({b"M4A ", b"M4B ", b"F4A ", b"F4B "})
# Start code, then the head of a parameter set or a delimiter. Source: H.264 7.3.1, H.265 7.3.1.
_RAW_STREAM = (
    rb"\0?\0\0\x01(?:[\x27\x47\x67]|\x09[\x10\x30\x50\x70\x90\xb0\xd0\xf0]|[\x40\x42\x46]\x01)"
)
_NO_CONTROLS = bytes((*b"\t\n\r\f\x1b", *range(32, 127), *range(128, 256)))
_MP3_FRAME = rb"\xff[\xe2-\xef\xf2-\xf7\xfa-\xff]"


def kind_of(head: bytes) -> FileKind:
    """Tell what a file is by its first `HEAD_BYTES` bytes, or fewer if it is shorter.

    Example:
        >>> print(kind_of(b"\\xff\\xd8\\xff\\xe0"), kind_of(b"%PDF-1.7"), kind_of(b"walking"))
        JPEG PDF text
    """
    if not head:
        return FileKind("empty", "other")
    if head[4:8] == b"ftyp":
        return _brand_kind(head)
    return _signed_kind(head) or _stream_kind(head) or _plain_kind(head)


def _signed_kind(head: bytes) -> FileKind | None:
    for start, place, mark, form, role in _SIGNATURES:
        if head.startswith(start) and head.startswith(mark, place):
            moves = _is_animated(head, form)
            return FileKind(form, "video" if moves else role, animated=moves)
    return None


def _stream_kind(head: bytes) -> FileKind | None:
    if head.startswith(b"OggS"):
        is_video = any(codec in head for codec in (b"theora", b"OVP80", b"BBCD", b"video\0"))
        return FileKind("Ogg", "video") if is_video else FileKind("sound", "other")
    if _is_transport_stream(head):
        return FileKind("MPEG-TS", "video")
    if re.match(_RAW_STREAM, head):
        return FileKind("H.264 or HEVC", "video")
    return None


def _plain_kind(head: bytes) -> FileKind:
    if _is_text(head):
        return FileKind("SVG" if re.search(rb"<svg[\s>]", head) else "text", "other")
    if head.startswith(b"BM"):
        return FileKind("BMP", "picture")
    return FileKind("sound" if re.match(_MP3_FRAME, head) else "unknown", "other")


def _brand_kind(head: bytes) -> FileKind:
    brand = head[8:12]
    if brand == b"msf1":  # a sequence: which codec, the compatible brands say
        return FileKind("AVIF" if b"avis" in head[:64] else "HEIF", "video", animated=True)
    if brand in _PICTURE_BRANDS:
        form = "AVIF" if brand == b"mif1" and b"avif" in head[:64] else _PICTURE_BRANDS[brand]
        moves = brand in (b"avis", b"hevc", b"hevx")
        return FileKind(form, "video" if moves else "picture", animated=moves)
    if brand in _SOUND_BRANDS:
        return FileKind("sound", "other")
    if brand == b"crx ":
        return FileKind("TIFF or raw photo", "other")
    return FileKind("MP4", "video")


def _is_animated(head: bytes, form: str) -> bool:
    if form == "PNG":  # the chunk stands before the pixels, by the specification
        return b"acTL" in head.partition(b"IDAT")[0]
    return form == "WEBP" and head[12:16] == b"VP8X" and len(head) > 20 and bool(head[20] & 2)


def _is_transport_stream(head: bytes) -> bool:
    """Packets of 188 bytes, with a time before (192) or a check behind (204), begin with 0x47."""
    for first, length in ((0, 188), (4, 192), (0, 204)):
        starts = head[first::length]
        if len(starts) >= 2 and set(starts) == {0x47}:
            return True
    return False


def _is_text(head: bytes) -> bool:
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):  # UTF-16 with its mark
        return True
    if head.translate(None, _NO_CONTROLS):
        return False
    # A character may be cut at the end; old encodings have bytes that are no UTF-8.
    count = len(head.decode("utf-8", "ignore").encode())
    return count > len(head) / 2 and count >= len(head) * 0.9 - 3


def read_kind(path: str | os.PathLike[str]) -> FileKind:
    """Look into a file.

    Raises:
        OSError: if it cannot be read.
    """
    with open(path, "rb", buffering=0) as file:  # noqa: PTH123 - many files, a third of the time
        return kind_of(file.read(HEAD_BYTES))


def is_video(path: str | os.PathLike[str]) -> bool:
    """Whether a file is a video, by its content; by its name if it cannot be read."""
    try:
        kind = read_kind(path)
    except OSError:
        return Path(path).suffix.lower() in VIDEO_SUFFIXES
    if kind.role == "other":  # damaged: what it was meant to be says who called it so
        return Path(path).suffix.lower() in VIDEO_SUFFIXES
    return kind.role == "video"


def is_clutter(name: str) -> bool:
    """Whether a file or folder of this name is hidden, trash or a program's own.

    Example:
        >>> [is_clutter(name) for name in (".Trash-1000", "@eaDir", "__MACOSX", "sitting")]
        [True, True, True, False]
    """
    return name.startswith(".") or name.lower() in _CLUTTER


def is_media(path: Path, skipped: Skipped | None = None) -> bool:
    """Whether a path is a file that is a still or a video; hidden files are not.

    Args:
        path: The file. With one of the usual endings it is not opened.
        skipped: Takes the kind of a file that is neither.
    """
    if is_clutter(path.name) or not path.is_file():
        return False
    suffix = path.suffix.lower()
    if suffix in IMAGE_SUFFIXES or suffix in VIDEO_SUFFIXES:
        return True
    kind = FileKind("text", "other") if suffix in TEXT_SUFFIXES else _kind_if_readable(path)
    if kind.role == "other" and skipped is not None:
        skipped.kinds[str(kind)] += 1
    return kind.role != "other"


def _kind_if_readable(path: Path) -> FileKind:
    try:
        return read_kind(path)
    except OSError:
        return FileKind("unreadable", "other")


def find_media(folder: Path, skipped: Skipped | None = None) -> list[Path]:
    """List the stills and videos in and below a folder, by name; see `is_media`.

    Args:
        folder: Where to look. Hidden folders and those of `is_clutter` below it are not entered.
        skipped: Takes what was passed over.
    """
    return [path for path in list_files(folder, skipped) if is_media(path, skipped)]


def list_files(folder: Path, skipped: Skipped | None = None) -> list[Path]:
    """List all files that may be data in and below a folder, by name; see `find_media`."""
    found = []
    for parent, folders, files in os.walk(folder):
        found += [Path(parent, name) for name in files if not is_clutter(name)]
        folders[:] = without_clutter(folders, skipped)
    return sorted(found)


def without_clutter(names: Iterable[str], skipped: Skipped | None = None) -> list[str]:
    """Leave out the names of folders that hold no data; see `is_clutter`."""
    kept = []
    for name in names:
        if not is_clutter(name):
            kept.append(name)
        elif skipped is not None:
            skipped.folders.add(name)
    return kept
