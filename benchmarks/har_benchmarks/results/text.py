"""Numbers as text: the same in all reports."""

from __future__ import annotations

NONE = "–"


def milliseconds(value: float | None) -> str:
    """A time with two digits after the point, one from 100 ms on."""
    if value is None:
        return NONE
    return f"{value:.1f} ms" if value >= 100 else f"{value:.2f} ms"


def megabytes(value: float | None) -> str:
    """A size in 10^6 bytes."""
    return NONE if value is None else f"{value / 1e6:.1f} MB"


def percent(value: float | None) -> str:
    """A share with one digit after the point."""
    return NONE if value is None else f"{value:.1%}"


def points(value: float | None) -> str:
    """A change of accuracy, signed, with a minus that is one."""
    if value is None:
        return NONE
    value = round(value, 1) + 0.0  # no minus before a zero
    return f"{value:+.1f} points".replace("-", "−") if value else "0.0 points"


def number(value: float | None) -> str:
    """A plain number with one digit after the point."""
    return NONE if value is None else f"{value:.1f}"


def times(value: float | None) -> str:
    """A factor."""
    return NONE if value is None else f"{value:.1f}×"


def change(value: float | None) -> str:
    """A loss of accuracy as a change, in points, without the word."""
    return NONE if value is None else points(-value).removesuffix(" points")


def interval(low: float | None, high: float | None) -> str:
    """The interval of a drop as one of the change, in points."""
    if low is None or high is None:
        return ""
    return f"{change(high)} to {change(low)}"
