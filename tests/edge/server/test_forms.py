"""Forms as clients send them, whole and in pieces, and as they should not."""

from __future__ import annotations

import os

import pytest

pytest.importorskip("fastapi", reason="needs the extra serve")

from har_edge.server.forms import HEADERS_BYTES, MAX_PARTS, MEMORY_BYTES, FormFile
from har_edge.server.problems import ProblemError

KIND = "multipart/form-data; boundary=abc"
CONTENT = b"\r\n--ab\r\n--abd \0\xff\r\n\r\n--a"  # nearly a boundary, again and again
TEXT = b'Content-Disposition: form-data; name="note"\r\n\r\nhello'


def part(content: bytes, name: bytes = b"file", file: bytes = b'; filename="a.jpg"') -> bytes:
    head = b'Content-Disposition: form-data; name="' + name + b'"' + file
    return head + b"\r\nContent-Type: image/jpeg\r\n\r\n" + content


def body(*parts: bytes) -> bytes:
    return b"".join(b"--abc\r\n" + each + b"\r\n" for each in parts) + b"--abc--\r\n"


def read(whole: bytes, step: int | None = None, kind: str = KIND) -> tuple[bytes, bool]:
    """Feed a body in pieces; the file's bytes, and whether it was there to its end."""
    with FormFile(kind) as form:
        size = step or len(whole) or 1
        for start in range(0, len(whole), size):
            form.feed(whole[start : start + size])
        form.file.seek(0)
        found = form.file.read()
        assert len(found) == form.size_bytes
        return found, form.complete


@pytest.mark.parametrize("step", [None, 1, 2, 3, 5, 7, 11, 64])
@pytest.mark.parametrize(
    "whole",
    [
        body(part(CONTENT)),
        body(TEXT, part(CONTENT)),
        body(part(CONTENT), TEXT),
        b"\r\n" + body(part(CONTENT)) + b"an epilogue",
        body(part(CONTENT)).replace(b"Content-Disposition", b"content-DISPOSITION"),
    ],
    ids=["alone", "after-text", "before-text", "with-epilogue", "odd-case"],
)
def test_the_file_is_found_wherever_a_body_is_cut(whole: bytes, step: int | None) -> None:
    assert read(whole, step) == (CONTENT, True)


def test_boundaries_may_be_quoted() -> None:
    kind = 'Multipart/Form-Data; charset=utf-8; boundary="abc"'
    assert read(body(part(CONTENT)), kind=kind) == (CONTENT, True)


@pytest.mark.parametrize(
    "whole",
    [
        b"",
        b"--abc--\r\n",
        body(TEXT),
        body(part(CONTENT, file=b"")),
        body(part(CONTENT, file=b"; filename*=utf-8''a.jpg")),
        body(part(CONTENT, name=b"picture")),
        b"--abc--\r\n" + body(part(CONTENT)),
        b"--abc\r\n" + part(CONTENT),
        b"--abc\r\n" + part(CONTENT) + b"\r\n--ab",
        b"--abc\r\n" + part(CONTENT)[:40],
    ],
    ids=[
        "nothing",
        "no-parts",
        "text-alone",
        "no-file-name",
        "extended-file-name",
        "other-field",
        "after-the-end",
        "no-last-boundary",
        "half-a-boundary",
        "half-a-header",
    ],
)
def test_a_file_that_is_not_there_to_its_end_is_none(whole: bytes) -> None:
    assert not read(whole)[1]


def test_an_empty_file_is_one() -> None:
    assert read(body(part(b""))) == (b"", True)


@pytest.mark.parametrize(
    ("whole", "wanted"),
    [
        (b"no form at all", "parts"),
        (b"--abc\r\nno header\r\n\r\n\r\n--abc--", "parts"),
        (b"--abc\r\n: nameless\r\n\r\n\r\n--abc--", "parts"),
        (b"--abd\r\n" + part(CONTENT), "parts"),
        (body(b"Content-Type: image/jpeg\r\n\r\n" + CONTENT), "a name"),
        (body(b"Content-Disposition: form-data\r\n\r\n" + CONTENT), "a name"),
        (body(part(CONTENT), part(CONTENT)), "one file"),
        (body(part(CONTENT), part(CONTENT, name=b"other")), "one file"),
        (body(*[TEXT] * MAX_PARTS, part(CONTENT)), "at most 5 fields"),
        (body(b"X-Long: " + b"x" * HEADERS_BYTES + b"\r\n" + part(CONTENT)), "headers"),
        (body(*[b"X-Long: " + b"x" * 3000 + b"\r\n" + TEXT] * 4), "bytes of headers"),
    ],
)
@pytest.mark.parametrize("step", [None, 1])
def test_other_bodies_are_refused(whole: bytes, wanted: str, step: int | None) -> None:
    with pytest.raises(ProblemError, match=wanted) as error:
        read(whole, step)
    assert error.value.status_code == 400


@pytest.mark.parametrize(
    "kind", ["multipart/form-data", "multipart/form-data; boundary=", f"x; boundary={'x' * 999}"]
)
def test_types_without_a_usable_boundary_are_refused(kind: str) -> None:
    with pytest.raises(ProblemError, match="boundary") as error:
        FormFile(kind)
    assert error.value.status_code == 400


def test_large_files_go_to_the_disk_without_a_name() -> None:
    content = os.urandom(MEMORY_BYTES + 1)
    with FormFile(KIND) as form:
        whole, step = body(part(content)), 65_536
        on_disk = []
        for start in range(0, len(whole), step):
            piece = whole[start : start + step]
            on_disk.append(not form.fits_memory(piece))
            form.feed(piece)
        assert (on_disk[0], on_disk[-1]) == (False, True)
        assert os.fstat(form.file.fileno()).st_nlink == 0
        form.file.seek(0)
        assert form.file.read() == content
