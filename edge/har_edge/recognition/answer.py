"""What a whole file shows."""

from __future__ import annotations

from dataclasses import dataclass, field


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
    """

    source: str
    action: str | None
    confidence: float | None
    seconds: dict[str, float] = field(default_factory=dict)
    windows: int = 0
    error: str | None = None

    def as_dict(self) -> dict[str, object]:
        """Plain values with the field names that users see in files."""
        return {
            "source": self.source,
            "action": self.action,
            "confidence": None if self.confidence is None else round(self.confidence, 4),
            "seconds": {action: round(time_s, 3) for action, time_s in self.seconds.items()},
            "windows": self.windows,
            "error": self.error,
        }
