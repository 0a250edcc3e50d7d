"""What makes a fall an alarm, in numbers."""

from __future__ import annotations

from dataclasses import dataclass, field

from har_edge.settings import Range, Settings

_ABOVE_0 = {"range": Range(0, open=True)}


@dataclass(frozen=True)
class FallSettings(Settings):
    """What a fall is; lengths in body heights.

    Chosen on UR Fall by `har-bench experiment falls`, see benchmarks/reference/falls.json.

    Attributes:
        drop: How far the hips come down.
        speed: How fast at the fastest, in body heights a second.
        descent_s: Within how long.
        low_height: A box below this is low.
        wide: A box that is wider than so many times its height is low, too.
        settle_s: How long after the descent somebody may take to be low.
        low_s: How long they must be low; the alarm comes after that.
        low_share: Share of that time in which they must look low: boxes flicker.
        up_height: A box above this is up.
        up_s: How long they must be up to have got up.
        memory_s: How far back the body height is looked for.

    Example:
        >>> FallSettings(low_s=5.0).low_s
        5.0
    """

    drop: float = field(default=0.25, metadata=_ABOVE_0)
    speed: float = field(default=0.4, metadata=_ABOVE_0)
    descent_s: float = field(default=1.2, metadata=_ABOVE_0)
    low_height: float = field(default=0.5, metadata=_ABOVE_0)
    wide: float = field(default=0.9, metadata=_ABOVE_0)
    settle_s: float = field(default=1.0, metadata=_ABOVE_0)
    low_s: float = field(default=1.0, metadata={"range": Range(0)})
    low_share: float = field(default=0.7, metadata={"range": Range(0, 1)})
    up_height: float = field(default=0.8, metadata=_ABOVE_0)
    up_s: float = field(default=1.0, metadata={"range": Range(0)})
    memory_s: float = field(default=8.0, metadata=_ABOVE_0)
