"""What values may be, and what is said of others."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import pytest

from har_edge.errors import ConfigError, HarError
from har_edge.settings import Range, Settings


@dataclass(frozen=True)
class Heating(Settings):
    degrees: float = field(default=20.0, metadata={"range": Range(0, 30)})
    rooms: int | None = field(default=None, metadata={"range": Range(1, whole=True)})
    hours: int | str = field(
        default="auto", metadata={"range": Range(0, 24, whole=True), "choices": ("auto",)}
    )
    mode: str = field(default="eco", metadata={"choices": ("eco", "full")})
    name: str = ""


@pytest.mark.parametrize(
    ("limits", "inside", "outside"),
    [
        (Range(0, 1), (0, 0.5, 1), (-0.1, 1.1, math.nan, "0.5", None)),
        (Range(0, open=True), (1e-9, math.inf), (0, -1, math.nan)),
        (Range(1, 3, whole=True), (1, 3), (0, 4, 2.0)),
        (Range(), (-math.inf, math.inf), (math.nan,)),
    ],
)
def test_ranges(limits: Range, inside: tuple[object, ...], outside: tuple[object, ...]) -> None:
    assert all(value in limits for value in inside)
    assert not any(value in limits for value in outside)


def test_what_may_be_is_taken() -> None:
    assert Heating() == Heating(20.0, None, "auto", "eco")
    Heating(degrees=30, rooms=2, hours=24, mode="full", name="anything")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"degrees": 31}, "degrees to be a number from 0 to 30. Received 31."),
        ({"degrees": None}, "degrees to be a number from 0 to 30. Received None."),
        ({"rooms": 0}, "rooms to be a whole number from 1. Received 0."),
        ({"hours": "long"}, "hours to be auto or a whole number from 0 to 24. Received 'long'."),
        ({"mode": "off"}, "mode to be eco or full. Received 'off'."),
    ],
)
def test_what_may_not_be_is_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=f"^Expected {message} ") as raised:
        Heating(**values)
    assert isinstance(raised.value, HarError) and isinstance(raised.value, ValueError)
    assert raised.value.exit_code == 2
