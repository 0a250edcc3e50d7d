"""What a check of this machine found."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Literal

Level = Literal["ok", "warn", "fail"]


@dataclass(frozen=True)
class Finding:
    """What one check found.

    Attributes:
        topic: What was looked at.
        level: `ok`, `warn` or `fail`.
        text: What was found.
        fix: A command or an act that mends it, else "".
    """

    topic: str
    level: Level
    text: str
    fix: str = ""

    def as_dict(self) -> dict[str, str]:
        """As plain values for JSON."""
        return asdict(self)


Findings = Iterator[Finding]
