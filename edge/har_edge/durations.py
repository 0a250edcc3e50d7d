"""Times and lengths of time, spelt for people and for machines."""

from __future__ import annotations

from datetime import datetime


def iso_time(at_s: float) -> str:
    """Spell a Unix time in local time with its offset, such as 2026-03-01T14:05:09.250+01:00."""
    return datetime.fromtimestamp(at_s).astimezone().isoformat(timespec="milliseconds")


def format_duration(seconds: float) -> str:
    """Spell a length of time for people: `4.5 s`, `2 min 8 s`, `3 h 12 min`."""
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"


def format_time(seconds: float) -> str:
    """Format a time as `0:07.25`, with hours where there are any."""
    minutes, rest = divmod(max(0.0, round(seconds, 2)), 60)
    hours, minutes = divmod(int(minutes), 60)
    clock = f"{minutes}:{rest:05.2f}"
    return f"{hours}:{minutes:02}:{rest:05.2f}" if hours else clock
