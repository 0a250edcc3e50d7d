"""Decodes a stream's packets with FFmpeg, and gives only frames that are whole.

No video format in use has a checksum of its pictures, and FFmpeg's decoders patch what is missing.
Three things tell whole frames from patched ones: what the decoder and the demuxer report, which
frames build on a damaged one (all up to the next key frame), and whether the parameter sets, by
which all else is read, are those that were there before.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from av.packet import Packet
    from av.video.codeccontext import VideoCodecContext
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

# Errors are raised, and bits that are left over in a slice are one: changed bytes often decode to
# something that only ends too early. Of pictures with such bytes, 1 in 27 passed without it.
ERROR_DETECTION = "explode+aggressive"

# What FFmpeg's demuxers and decoders say when a part of a picture never came or made no sense.
# A slice that is missing altogether raises no error flag, it is only logged.
_LOST = re.compile(r"RTP: missed|bad cseq|dropping old packet")
_DAMAGED = re.compile(
    r"concealing|error while decoding|[Mm]issing reference|slice header|Could not find ref"
    r"|non-existing|slice in a frame missing|Invalid (?:level|NAL)|no frame!"
)
# So many packets may have been read to learn what a stream holds: half a second, at 60 a second.
_PROBED_PACKETS = 30
_UNIT_START = re.compile(rb"\x00\x00\x01")


# PyAV's: level, who, what.
Log = Sequence[tuple[int, str, str]]


class KnownParameters:
    """The parameter sets by which a camera's pictures are read; outlives its connections.

    One changed bit in them may shift or recolour all pictures without any error. So new ones are
    believed when they come for the second time: a camera that changes its resolution repeats them
    with the next key frame.
    """

    def __init__(self) -> None:
        self._known: frozenset[bytes] = frozenset()
        self._announced: frozenset[bytes] = frozenset()

    def add(self, sets: frozenset[bytes]) -> None:
        """Believe what a camera says about itself before it sends pictures."""
        self._known |= sets

    def accept(self, sets: frozenset[bytes]) -> bool:
        """Whether a key frame brings none but known parameter sets; if not, it announces them."""
        if not self._known or sets == self._announced:
            self._known = sets or self._known
        self._announced = sets
        return sets <= self._known


class WholeFrames:
    """Decodes packets in their order; after damage, from the next key frame on.

    The decoder is replaced then. It may hold back some frames to put them in order, the more, the
    stranger the numbers that it has read in damaged ones: they would come out behind the key
    frame, and each later one late.

    Attributes:
        corrupt: Pictures that were passed over.
    """

    def __init__(
        self,
        av: ModuleType,
        stream: VideoStream,
        known: KnownParameters,
        error_detection: str = ERROR_DETECTION,
        log: Log = (),
    ) -> None:
        """Begin.

        Args:
            av: The module.
            stream: PyAV's video stream.
            known: What former connections to the same camera taught.
            error_detection: FFmpeg's option `err_detect`.
            log: What FFmpeg said while the stream was opened: packets are read for that already.
        """
        self.corrupt = 0
        self._av = av
        self._template = stream.codec_context
        # RTMP and MP4 put a unit's length before it, and one of 256 to 511 bytes looks like a start
        # code. Their parameter sets lie in the extradata alone, and their slices must not be taken
        # for any.
        extradata = self._template.extradata or b""
        self._codec = self._template.name if extradata[:2] in (b"", b"\x00\x00") else ""
        self._known = known
        self._error_detection = error_detection
        self._doubtful_packets = _PROBED_PACKETS if _said(_LOST, log) else 0
        self._waiting = True
        self._begun = False
        self._decoder = self._new_decoder()
        known.add(parameter_sets(self._codec, extradata))

    def decode(self, packet: Packet[VideoStream], log: Log) -> list[VideoFrame]:
        """Decode a packet.

        Args:
            packet: PyAV's packet.
            log: What FFmpeg has said since the last packet. It must grow with what it says now.

        Returns:
            The frames that are complete now, whole ones only.
        """
        # The parser may hold the picture with the hole back for one more packet.
        hole_packets = 2 if _said(_LOST, log) else 0
        self._doubtful_packets = max(hole_packets, self._doubtful_packets - 1)
        if self._doubtful_packets or not self._is_decodable(packet):
            return self.distrust()
        try:
            frames: list[VideoFrame] = self._decoder.decode(packet)
        except self._av.FFmpegError:
            return self.distrust()
        if _said(_DAMAGED, log) or any(frame.is_corrupt for frame in frames):
            return self.distrust()
        return frames

    def distrust(self) -> list[VideoFrame]:
        """Count a damaged picture, and take none before the next key frame; gives no frame.

        A stream that is joined in its middle is not damaged up to its first key frame.
        """
        self.corrupt += self._begun
        if not self._waiting:
            self._waiting = True
            self._decoder = self._new_decoder()
        return []

    def _new_decoder(self) -> VideoCodecContext:
        template = self._template
        decoder: VideoCodecContext = self._av.CodecContext.create(template.codec, "r")
        for name in ("extradata", "width", "height", "pix_fmt"):
            if getattr(template, name):
                setattr(decoder, name, getattr(template, name))
        # Threads that decode whole frames would each hold one back, and others log elsewhere.
        decoder.thread_count = 1
        decoder.options = {"err_detect": self._error_detection}
        return decoder

    def _is_decodable(self, packet: Packet[VideoStream]) -> bool:
        if packet.is_keyframe:
            if not self._known.accept(parameter_sets(self._codec, bytes(packet))):
                return False
            self._waiting, self._begun = False, True
        return not self._waiting


def parameter_sets(codec: str, data: bytes) -> frozenset[bytes]:
    """Find the parameter sets of H.264 and HEVC in a byte stream.

    Args:
        codec: FFmpeg's name of the codec.
        data: NAL units, each behind a start code. Source: ITU-T H.264 (2021) and H.265 (2021),
            annex B and table 7-1.

    Returns:
        Each set's bytes; none for other codecs and other forms of data.
    """
    units = [unit.rstrip(b"\x00") for unit in _UNIT_START.split(data)[1:]]
    if codec == "h264":
        return frozenset(unit for unit in units if unit and unit[0] & 31 in (7, 8))
    if codec == "hevc":
        return frozenset(unit for unit in units if unit and unit[0] >> 1 & 63 in (32, 33, 34))
    return frozenset()


def _said(pattern: re.Pattern[str], log: Log) -> bool:
    return any(pattern.search(message) for _, _, message in log)
