"""Whom to look at where there are too many: the largest, and not another one each frame."""

from __future__ import annotations

from har_edge.frames.frame import Person
from har_edge.people.choose import Chooser


def person(number: int, size: float) -> Person:
    return Person(0.9, (0.0, 0.0, size, 1.0), id=number)


def chosen(chooser: Chooser, *people: Person) -> list[int | None]:
    return [each.id for each in chooser.choose(people)]


def test_the_largest_are_chosen_and_the_others_counted() -> None:
    chooser = Chooser(2)
    people = [person(1, 0.1), person(2, 0.3), person(3, 0.2)]
    assert chosen(chooser, *people) == [2, 3]
    assert chooser.left_out == 1


def test_who_is_looked_at_stays_until_somebody_is_much_larger() -> None:
    chooser = Chooser(1)
    assert chosen(chooser, person(1, 0.2)) == [1]
    assert chosen(chooser, person(1, 0.2), person(2, 0.25)) == [1]
    assert chosen(chooser, person(1, 0.2), person(2, 0.4)) == [2]


def test_who_leaves_makes_room() -> None:
    chooser = Chooser(1)
    chooser.choose([person(1, 0.4), person(2, 0.1)])
    assert chosen(chooser, person(2, 0.1)) == [2]
    assert chooser.left_out == 0
    assert chosen(chooser) == []
