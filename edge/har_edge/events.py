"""From predictions to what a person wants to know: which action began, which one ended."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

EventKind = Literal["action_started", "action_ended"]


@dataclass(frozen=True)
class Event:
    """An action began or ended.

    Attributes:
        kind: `action_started` or `action_ended`.
        number: Counts the actions of a run from 1; both events of an action carry the same.
        source: Name of the source.
        action: The label.
        start_s: Source time at which the action began.
        end_s: Source time at which it ended, None while it goes on.
        confidence: Mean probability of the action from its start until this event.
        start_at_s: Live sources: Unix time of `start_s`, else None.
        end_at_s: Live sources: Unix time of `end_s`, else None.
    """

    kind: EventKind
    number: int
    source: str
    action: str
    start_s: float
    end_s: float | None
    confidence: float
    start_at_s: float | None = None
    end_at_s: float | None = None

    @property
    def duration_s(self) -> float | None:
        """Length of an action that ended."""
        return None if self.end_s is None else self.end_s - self.start_s
