"""When a decoded picture is shown, whatever the container says or leaves out."""

from __future__ import annotations

from collections import deque
from fractions import Fraction
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from av.packet import Packet
    from av.stream import Stream
    from av.video.frame import VideoFrame

# Joined recordings start again; times that fall by less are a muxer's rounding.
JUMP_S = 0.25


class Clock:
    """Gives each picture its time, in the order of showing; times never fall.

    Where a container has no times of showing (AVI), pictures are shown in the order, and so at the
    times, of the packets. Where it has none at all, they are counted.

    Attributes:
        by_packet: Whether it must hear of packets.
    """

    def __init__(self, frame_rate_hz: float, unit_s: Fraction, *, by_packet: bool) -> None:
        """Begin.

        Args:
            frame_rate_hz: Pictures a second, where they must be counted; 25 if 0.
            unit_s: In what the stream, and each packet of it, counts time.
            by_packet: Whether the container has no times of showing.
        """
        self._step_s = 1.0 / (frame_rate_hz or 25.0)
        # PyAV makes a fraction anew, and slowly, for each packet that is asked for its own.
        self._units, self._units_a_second = unit_s.numerator, unit_s.denominator
        self.by_packet = by_packet
        self._packet_times: deque[float] = deque()
        self._origin_s: float | None = None
        self._last_s: float | None = None

    def shown_s(self, pts: int) -> float | None:
        """Give the time at which a picture will be shown that is still in its packet.

        Returns:
            None before the first picture, and where packets have no such times.
        """
        if self._origin_s is None or self.by_packet:
            return None
        return self._in_seconds(pts) - self._origin_s

    def shown_alone_s(self, packet: Packet[Stream]) -> float | None:
        """Give the time of a packet whose picture stands for itself, and comes at once.

        Returns:
            None before the first picture, and where the time is not known.
        """
        stamp = packet.dts if self.by_packet else packet.pts
        if self._origin_s is None or stamp is None:
            return None
        return self._in_seconds(stamp) - self._origin_s

    def pass_over(self, time_s: float) -> None:
        """Hear of a picture that is not decoded."""
        self._last_s = max(self._last_s or 0.0, time_s)

    def note(self, packet: Packet[Stream]) -> None:
        """Hear of a packet that was decoded."""
        if self.by_packet and packet.size and packet.dts is not None:
            self._packet_times.append(self._in_seconds(packet.dts))

    def time_of(self, frame: VideoFrame) -> tuple[float, bool]:
        """Give the time of the next picture, and whether the file's times jumped back before it."""
        if self.by_packet:
            own_s = self._packet_times.popleft() if self._packet_times else None
        else:
            own_s = frame.time
        last_s = self._last_s
        if own_s is None:
            own_s = 0.0 if last_s is None else last_s + self._step_s + (self._origin_s or 0.0)
        if self._origin_s is None:
            self._origin_s = own_s
        time_s = own_s - self._origin_s
        jumped = last_s is not None and time_s < last_s - JUMP_S
        if last_s is not None and jumped:
            time_s = last_s + self._step_s
            self._origin_s = own_s - time_s
        self._last_s = time_s if last_s is None else max(last_s, time_s)
        return self._last_s, jumped

    def _in_seconds(self, units: int) -> float:
        # As PyAV computes `frame.time`, to the bit: both must fall into the same instant.
        return units * self._units / self._units_a_second
