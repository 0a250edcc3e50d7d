"""What a whole file shows."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class PersonAnswer:
    """What one person in a file does, all of it together.

    Attributes:
        person: Number of the person.
        action: The most probable action of the mean of the person's windows, or `unknown`.
        confidence: Its mean probability.
        seconds: How long each action was the answer, the longest first.
        windows: Windows of the person that were classified.
    """

    person: int
    action: str
    confidence: float
    seconds: dict[str, float] = field(default_factory=dict)
    windows: int = 1

    def as_dict(self) -> dict[str, object]:
        """Plain values with the field names that users see in files."""
        return {
            "person": self.person,
            "action": self.action,
            "confidence": round(self.confidence, 4),
            "seconds": _rounded(self.seconds),
            "windows": self.windows,
        }


@dataclass(frozen=True)
class FileAnswer:
    """What a file shows, all of it together.

    Example:
        >>> answer = FileAnswer("a.mp4", "falling", 0.9, {"falling": 3.0, "unknown": 1.0}, 17)
        >>> answer.as_dict()["seconds"]
        {'falling': 3.0, 'unknown': 1.0}

    Attributes:
        source: Name of the file.
        action: The most probable action of the mean of all windows, or `unknown`; None where
            nothing could be read.
        confidence: Its mean probability; None likewise.
        seconds: How long each action was the answer, the longest first; those of a picture are 0.
        windows: Windows that were classified.
        error: Why the file could not be read in full; None if it was.
        people: What each person does, in the order of their numbers, those seen longest if there
            are very many; None where people are not told apart.
    """

    source: str
    action: str | None
    confidence: float | None
    seconds: dict[str, float] = field(default_factory=dict)
    windows: int = 0
    error: str | None = None
    people: tuple[PersonAnswer, ...] | None = None

    def as_dict(self) -> dict[str, object]:
        """Plain values with the field names that users see in files."""
        told: dict[str, object] = {
            "source": self.source,
            "action": self.action,
            "confidence": None if self.confidence is None else round(self.confidence, 4),
            "seconds": _rounded(self.seconds),
            "windows": self.windows,
            "error": self.error,
        }
        if self.people is not None:
            told["people"] = [person.as_dict() for person in self.people]
        return told


def _rounded(seconds: dict[str, float]) -> dict[str, float]:
    return {action: round(time_s, 3) for action, time_s in seconds.items()}
