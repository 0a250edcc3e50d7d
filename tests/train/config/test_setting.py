"""One setting: its range in words, its option, what is refused."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from har_edge.errors import DataError
from har_train.config.setting import Range, check_settings, setting, settings_of


@dataclass(frozen=True)
class Oven:
    heat: float = setting(180.0, metavar="C", help="Degrees.", allowed=Range(above=0, most=300))
    fan: bool = setting(False, option="--fan/--no-fan", help="Whether air moves.", shown="still")
    minutes: int = setting(
        0, key="oven_minutes", help="How long.", allowed=Range(least=1), shown=""
    )
    racks: tuple[int, ...] = setting((1,))

    def __post_init__(self) -> None:
        check_settings(self)


@pytest.mark.parametrize(
    ("bounds", "words", "inside", "outside"),
    [
        (Range(least=0), "0 or more", 0, -1),
        (Range(above=0), "above 0", 0.1, 0),
        (Range(least=0, most=1), "from 0 to 1", 1, 1.1),
        (Range(least=0, below=1), "at least 0 and below 1", 0, 1),
        (Range(above=0, most=0.5), "above 0 and at most 0.5", 0.5, 0),
    ],
)
def test_range_and_its_words(bounds: Range, words: str, inside: float, outside: float) -> None:
    assert str(bounds) == words
    assert inside in bounds
    assert outside not in bounds
    assert "0.3" not in bounds


def test_option_and_help_come_from_the_field() -> None:
    heat, fan, minutes, racks = settings_of(Oven)
    assert (heat.key, heat.option, heat.help) == ("heat", "--heat", "Degrees. [default: 180]")
    assert (fan.option, fan.help) == ("--fan/--no-fan", "Whether air moves. [default: still]")
    assert (minutes.key, minutes.attribute) == ("oven_minutes", "minutes")
    assert (minutes.option, minutes.help) == ("--oven-minutes", "How long.")
    assert racks.option == ""
    assert racks.take([1, 2]) == (1, 2)
    assert heat.take([1, 2]) == [1, 2]


def test_values_out_of_range_and_of_other_types_are_refused() -> None:
    assert Oven(heat=300).minutes == 0  # a default outside the range leaves the choice to others
    with pytest.raises(DataError, match=r"heat should be above 0 and at most 300\. Received 301"):
        Oven(heat=301)
    with pytest.raises(DataError, match=r"oven_minutes should be 1 or more\. Received -1"):
        Oven(minutes=-1)
    _, fan, minutes, racks = settings_of(Oven)
    for found, wrong in ((fan, 1), (minutes, 1.5), (racks, "12")):
        with pytest.raises(DataError, match=f"{found.key} should be of type"):
            found.check(wrong)
