"""One uploaded file: read within limits, and known by its content, never by its name."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import IO

import anyio
from fastapi import Request
from starlette.types import Receive

from har_edge.config import RequestLimits
from har_edge.frames.decode import lacks_reader
from har_edge.media import HEAD_BYTES, Role, kind_of
from har_edge.server.foreign import is_two_faced
from har_edge.server.forms import FIELD, FormFile
from har_edge.server.messages import Kind, Upload
from har_edge.server.problems import ProblemError

# So much of a refused body is still read, for clients that listen only after they have spoken.
LINGER_BYTES = 2**20
LINGER_S = 1.0
# A form holds one file; what surrounds it is a few hundred bytes.
FORM_BYTES = 16 * 1024

# Enough for any number that is not too large anyway.
LENGTH_DIGITS = 20

KINDS: dict[Role, Kind] = {"picture": "image", "video": "clip"}
# Pictures by Pillow's names; clips whose frames and length can be checked before they are decoded.
FORMATS = frozenset(
    {"JPEG", "PNG", "WEBP", "BMP", "AVIF", "HEIF", "GIF"}
    | {"MP4", "MKV", "AVI", "MPEG-TS", "MPEG-PS", "FLV", "WMV"}
)
# Larger files are looked through beside the event loop.
LARGE_BYTES = 256 * 1024


@asynccontextmanager
async def receive_upload(request: Request, limits: RequestLimits) -> AsyncGenerator[Upload, None]:
    """Read the field `file` of a form.

    Raises:
        ProblemError: 408 if it takes too long, 413 if it is too large, 415 if it is no form or no
            file of a known kind, 422 if the field is missing or the file empty or two-faced, 507 if
            there is no room for it.
    """
    content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if content_type != "multipart/form-data":
        await refuse(
            request,
            415,
            f"Expected multipart/form-data with a field 'file'. Received "
            f"{content_type[:80] or 'no content type'}. Try: curl -F file=@photo.jpg URL/predict",
        )
    stated = request.headers.get("content-length", "0")
    if (
        int(stated[:LENGTH_DIGITS] if stated.isdecimal() else 0)
        > limits.max_upload_bytes + FORM_BYTES
    ):
        await refuse(request, 413, _too_large(limits))
    with FormFile(request.headers["content-type"]) as form:
        try:
            with anyio.fail_after(limits.upload_timeout_s):
                await _read(request.receive, form, limits)
        except TimeoutError:
            raise ProblemError(
                408,
                f"The upload should arrive within {limits.upload_timeout_s:g} s. It did not. "
                "Send a smaller file, or raise --upload-timeout.",
                headers={"Connection": "close"},
            ) from None
        except OSError as error:  # the disk is full, or there is none to write on
            await refuse(
                request,
                507,
                f"The server should have room for the upload. It has not: {error.strerror}. Send "
                "a smaller file, or free some disk space.",
            )
        if not form.complete:
            raise ProblemError(
                422,
                f"The form should have a file in the field '{FIELD}'. Received none. "
                "Try: curl -F file=@photo.jpg URL/predict",
            )
        if form.size_bytes > LARGE_BYTES:
            yield await anyio.to_thread.run_sync(_examine, form.file, form.size_bytes)
        else:
            yield _examine(form.file, form.size_bytes)


async def _read(receive: Receive, form: FormFile, limits: RequestLimits) -> None:
    """Read a body to its end, and count its bytes as they come, whatever its header said."""
    received, more = 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            # Nobody hears this; it is no failure of ours, and counted as what it is.
            raise ProblemError(400, "The upload broke off. Send it again.")
        piece: bytes = message.get("body", b"")
        received += len(piece)
        if received > limits.max_upload_bytes + FORM_BYTES:
            raise ProblemError(413, _too_large(limits), headers={"Connection": "close"})
        if form.fits_memory(piece):
            form.feed(piece)
        else:
            await anyio.to_thread.run_sync(form.feed, piece)
        more = message.get("more_body", False)


async def refuse(
    request: Request, status: int, detail: str, headers: dict[str, str] | None = None
) -> None:
    """Refuse a request whose body was not read; small bodies are read away first.

    Raises:
        ProblemError: always.
    """
    read = 0
    with anyio.move_on_after(LINGER_S):
        while read < LINGER_BYTES:
            message = await request.receive()
            read += len(message.get("body", b""))
            if not message.get("more_body"):
                raise ProblemError(status, detail, headers=headers)
    raise ProblemError(status, detail, headers={**(headers or {}), "Connection": "close"})


def _too_large(limits: RequestLimits) -> str:
    return (
        f"A file should have at most {limits.max_upload_bytes / 2**20:g} MiB. Received more. "
        "Send a smaller one, or raise --max-upload-mb."
    )


def _examine(file: IO[bytes], size_bytes: int) -> Upload:
    file.seek(0)
    head = file.read(HEAD_BYTES)
    if not head:
        raise ProblemError(422, "The file is empty (0 bytes). Send the picture or clip again.")
    found = kind_of(head)
    if found.form not in FORMATS:
        raise ProblemError(
            415,
            "Expected a picture (JPEG, PNG, WebP, BMP, AVIF, HEIC) or a clip (MP4, MOV, MKV, WebM, "
            "AVI, MPEG-TS, FLV, WMV, GIF). Received another kind of file; its content counts, not "
            "its name. Convert it.",
        )
    if found.role == "picture" and (missing := lacks_reader(found.form)):
        raise ProblemError(415, f"The picture {missing}, where the server runs")
    if is_two_faced(file, size_bytes, found.form):
        raise ProblemError(
            422,
            "Expected a plain picture or clip. Received one that is also another kind of file "
            "(a page, a script, a PDF or an archive). Save it again in an image or video "
            "editor.",
        )
    file.seek(0)
    return Upload(file, KINDS[found.role], found.form, size_bytes)
