"""Streams that FFmpeg reads: RTSP, RTMP, playlists. Through PyAV, or through OpenCV without it."""

from __future__ import annotations

import contextlib
import logging
import os
import threading
import time
from collections import deque
from collections.abc import Iterator
from typing import Any

import numpy as np

from har_edge.arrays import Pixels
from har_edge.errors import SourceError, SourceRefusedError
from har_edge.frames.opencv import import_cv2
from har_edge.sources.captures.base import Capture, OpenCvCapture
from har_edge.sources.captures.hosts import check_host
from har_edge.sources.captures.whole_frames import ERROR_DETECTION, KnownParameters, WholeFrames
from har_edge.sources.urls import redact

# Longest wait for a connection, and for the next byte of one.
TIMEOUT_S = 5.0
# How FFmpeg should read streams: over TCP, so that a crowded network delays packets but loses
# none, and without a queue of its own.
STREAM_OPTIONS = {
    "rtsp_transport": "tcp",
    "fflags": "nobuffer+discardcorrupt",
    "flags": "low_delay",
}
OPENCV_OPTIONS = "OPENCV_FFMPEG_CAPTURE_OPTIONS"


class Patience:
    """Ends a search for whole pictures in a stream that has only damaged ones."""

    def __init__(self, name: str, limit_s: float) -> None:
        self._name = name
        self._limit_s = limit_s
        self._until_s = time.monotonic() + limit_s

    def check(self) -> None:
        """Raise SourceError if it took too long."""
        if time.monotonic() >= self._until_s:
            raise SourceError(
                f"{self._name} gave no whole picture for {self._limit_s:g} s. Let the camera send "
                "a key frame every second or two, or wait longer with --stall-timeout."
            )


class OpenCvStream(OpenCvCapture):
    """An RTSP, RTMP or HTTP stream through OpenCV's FFmpeg.

    It cannot tell a damaged picture from a whole one: OpenCV gives FFmpeg's decoder no options
    and keeps its error flags to itself. `AvStream` can.
    """

    finite = False
    caveat = "Damaged pictures are not told from whole ones; for that: pip install av"

    def __init__(self, url: str, timeout_s: float = TIMEOUT_S) -> None:
        """Connect.

        Raises:
            SourceError: if that fails; OpenCV does not say why.
        """
        self.corrupt = 0
        with _stream_options():
            self._capture = opencv_capture(url, timeout_s)
        if not self._capture.isOpened():
            self._capture.release()
            raise SourceError(
                f"{redact(url)} cannot be opened. Check that the address, the user and the "
                f"password are right and that the camera answers; {_INSTALL_AV}"
            )


_INSTALL_AV = "with the package 'av' installed (pip install av) this message would say more."
_options_lock = threading.Lock()


@contextlib.contextmanager
def _stream_options() -> Iterator[None]:
    """Set FFmpeg's options for streams, unless the user has set others; files keep their own."""
    with _options_lock:
        if OPENCV_OPTIONS in os.environ:
            yield
            return
        os.environ[OPENCV_OPTIONS] = "|".join(f"{k};{v}" for k, v in STREAM_OPTIONS.items())
        try:
            yield
        finally:
            del os.environ[OPENCV_OPTIONS]


class AvStream:
    """An RTSP, RTMP or HTTP stream through PyAV, which tells damaged pictures from whole ones.

    A damaged picture is dropped, and with it all that build on it: frames are given again from
    the next picture that stands for itself (a key frame).
    """

    caveat = ""

    def __init__(
        self, url: str, timeout_s: float = TIMEOUT_S, known: KnownParameters | None = None
    ) -> None:
        """Connect.

        Args:
            url: Where the stream is.
            timeout_s: Longest wait for the connection, and for a byte of it.
            known: What former connections to the same camera taught.

        Raises:
            SourceRefusedError: if user or password are wrong.
            SourceError: if the address cannot be reached or holds no video.
        """
        self._name = redact(url)
        self._timeout_s = timeout_s
        self._av = av = _import_av()
        self._frames: deque[Any] = deque()
        options = _av_options(url)
        error_detection = options.pop("err_detect", ERROR_DETECTION)
        try:
            with av.logging.Capture() as log:
                self._container = av.open(url, options=options, timeout=(timeout_s, timeout_s))
        except av.FFmpegError as error:
            raise _open_error(url, error) from None
        if not self._container.streams.video:
            self._container.close()
            raise SourceError(f"{redact(url)} carries no video. Name a stream that does.")
        # A recording that is played once has a length.
        self.finite = bool(self._container.duration)
        stream = self._container.streams.video[0]
        if stream.codec_context is None:
            self._container.close()
            raise SourceError(
                f"{self._name} carries video of a kind that FFmpeg in the package 'av' has no "
                "decoder for. Set the camera to H.264."
            )
        self._packets = self._container.demux(stream)
        self._whole = WholeFrames(av, stream, known or KnownParameters(), error_detection, log)

    @property
    def corrupt(self) -> int:
        """Damaged pictures that were passed over."""
        return self._whole.corrupt

    def grab(self) -> bool:
        """Decode the next whole frame.

        Raises:
            SourceError: if the connection breaks, or gives nothing but damaged frames.
        """
        patience = Patience(self._name, self._timeout_s)
        while not self._frames:
            patience.check()
            with self._av.logging.Capture() as log:
                try:
                    packet = next(self._packets)
                except (EOFError, StopIteration):
                    return False
                except self._av.FFmpegError as error:
                    raise SourceError(f"{self._name} broke off: {_reason(error)}.") from None
                self._frames.extend(self._whole.decode(packet, log))
        self._frame = self._frames.popleft()
        return True

    def retrieve(self) -> Pixels | None:
        """Convert the frame; None if it claims to be of a kind that cannot be converted."""
        with self._av.logging.Capture():
            try:
                return np.asarray(self._frame.to_ndarray(format="rgb24"), dtype=np.uint8)
            except self._av.FFmpegError:
                # A damaged header names another colour space, and damages all up to the next one.
                self._whole.distrust()
                self._frames.clear()
                return None

    def close(self) -> None:
        """Disconnect."""
        self._frames.clear()
        self._container.close()


def _import_av() -> Any:
    """Import PyAV so that its log can be read, and does not reach the terminal."""
    import av
    import av.logging

    logger = logging.getLogger("libav")
    logger.addHandler(logging.NullHandler())
    logger.propagate = False
    av.logging.set_level(av.logging.INFO)  # the level of "concealing"
    av.logging.set_skip_repeated(False)
    return av


def _av_options(url: str) -> dict[str, str]:
    # The queue puts packets in order; with one, FFmpeg says when any is missing.
    options = {"reorder_queue_size": "4", **STREAM_OPTIONS, "fpsprobesize": "0"}
    if url.lower().startswith(("rtsp", "rtmp")):
        # These say first what they send; there is no need to watch them for five seconds. What is
        # watched is kept: many cameras begin with a key frame, and some send the next one only
        # after ten seconds. Other streams are watched for so long that it would be old.
        options["analyzeduration"] = "500000"  # microseconds
        options["fflags"] = "discardcorrupt"
    return options | _user_options()


def _user_options() -> dict[str, str]:
    """Read FFmpeg's options as OpenCV does, `key;value|key;value`, so that one setting does."""
    pairs = (entry.partition(";") for entry in os.environ.get(OPENCV_OPTIONS, "").split("|"))
    return {key: value for key, _, value in pairs if key}


def _open_error(url: str, error: Any) -> SourceError:
    """Turn an error of PyAV into what a user can do about it."""
    name = redact(url)
    if type(error).__name__ in ("HTTPUnauthorizedError", "HTTPForbiddenError"):
        return refused(name)
    return SourceError(
        f"{name} cannot be opened: {_reason(error)}. Check the address and that the camera is on."
    )


def _reason(error: Any) -> str:
    return redact(str(getattr(error, "strerror", "") or error))


def refused(name: str) -> SourceRefusedError:
    """Make the error for a wrong user or password; the name is without them."""
    return SourceRefusedError(
        f"{name} refused the user or the password. Put the right ones into the address, "
        "scheme://USER:PASSWORD@HOST/…, percent-encoded."
    )


def open_stream(
    url: str, timeout_s: float = TIMEOUT_S, known: KnownParameters | None = None
) -> Capture:
    """Open a stream with PyAV where it is installed, else with OpenCV; see `AvStream`.

    Raises:
        SourceError: if there is no such host, or it gives no stream.
    """
    check_host(url)
    return AvStream(url, timeout_s, known) if has_av() else OpenCvStream(url, timeout_s)


def has_av() -> bool:
    """Whether PyAV is installed, so that damaged pictures of streams are recognised."""
    try:
        import av  # noqa: F401
    except ImportError:
        return False
    return True


def opencv_capture(url: str, timeout_s: float = TIMEOUT_S) -> Any:
    """Open a URL with OpenCV's FFmpeg; the caller asks whether it is open, and releases it."""
    cv2 = import_cv2()
    limits_ms = int(timeout_s * 1e3)
    limits = (cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, cv2.CAP_PROP_READ_TIMEOUT_MSEC)
    settings = [value for limit in limits for value in (limit, limits_ms)]
    return cv2.VideoCapture(url, cv2.CAP_FFMPEG, settings)
