"""Spares the decoder pictures that nobody takes and that no other picture builds on.

Where every picture stands for itself (motion JPEG, ProRes), the decoder does not even see those.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from har_edge.frames.sampling import FrameSampler
from har_edge.sources.videos.clock import Clock

if TYPE_CHECKING:
    from av.packet import Packet
    from av.stream import Stream
    from av.video.codeccontext import VideoCodecContext
    from av.video.frame import VideoFrame

# Where a picture that none builds on is marked so, for all decoders alike: `nal_ref_idc` 0.
# In HEVC, pictures of a higher layer may still build on one. Source: ITU-T H.264 (2021), 7.4.1.
CODECS = frozenset({"h264"})
# Packets of so many instants may come out of order; instants before them are forgotten.
REMEMBERED = 64


class Sparing:
    """Tells the decoder which pictures it may leave out, and counts those that it left out.

    Of the pictures of one instant the sampler takes the first one at most. So a packet is not
    needed for itself if one of the same instant with an earlier time has come before it. Whether
    others build on its picture, the decoder knows: it leaves out only those that none does.
    """

    def __init__(self, context: VideoCodecContext, clock: Clock, sampler: FrameSampler) -> None:
        """Begin.

        Args:
            context: The decoder.
            clock: Gives the pictures their times.
            sampler: Says which pictures are taken.
        """
        self._context = context
        self._clock = clock
        # With threads, pictures come later than their packets: what was taken is known too late.
        self._stand_alone = context.codec.intra_only and context.thread_count == 1
        self._sampler = sampler if self._stand_alone or context.codec.name in CODECS else None
        self._passed_over = 0
        self._is_sparing = False
        self._last_dts: int | None = None
        self._last_pts: int | None = None
        # Instant -> the first time that was seen of it, in the stream's units.
        self._earliest: dict[int, int] = {}
        # Times of packets whose pictures may be left out: those that do not come are.
        self._doubtful: set[int] = set()

    def passes_over(self, packet: Packet[Stream]) -> bool:
        """Whether the decoder need not be given a packet; if so, its picture is counted."""
        if self._sampler is None or not self._stand_alone:
            return False
        if packet.dts is None or not packet.size or packet.is_discard:
            return False
        if self._last_dts is not None and packet.dts < self._last_dts:
            self._stop()  # another recording begins
            return False
        self._last_dts = packet.dts
        shown_s = self._clock.shown_alone_s(packet)
        if shown_s is None or not self._sampler.passes_over(shown_s):
            return False
        self._clock.pass_over(shown_s)
        self._passed_over += 1
        return True

    def prepare(self, packet: Packet[Stream]) -> None:
        """Tell the decoder about a packet, just before it is given that."""
        if self._sampler is None or self._stand_alone:
            return
        spare = self._is_spare(packet, self._sampler)
        if spare != self._is_sparing:
            self._is_sparing = spare
            self._context.skip_frame = "NONREF" if spare else "DEFAULT"

    def left_out_before(self, frame: VideoFrame) -> int:
        """Count the pictures that were left out between the one before and this one, which came."""
        if self._stand_alone:
            return self._count_passed_over()
        # Where two fields make a picture, one may be needed when the other is not.
        if frame.interlaced_frame:
            self._stop()
        pts = frame.pts
        if pts is None:
            return 0
        # Behind a jump of the times nothing is spared: what is missing lay before it.
        jumped = self._last_pts is not None and pts < self._last_pts
        self._last_pts = pts
        if not self._doubtful:
            return 0
        self._doubtful.discard(pts)
        left_out = {time for time in self._doubtful if jumped or time < pts}
        self._doubtful -= left_out
        return len(left_out)

    def left_out_at_last(self) -> int:
        """Count the pictures that were left out after the last one that came."""
        count = len(self._doubtful)
        self._doubtful.clear()
        return count + self._count_passed_over()

    def _count_passed_over(self) -> int:
        count, self._passed_over = self._passed_over, 0
        return count

    def _is_spare(self, packet: Packet[Stream], sampler: FrameSampler) -> bool:
        pts, dts = packet.pts, packet.dts
        if pts is None or dts is None or packet.is_discard:
            return False
        if self._last_dts is not None and dts < self._last_dts:
            self._stop()  # another recording begins
            return False
        self._last_dts = dts
        shown_s = self._clock.shown_s(pts)
        instant = None if shown_s is None else sampler.instant_of(shown_s)
        if instant is None:
            return False
        earliest = self._earliest.get(instant)
        if earliest is not None and earliest < pts:
            self._doubtful.add(pts)
            return True
        self._earliest[instant] = pts
        self._earliest.pop(instant - REMEMBERED, None)
        return False

    def _stop(self) -> None:
        self._sampler = None
        self._is_sparing = False
        self._context.skip_frame = "DEFAULT"
