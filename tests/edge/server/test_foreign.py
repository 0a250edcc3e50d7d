"""Files of two kinds at once are told from plain ones, whatever their pixels spell."""

from __future__ import annotations

import io
import os
import random
from pathlib import Path

import pytest
from PIL import Image

from har_edge.media import read_kind
from har_edge.server.foreign import is_two_faced
from har_edge.server.parts import MAX_PARTS, parts_beside_pixels

PHOTOS = Path(os.environ.get("HAR_DATA", "data")) / "har15" / "train"
PAGE = b"<!DOCTYPE html><html><script>alert(1)</script></html>"


def two_faced(data: bytes, form: str) -> bool:
    return is_two_faced(io.BytesIO(data), len(data), form)


@pytest.mark.skipif(not PHOTOS.is_dir(), reason="needs the shared data")
def test_no_photo_of_our_data_is_two_faced() -> None:
    refused = []
    for path in sorted(PHOTOS.iterdir()):
        with path.open("rb") as file:
            if is_two_faced(file, path.stat().st_size, read_kind(path).form):
                refused.append(path.name)
    assert refused == []


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "BMP"])
def test_pictures_of_noise_are_plain_and_a_page_behind_them_is_not(form: str) -> None:
    pixels = random.Random(1).randbytes(3 * 128 * 128)
    packed = io.BytesIO()
    Image.frombytes("RGB", (128, 128), pixels).save(packed, form)
    assert not two_faced(packed.getvalue(), form)
    assert two_faced(packed.getvalue() + PAGE, form)


def element(name: bytes, content: bytes) -> bytes:
    """A part of Matroska; its length takes four bytes."""
    return name + (0x10000000 | len(content)).to_bytes(4, "big") + content


def test_pixels_of_a_matroska_file_may_spell_anything_but_its_attachments_may_not() -> None:
    header = element(b"\x1a\x45\xdf\xa3", b"webm")
    for name, expected in ((b"\x1f\x43\xb6\x75", False), (b"\x19\x41\xa4\x69", True)):
        data = header + element(b"\x18\x53\x80\x67", element(name, PAGE))
        assert two_faced(data, "MKV") is expected
        assert two_faced(data + PAGE, "MKV")


def test_media_data_of_mp4_and_avi_may_spell_anything() -> None:
    def box(name: bytes) -> bytes:
        return (8 + len(PAGE)).to_bytes(4, "big") + name + PAGE

    assert not two_faced(box(b"mdat"), "MP4")
    assert two_faced(box(b"free"), "MP4")
    frames = b"LIST" + (4 + len(PAGE) + len(PAGE) % 2).to_bytes(4, "little") + b"movi" + PAGE
    frames += bytes(len(PAGE) % 2)
    avi = b"RIFF" + (4 + len(frames)).to_bytes(4, "little") + b"AVI " + frames
    assert not two_faced(avi, "AVI")
    assert two_faced(avi + PAGE, "AVI")


def test_millions_of_parts_cost_little() -> None:
    chunks = b"\x89PNG\r\n\x1a\n" + bytes(4) + b"tEXt" + bytes(4)
    data = chunks + (bytes(4) + b"tEXt" + bytes(4)) * (3 * MAX_PARTS) + PAGE
    assert len(list(parts_beside_pixels(io.BytesIO(data), len(data), "PNG"))) < MAX_PARTS + 5
    assert two_faced(data, "PNG")


def box(name: bytes, content: bytes) -> bytes:
    return (8 + len(content)).to_bytes(4, "big") + name + content


def photo_of(*items: tuple[bytes, bytes], idat: bytes = b"") -> bytes:
    """A file of HEIF whose items, of a type and with a content each, lie in one `mdat`."""
    entries, places, media, position = b"", b"", b"", 0

    def head() -> bytes:
        count = len(items).to_bytes(2, "big")
        iinf = box(b"iinf", bytes(4) + count + entries)
        iloc = box(b"iloc", bytes(4) + b"\x44\0" + count + places)
        meta = box(b"meta", bytes(4) + iinf + iloc + box(b"idat", idat))
        return box(b"ftyp", b"heic" + bytes(4) + b"mif1") + meta

    for start in (0, None):  # the second time, it is known where `mdat` lies
        position = position if start is None else 0
        entries, places, media = b"", b"", b""
        for number, (kind, content) in enumerate(items, 1):
            entries += box(b"infe", b"\x02\0\0\0" + number.to_bytes(2, "big") + bytes(2) + kind)
            place = (position + len(media)).to_bytes(4, "big") + len(content).to_bytes(4, "big")
            places += number.to_bytes(2, "big") + bytes(2) + b"\0\x01" + place
            media += content
        position = len(head()) + 8
    return head() + box(b"mdat", media)


@pytest.mark.parametrize("form", ["AVIF", "HEIF"])
def test_tiles_of_a_photo_may_spell_anything_but_its_notes_may_not(form: str) -> None:
    tiles = [(b"hvc1", PAGE), (b"av01", b"<svg >"), (b"grid", bytes(8))]
    assert not two_faced(photo_of(*tiles), form)
    assert two_faced(photo_of(*tiles) + PAGE, form)
    assert two_faced(photo_of(*tiles, (b"Exif", PAGE)), form)
    assert two_faced(photo_of((b"mime", PAGE), *tiles), form)
    assert two_faced(photo_of(*tiles, idat=PAGE), form)
    assert two_faced(photo_of()[:-8] + box(b"mdat", PAGE), form)  # no item says that it holds it


@pytest.mark.parametrize("form", ["AVIF", "HEIF"])
def test_samples_of_a_sequence_may_spell_anything(form: str) -> None:
    sequence = box(b"ftyp", b"avis" + bytes(4)) + box(b"moov", bytes(8)) + box(b"mdat", PAGE)
    assert not two_faced(sequence, form)
    assert two_faced(sequence + box(b"free", PAGE), form)


def test_pictures_of_a_gif_may_spell_anything_but_its_notes_may_not() -> None:
    def note(label: bytes) -> bytes:
        return b"!" + label + bytes([len(PAGE)]) + PAGE + b"\0"

    head = b"GIF89a" + bytes([8, 0, 8, 0, 0x80, 0, 0]) + bytes(6)
    picture = b"," + bytes(8) + b"\0\x02" + bytes([len(PAGE)]) + PAGE + b"\0"
    assert not two_faced(head + picture + picture + b";", "GIF")
    assert two_faced(head + picture + b";" + PAGE, "GIF")
    assert two_faced(head + note(b"\xfe") + picture + b";", "GIF")
    assert two_faced(head + note(b"\xff") + picture + b";", "GIF")


FORMS = ["JPEG", "PNG", "WEBP", "BMP", "MP4", "MKV", "AVI", "AVIF", "HEIF", "GIF"]


@pytest.mark.parametrize("form", FORMS)
def test_any_bytes_can_be_walked_through(form: str) -> None:
    chance = random.Random(2)
    for length in (0, 1, 11, 12, 60, 5000):
        data = chance.randbytes(length)
        for each in (data, photo_of((b"Exif", data), (b"hvc1", data)), data[:8] + b"meta" + data):
            assert all(
                0 <= start <= end <= len(each)
                for start, end in parts_beside_pixels(io.BytesIO(each), len(each), form)
            )
