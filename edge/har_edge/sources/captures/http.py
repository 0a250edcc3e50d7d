"""What is read over HTTP: motion JPEG as it comes, other things once it is known what they are."""

from __future__ import annotations

import contextlib
from email.message import Message
from http.client import HTTPException, HTTPMessage, HTTPResponse
from typing import IO, Literal
from urllib.error import HTTPError
from urllib.parse import urljoin, urlsplit
from urllib.request import (
    BaseHandler,
    HTTPBasicAuthHandler,
    HTTPDigestAuthHandler,
    HTTPPasswordMgrWithDefaultRealm,
    Request,
    build_opener,
)
from urllib.response import addinfourl

from har_edge.arrays import Pixels
from har_edge.errors import SourceError
from har_edge.sources.captures.mjpeg import MAX_PICTURE_BYTES, Pictures, import_simplejpeg
from har_edge.sources.captures.network import TIMEOUT_S, Patience, refused
from har_edge.sources.urls import encoding_advice, redact, split_login

CHUNK_BYTES = 2**16
MAX_PLAYLIST_BYTES = 2**22


class HttpMjpegCapture:
    """Motion JPEG over HTTP."""

    finite = False
    caveat = ""

    def __init__(self, response: HTTPResponse, timeout_s: float = TIMEOUT_S) -> None:
        """Take an open response, of `open_url`.

        Raises:
            SourceError: if what decodes pictures is not installed.
        """
        import_simplejpeg()
        self._response = response
        self._name = redact(response.url)
        self._timeout_s = timeout_s
        self._pictures = Pictures()

    @property
    def corrupt(self) -> int:
        """Pictures that were cut off."""
        return self._pictures.corrupt

    def grab(self) -> bool:
        """Read until a picture is complete.

        Raises:
            SourceError: if the connection breaks, or gives nothing but damaged pictures.
        """
        patience = Patience(self._name, self._timeout_s)
        while not self._pictures.next():
            patience.check()
            try:
                data = self._response.read1(CHUNK_BYTES)
            except (OSError, HTTPException) as error:
                raise SourceError(f"{self._name} broke off: {error}.") from None
            if not data:
                return False
            self._pictures.feed(data)
        return True

    def retrieve(self) -> Pixels | None:
        """Decode the picture."""
        return self._pictures.decode()

    def close(self) -> None:
        """Disconnect."""
        self._response.close()


# Both are asked about each refusal. They answer once: cameras lock out who tries again and again.
class _Basic(HTTPBasicAuthHandler):
    def http_error_401(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage
    ) -> addinfourl | None:
        offered = " ".join(headers.get_all("WWW-Authenticate", [])).lower()
        if req.has_header("Authorization") or "basic" not in offered:
            return None
        return super().http_error_401(req, fp, code, msg, headers)


class _Digest(HTTPDigestAuthHandler):
    def http_error_401(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage
    ) -> addinfourl | None:
        if req.has_header("Authorization"):
            return None
        return super().http_error_401(req, fp, code, msg, headers)


def open_url(url: str, timeout_s: float = TIMEOUT_S) -> HTTPResponse:
    """Send a GET request; the response's body is still to be read.

    Raises:
        SourceRefusedError: if user or password are wrong.
        SourceError: if the address cannot be reached.
    """
    login = split_login(url)
    name = redact(url)
    handlers: list[BaseHandler] = []
    if login.user is not None:
        passwords = HTTPPasswordMgrWithDefaultRealm()
        passwords.add_password(None, login.url, login.user, login.password)
        handlers = [_Basic(passwords), _Digest(passwords)]
    try:
        response: HTTPResponse = build_opener(*handlers).open(login.url, timeout=timeout_s)
        return response
    except HTTPError as error:
        error.close()
        if error.code in (401, 403):
            raise refused(name) from None
        raise SourceError(
            f"{name} answers {error.code} {error.reason}. Check the path of the address."
        ) from None
    except (OSError, HTTPException, ValueError) as error:
        reason = redact(str(getattr(error, "reason", error)))
        advice = encoding_advice(url)
        raise SourceError(
            f"{name} cannot be reached: {reason}. Check the address and that the camera is on."
            f"{advice and ' '}{advice}"
        ) from None


UrlKind = Literal["mjpeg", "picture", "video", "stream"]


def url_kind(url: str) -> UrlKind:
    """Ask a server what an HTTP URL is.

    Returns:
        `mjpeg`: pictures without end. `picture`, `video`: a file of known length, or a playlist
        with an end. `stream`: something without end that FFmpeg may know.

    Raises:
        SourceRefusedError: if user or password are wrong.
        SourceError: if the address cannot be reached.
    """
    with contextlib.closing(open_url(url)) as response:
        kind = response_kind(response.headers)
        if kind in ("mjpeg", "picture") or not _is_playlist(url, response.headers):
            return kind
        return "video" if _has_end(url, response) else "stream"


def _is_playlist(url: str, headers: Message) -> bool:
    return "mpegurl" in headers.get_content_type() or urlsplit(url).path.endswith(".m3u8")


def _has_end(url: str, response: HTTPResponse) -> bool:
    """Whether an HLS playlist is that of a recording; of several renditions the first one tells."""
    try:
        lines = response.read(MAX_PLAYLIST_BYTES).decode("utf-8", "replace").splitlines()
    except (OSError, HTTPException):
        return False
    # Source: RFC 8216, 4.3.3.4 and 4.3.4.2.
    if not any(line.startswith("#EXT-X-STREAM-INF") for line in lines):
        return "#EXT-X-ENDLIST" in lines
    renditions = [line for line in lines if line and not line.startswith("#")]
    rendition = urljoin(url, renditions[0]) if renditions else url
    if rendition == url:
        return False
    with contextlib.closing(open_url(rendition)) as inner:
        return b"#EXT-X-ENDLIST" in inner.read(MAX_PLAYLIST_BYTES)


def response_kind(headers: Message) -> UrlKind:
    """Tell from a response's headers what its body is; see `url_kind`."""
    kind = headers.get_content_type()
    if kind == "multipart/x-mixed-replace":
        return "mjpeg"
    if kind.startswith("image/"):
        return "picture"
    playlist = "mpegurl" in kind or "dash+xml" in kind
    return "video" if "Content-Length" in headers and not playlist else "stream"


def download(url: str, max_bytes: int = MAX_PICTURE_BYTES) -> bytes:
    """Fetch a small file.

    Raises:
        SourceError: if it cannot be reached, breaks off or is larger than `max_bytes`.
    """
    with contextlib.closing(open_url(url)) as response:
        try:
            data = response.read(max_bytes + 1)
        except (OSError, HTTPException) as error:
            raise SourceError(f"{redact(url)} broke off: {error}. Try again.") from None
    if len(data) > max_bytes:
        raise SourceError(f"{redact(url)} is larger than {max_bytes // 2**20} MiB, too large.")
    return data
