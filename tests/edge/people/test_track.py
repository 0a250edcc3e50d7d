"""Tracks: numbers that stay through misses, gaps and crossings, and that end."""

from __future__ import annotations

import numpy as np
import pytest

from har_edge.arrays import Box
from har_edge.frames.frame import Person
from har_edge.people.track import CARRY_S, END_S, MAX_TRACKS, Tracker

STEP_S = 0.125


def box(x: float, y: float = 0.5, wide: float = 0.1, high: float = 0.5) -> Box:
    return (x - wide / 2, y - high / 2, x + wide / 2, y + high / 2)


def ids(people: tuple[Person, ...]) -> list[int | None]:
    return [person.id for person in people]


def test_a_person_who_walks_keeps_the_number_and_the_box() -> None:
    tracker = Tracker()
    for i in range(20):
        where = box(0.2 + 0.02 * i)
        (person,) = tracker.update([Person(0.9, where)], i * STEP_S)
        assert (person.id, person.box, person.located) == (1, where, True)


def test_boxes_are_carried_on_between_looks() -> None:
    tracker = Tracker()
    for i in range(8):
        tracker.update([Person(0.9, box(0.2 + 0.04 * i))], 2 * i * STEP_S)
    (carried,) = tracker.carry(15 * STEP_S)
    assert not carried.located
    middle = (carried.box[0] + carried.box[2]) / 2
    assert middle == pytest.approx(0.2 + 0.04 * 7.5, abs=0.01)


def test_keypoints_move_with_a_box_that_is_carried_on() -> None:
    tracker = Tracker()
    points = np.tile(np.array([0.5, 0.5, 0.9], np.float32), (17, 1))
    tracker.update([Person(0.9, (0.4, 0.4, 0.6, 0.6), points)], 0.0)
    (carried,) = tracker.carry(STEP_S)
    assert carried.keypoints is not None
    left, top, right, bottom = carried.box
    assert carried.keypoints[:, 0] == pytest.approx((left + right) / 2, abs=1e-6)
    assert carried.keypoints[:, 1] == pytest.approx((top + bottom) / 2, abs=1e-6)
    assert carried.keypoints[:, 2] == pytest.approx(0.9)


def test_who_is_hidden_comes_back_and_who_leaves_ends() -> None:
    tracker = Tracker()
    tracker.update([Person(0.9, box(0.5))], 0.0)
    assert ids(tracker.update([], CARRY_S)) == [1]
    assert ids(tracker.update([], CARRY_S + 0.1)) == []  # hidden
    assert tracker.ended == ()
    assert ids(tracker.update([Person(0.9, box(0.52))], END_S - 0.1)) == [1]
    tracker.update([], END_S)
    assert ids(tracker.update([], 2 * END_S)) == []
    assert tracker.ended == (1,)
    assert ids(tracker.update([Person(0.9, box(0.5))], 2 * END_S + STEP_S)) == [2]


def test_two_who_cross_keep_their_numbers() -> None:
    """One is not found while they are behind each other."""
    tracker = Tracker()
    for i in range(41):
        right, left = box(0.2 + 0.015 * i), box(0.8 - 0.015 * i)
        found = [Person(0.9, right), Person(0.8, left)]
        if abs(0.2 - 0.8 + 0.03 * i) < 0.05:
            found = found[:1]
        people = {p.id: p.box for p in tracker.update(found, i * STEP_S)}
    assert sorted(people, key=str) == [1, 2]
    assert people[1] == pytest.approx(box(0.8))
    assert people[2] == pytest.approx(box(0.2))


def test_weak_finds_continue_a_track_and_begin_none() -> None:
    tracker = Tracker(sure_score=0.5)
    assert tracker.update([Person(0.3, box(0.5))], 0.0) == ()
    tracker.update([Person(0.6, box(0.5))], STEP_S)
    (person,) = tracker.update([Person(0.3, box(0.51))], 2 * STEP_S)
    assert (person.id, person.located) == (1, True)


def test_a_track_begins_from_a_higher_score_on() -> None:
    tracker = Tracker(sure_score=0.5, begin_score=0.6)
    assert tracker.update([Person(0.59, box(0.5))], 0.0) == ()
    assert ids(tracker.update([Person(0.6, box(0.5))], STEP_S)) == [1]
    # Sure of being a person, it is known by being near, where nothing overlaps.
    moved = tracker.update([Person(0.59, box(0.58))], 2 * STEP_S)
    assert ids(moved) == [1]


def test_a_gap_ends_everybody_but_no_number_comes_twice() -> None:
    tracker = Tracker()
    tracker.update([Person(0.9, box(0.5))], 0.0)
    tracker.reset()
    assert tracker.ended == (1,)
    assert ids(tracker.update([Person(0.9, box(0.5))], 9.0)) == [2]


def test_a_crowd_is_bounded() -> None:
    tracker = Tracker()
    crowd = [
        Person(0.9, (0.01 * i, 0.1 * j, 0.01 * i + 0.008, 0.1 * j + 0.08))
        for i in range(50)
        for j in range(4)
    ]
    for step in range(3):
        assert len(tracker.update(crowd, step * STEP_S)) == MAX_TRACKS


def test_equal_finds_give_equal_tracks() -> None:
    def follow() -> list[tuple[Person, ...]]:
        tracker, random = Tracker(), np.random.default_rng(3)
        moments = random.uniform(0.2, 0.8, (30, 4))
        return [
            tracker.update([Person(0.9, box(float(x))) for x in xs], i * STEP_S)
            for i, xs in enumerate(moments)
        ]

    first, second = follow(), follow()
    for one, other in zip(first, second, strict=True):
        assert [(p.id, p.box) for p in one] == [(p.id, p.box) for p in other]
