"""Streams through PyAV, which tells damaged pictures from whole ones: RTSP, RTMP, playlists."""

from __future__ import annotations

from collections import deque
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np

from har_edge.arrays import Pixels
from har_edge.errors import SourceError
from har_edge.frames.ffmpeg import import_av
from har_edge.sources.captures.network import TIMEOUT_S, Patience, refused
from har_edge.sources.captures.options import av_options
from har_edge.sources.captures.whole_frames import ERROR_DETECTION, KnownParameters, WholeFrames
from har_edge.sources.urls import encoding_advice, redact

if TYPE_CHECKING:
    from av.error import FFmpegError
    from av.video.frame import VideoFrame


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
        self._av = av = _import_av_with_log()
        self._frames: deque[VideoFrame] = deque()
        options = av_options(url)
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


def _import_av_with_log() -> ModuleType:
    """Import PyAV so that its log can be read, too."""
    av = import_av()
    av.logging.set_level(av.logging.INFO)  # the level of "concealing"
    av.logging.set_skip_repeated(False)
    return av


def _open_error(url: str, error: FFmpegError) -> SourceError:
    """Turn an error of PyAV into what a user can do about it."""
    name = redact(url)
    if type(error).__name__ in ("HTTPUnauthorizedError", "HTTPForbiddenError"):
        return refused(name)
    advice = encoding_advice(url)
    return SourceError(
        f"{name} cannot be opened: {_reason(error)}. Check the address and that the camera is on."
        f"{advice and ' '}{advice}"
    )


def _reason(error: FFmpegError) -> str:
    return redact(str(getattr(error, "strerror", "") or error))
