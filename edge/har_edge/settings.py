"""What the groups of settings have in common: each knows what its values may be, and checks them.

A field says so in its metadata: `range` for a number, `choices` for a word. The command line makes
its options of the same fields, so that a default and a range stand in one place.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

from har_edge.errors import ConfigError


@dataclass(frozen=True)
class Range:
    """What a number may be.

    Attributes:
        lowest: The least it may be; None for no limit.
        highest: The most it may be; None for no limit.
        open: Whether it must lie above `lowest`.
        whole: Whether it is a whole number.

    Example:
        >>> print(Range(0, 1), "|", Range(0, open=True), "|", Range(1, whole=True))
        a number from 0 to 1 | a number above 0 | a whole number from 1
        >>> 0.5 in Range(0, 1), 0 in Range(0, open=True), float("nan") in Range(0)
        (True, False, False)
    """

    lowest: float | None = None
    highest: float | None = None
    open: bool = False
    whole: bool = False

    def __contains__(self, value: object) -> bool:
        if not isinstance(value, int if self.whole else int | float):
            return False
        if math.isnan(value):
            return False
        lowest = -math.inf if self.lowest is None else self.lowest
        highest = math.inf if self.highest is None else self.highest
        return lowest <= value <= highest and not (self.open and value == lowest)

    def __str__(self) -> str:
        words = ["a whole number" if self.whole else "a number"]
        if self.lowest is not None:
            words.append(f"{'above' if self.open else 'from'} {self.lowest:g}")
        if self.highest is not None:
            words.append(f"to {self.highest:g}")
        return " ".join(words)


@dataclass(frozen=True)
class Settings:
    """A group of settings, whose values are checked as soon as it is made."""

    def __post_init__(self) -> None:
        """Check each value against what its field says.

        Raises:
            ConfigError: if one is not what it may be.
        """
        for each in fields(self):
            value = getattr(self, each.name)
            choices: tuple[str, ...] = each.metadata.get("choices", ())
            limits: Range | None = each.metadata.get("range")
            if value in choices or (value is None and each.default is None):
                continue
            if value in limits if limits is not None else not choices:
                continue
            expected = [*choices, *([str(limits)] if limits is not None else [])]
            raise ConfigError(
                f"Expected {each.name} to be {' or '.join(expected)}. Received {value!r}. "
                "Give it such a value, or leave it out."
            )
