"""Videos through PyAV: what FFmpeg decodes, as a player shows it, counted and not guessed."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, cast

import numpy as np

from har_edge.arrays import Pixels
from har_edge.errors import SourceError
from har_edge.frames.ffmpeg import import_av, text_options
from har_edge.frames.opencv import view_as_rgb
from har_edge.frames.sampling import FrameSampler
from har_edge.sources.captures.network import refused
from har_edge.sources.videos.base import (
    LARGE_PIXELS,
    Picture,
    VideoFacts,
    clearly_fewer,
    no_picture,
    no_video,
)
from har_edge.sources.videos.clock import JUMP_S, Clock
from har_edge.sources.videos.display import Turn
from har_edge.sources.videos.sparing import Sparing

if TYPE_CHECKING:
    from av.buffer import Buffer
    from av.container import InputContainer
    from av.packet import Packet
    from av.stream import Stream
    from av.video.codeccontext import VideoCodecContext
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

# Their headers say how many pictures they hold; others only how long they are, if that.
COUNTED = ("mov", "avi")
DEFAULT_HZ = 25.0
UNKNOWN_UNIT_S = Fraction(1)
TIMED = ("matroska", "flv", "asf", "mov")
# The C library learns from no larger blocks.
MOST_KEPT_BYTES = 2**25 - 2**16
# A local file names no other file, and above all no address, to be read in its place.
LOCAL = {"protocol_whitelist": "file"}


class AvVideo:
    """A video through PyAV."""

    caveat = ""

    def __init__(
        self,
        address: str,
        name: str,
        *,
        timeout_s: float | None = None,
        max_pixels: int | None = None,
    ) -> None:
        """Open a file or an address on an HTTP server.

        Args:
            address: Absolute path, or a URL.
            name: What to call it in messages.
            timeout_s: Longest wait for a server; None for a file on the disk.
            max_pixels: Larger pictures are not decoded, as broken ones are not.

        Raises:
            SourceRefusedError: if user or password are wrong.
            SourceError: if it is no video, or one that cannot be decoded.
        """
        self._av = import_av()
        self._address, self._name, self._timeout_s = address, name, timeout_s
        self._limits = {} if max_pixels is None else {"max_pixels": str(max_pixels)}
        self._turns: dict[int, Turn | None] = {}
        self.count = 0
        self._open()
        reformatter = self._av.video.reformatter
        self._reformatter = reformatter.VideoReformatter()
        # By its number: PyAV looks names up anew for every frame.
        self._interpolation = int(reformatter.Interpolation.BICUBIC)

    def facts(self) -> VideoFacts:
        """Give what the file says of itself."""
        count, rate_hz = self._stated_frames(), self._rate_hz
        return VideoFacts(rate_hz, count, count / rate_hz if rate_hz and count else None)

    def size(self) -> tuple[int, int]:
        """Find width and height, turned as the first picture is."""
        context = self._stream.codec_context
        size = (context.width, context.height)  # gone from it once a picture was too large
        frame = next(self._frames(), None)
        turn = self._turn_of(frame) if frame else None
        if frame:
            size = (frame.width, frame.height)
        return size[::-1] if turn and turn.swaps_axes else size

    def pictures(self, sampler: FrameSampler) -> Iterator[Picture]:
        """Decode all of it but what is neither taken nor built on, and convert what is taken."""
        self._use_threads(sampler.frame_rate_hz)
        _keep_memory(self._stream.codec_context)
        unit_s = self._stream.time_base or UNKNOWN_UNIT_S
        clock = Clock(self._rate_hz, unit_s, by_packet=self._format == "avi")
        sparing = None
        # To ask of each picture whether it may be left out pays only where some may.
        if not 0 < self._rate_hz <= sampler.frame_rate_hz:
            sparing = Sparing(self._stream.codec_context, clock, sampler)
        gap = False
        for frame in self._frames(clock, sparing):
            timestamp_s, jumped = clock.time_of(frame)
            index = self.count + (sparing.left_out_before(frame) if sparing else 0)
            self.count = index + 1
            gap = gap or jumped
            if not sampler.takes(timestamp_s):
                continue
            pixels = self._convert(frame)
            if pixels is not None:
                yield Picture(index, timestamp_s, pixels, gap)
                gap = False
                del pixels  # its memory is the next one's
        self.count += sparing.left_out_at_last() if sparing else 0
        if not self.count:
            raise no_picture(self._name, self._codec if self._lost else "")

    def lacks_frames(self, stated: int) -> bool:
        """Whether pictures are missing or broken, or the file ends well before its length."""
        if clearly_fewer(self.count, self.count + self._lost):
            return True
        if self._is_counted:
            return clearly_fewer(self.count, stated)
        return self.ends_early(stated)

    def ends_early(self, stated: int) -> bool:
        """Whether the file has no room for what it states, or its last packet comes too soon."""
        if self._is_counted:
            size = self._container.size
            inside = sum(1 for e in self._stream.index_entries if e.pos + e.size <= size)
            return clearly_fewer(inside, stated)
        length_s = self._length_s()
        if self._format not in TIMED or length_s is None:
            return self._broke_off
        # What was seen last stays until the next one would have come.
        end_s = self._end_s + self._widest_s
        rate_hz = self._rate_hz or DEFAULT_HZ
        return clearly_fewer(round(end_s * rate_hz), round(length_s * rate_hz))

    def num_shown(self) -> int:
        """Count the pictures, by packets where those tell."""
        times = self._times()
        if times is not None:
            return len(times)
        self._reopen()
        return sum(1 for _ in self._frames())

    def look(self, numbers: Sequence[int]) -> list[Pixels | None]:
        """Decode some pictures, by seeking where the file has times to seek by."""
        self._reopen()
        times = self._times()
        if times is not None:
            try:
                return [self._seek(times[n]) if n < len(times) else None for n in numbers]
            except LookupError:
                pass
        self._reopen()
        found = {
            number: self._convert(frame)
            for number, frame in enumerate(self._frames())
            if number in numbers
        }
        return [found.get(number) for number in numbers]

    def close(self) -> None:
        """Close the file."""
        self._container.close()

    def _open(self) -> None:
        av, timeout_s = self._av, self._timeout_s
        self._lost, self._end_s, self._widest_s, self._broke_off = 0, 0.0, 0.0, False
        try:
            container: InputContainer = av.open(
                self._address,
                options=LOCAL if timeout_s is None else {},
                timeout=timeout_s,
                **text_options(),
            )
        except av.FFmpegError as error:
            if type(error).__name__ in ("HTTPUnauthorizedError", "HTTPForbiddenError"):
                raise refused(self._name) from None
            raise no_video(self._name) from None
        self.count = 0
        self._container = container
        self._format: str = container.format.name.partition(",")[0]
        try:
            self._stream: VideoStream = self._find_stream()
        except BaseException:
            container.close()
            raise
        stream = self._stream
        self._codec: str = stream.codec_context.codec.name
        self._rate_hz = float(stream.guessed_rate or stream.average_rate or 0)
        self._is_counted = self._format in COUNTED and stream.frames > 0

    def _reopen(self) -> None:
        self.close()
        self._open()

    def _find_stream(self) -> VideoStream:
        """Find the first video that is no cover or still, and that can be decoded."""
        streams = [s for s in self._container.streams.video if not _is_cover(s)]
        # An animated AVIF holds its first picture twice: for programs that show no other, too.
        streams = [s for s in streams if s.frames != 1 or s.duration is not None] or streams
        if not streams:
            raise no_video(self._name)
        context = streams[0].codec_context
        if context is None:
            raise SourceError(
                f"{self._name} holds video of a kind that the installed FFmpeg has no decoder for. "
                "Convert it where that can be read: ffmpeg -i IN -c:v libx264 OUT.mp4"
            )
        context.thread_count = 1
        context.options = dict(self._limits)
        return streams[0]

    def _use_threads(self, taken_hz: float) -> None:
        """Decode large pictures on all cores; call it before the first one is decoded."""
        context = self._stream.codec_context
        # Threads would decode all of what `Sparing` leaves out where pictures stand for themselves.
        if context.codec.intra_only and 2 * taken_hz <= self._rate_hz:
            return
        # FFmpeg's threads would wait for Python to take what they say while Python waits for them.
        silent = self._av.logging.get_level() is None
        if silent and context.width * context.height > LARGE_PIXELS:
            context.thread_count = os.cpu_count() or 1
            context.thread_type = "AUTO"

    def _stated_frames(self) -> int:
        stream = self._stream
        by_length = round((self._length_s() or 0.0) * float(stream.average_rate or self._rate_hz))
        if not self._is_counted:
            return by_length
        # A trimmed file holds more than it shows, and its length is that of what it shows.
        trimmed = self._format == "mov" and clearly_fewer(by_length, stream.frames)
        return by_length if trimmed and by_length else stream.frames

    def _length_s(self) -> float | None:
        """Length that the file states."""
        if self._container.duration:
            return float(self._container.duration / self._av.time_base)
        stream = self._stream
        if stream.duration and stream.time_base:
            return float(stream.duration * stream.time_base)
        return None

    def _packets(self) -> Iterator[Packet[Stream]]:
        """Read the packets that are left of the video."""
        # Where pictures are counted, nothing more need be known.
        if not self._is_counted:
            yield from self._noted_packets()
            return
        try:
            yield from cast("Iterator[Packet[Stream]]", self._container.demux(self._stream))
        except self._av.FFmpegError:
            self._broke_off = True

    def _noted_packets(self) -> Iterator[Packet[Stream]]:
        """Read the packets that are left; note when each stream ends, sound too."""
        # Fractions would take longer than reading a packet.
        units_s = {s.index: float(s.time_base or 0) for s in self._container.streams}
        previous: int | None = None
        try:
            for packet in self._container.demux():
                index = packet.stream.index
                unit_s = units_s.get(index, 0.0)
                stamp = packet.dts if packet.pts is None else packet.pts
                if stamp is not None:
                    # Stated lengths count from 0, wherever the first picture lies.
                    end_s = (stamp + (packet.duration or 0)) * unit_s
                    self._end_s = max(self._end_s, end_s)
                if index != self._stream.index:
                    continue
                if packet.dts is not None:
                    if previous is not None:
                        self._widest_s = max(self._widest_s, (packet.dts - previous) * unit_s)
                    previous = packet.dts
                yield packet
        except self._av.FFmpegError:
            self._broke_off = True

    def _frames(
        self, clock: Clock | None = None, sparing: Sparing | None = None
    ) -> Iterator[VideoFrame]:
        """Decode what is left of the file, in the order of showing.

        Raises:
            SourceError: if it is encrypted.
        """
        context = self._stream.codec_context
        for packet in self._packets():
            # Protection begins at a picture that stands for itself; asking takes long.
            if packet.is_keyframe and packet.has_sidedata("encryption_info"):
                raise SourceError(
                    f"{self._name} is encrypted, and the key to it is not in the file. Take a copy "
                    "without that protection."
                )
            if sparing:
                if sparing.passes_over(packet):
                    continue
                sparing.prepare(packet)
            try:
                frames = context.decode(packet)
            except self._av.FFmpegError:
                self._lost += 1
                continue
            if clock and clock.by_packet:
                clock.note(packet)
            yield from frames

    def _convert(self, frame: VideoFrame) -> Pixels | None:
        """Convert a frame as OpenCV does, to the same bytes; None if FFmpeg cannot."""
        try:
            converted = self._reformatter.reformat(
                frame, format="bgr24", interpolation=self._interpolation, threads=1
            )
        except self._av.FFmpegError:
            return None
        plane = converted.planes[0]
        shape, strides = (frame.height, frame.width, 3), (plane.line_size, 3, 1)
        pixels = np.ndarray(shape, np.uint8, plane, strides=strides)
        turn = self._turn_of(frame)
        return view_as_rgb(turn(pixels) if turn else pixels)

    def _turn_of(self, frame: VideoFrame) -> Turn | None:
        """Find how a frame must be turned.

        A frame that was asked for its side data is freed only when garbage is collected, so few
        are asked: those that are turned by another angle than the ones before.
        """
        angle = frame.rotation
        if angle not in self._turns:
            # PyAV's own types name but one of FFmpeg's kinds.
            data = cast("Mapping[str, Buffer]", frame.side_data)
            matrix = bytes(data["DISPLAYMATRIX"]) if "DISPLAYMATRIX" in data else None
            self._turns[angle] = Turn(matrix) if matrix else None
        return self._turns[angle]

    def _times(self) -> list[int] | None:
        """Find when each picture is shown, in order, without decoding any; None if unknown."""
        if self._format == "avi" and self._stream.codec_context.has_b_frames:
            return None
        times = list[int]()
        last = None
        for packet in self._packets():
            if not packet.size or packet.is_discard:
                continue
            if packet.pts is None or packet.dts is None:
                return None
            if last is not None and float((last - packet.dts) * packet.time_base) > JUMP_S:
                return None
            last = packet.dts
            times.append(packet.pts)
        return sorted(times)

    def _seek(self, time: int) -> Pixels | None:
        """Decode the picture that is shown at a time of the stream.

        Raises:
            LookupError: if seeking does not lead to it.
        """
        try:
            self._container.seek(time, stream=self._stream)
        except self._av.FFmpegError as error:
            raise LookupError from error
        for frame in self._frames():
            if frame.pts is None:
                break
            if frame.pts == time:
                return self._convert(frame)
            if frame.pts > time:
                break
        raise LookupError


def _keep_memory(context: VideoCodecContext) -> None:
    """Let the memory of one frame be used for the next one, not be given back between them.

    The GNU C library learns from blocks that were freed how much to keep; without this lesson it
    takes fresh pages from the system for every frame, at a fifth of the time of decoding it.
    Source: mallopt(3), M_MMAP_THRESHOLD, "dynamic mmap threshold".
    """
    frame_bytes = 3 * context.width * context.height
    np.empty(min(4 * frame_bytes, MOST_KEPT_BYTES), np.uint8)


def _is_cover(stream: Stream) -> bool:
    """Whether a stream is one picture that stands for a piece of music or a film."""
    return "attached_pic" in str(stream.disposition)
