"""Events against a plain second implementation, on random labels."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from itertools import pairwise

import pytest

from har_edge.frames.sampling import TOLERANCE_S
from har_edge.recognition.events import Event, EventTracker
from har_edge.recognition.prediction import UNKNOWN
from tests.support import records

LABELS = ("falling", "running", "sitting")
prediction = partial(records.prediction, source="a", labels=LABELS)


def track(answers: Sequence[tuple[float, str]], min_duration_s: float) -> list[Event]:
    tracker = EventTracker(min_duration_s)
    events = [e for at_s, action in answers for e in tracker.add(prediction(at_s, action))]
    return events + tracker.end_all()


def plain(answers: Sequence[tuple[float, str]], d: float) -> list[tuple[str, str, float, float]]:
    """The rules, read off the whole history at every step: kind, action, start, end."""
    found, current = [], None
    for k, (now, answer) in enumerate(answers):
        if current is not None:
            action, start = current
            last = max(t for t, a in answers[: k + 1] if a == action)
            if last < now and now - last >= d:
                found.append(("action_ended", action, start, last))
                current = None
        if current is None and answer != UNKNOWN:
            run = k
            while run > 0 and answers[run - 1][1] == answer:
                run -= 1
            if now - answers[run][0] >= d:
                current = (answer, answers[run][0])
                found.append(("action_started", answer, answers[run][0], -1.0))
    if current is not None:
        last = max(t for t, a in answers if a == current[0])
        found.append(("action_ended", *current, last))
    return found


def random_answers(rng: random.Random) -> list[tuple[float, str]]:
    """Answers that dwell, at uneven times in quarters of a second (exact in binary)."""
    labels = [*LABELS, UNKNOWN]
    now, answer, answers = 0.0, rng.choice(labels), []
    dwell = rng.choice([0.3, 0.6, 0.9])
    for _ in range(rng.randrange(60)):
        now += rng.choice([0.25, 0.25, 0.25, 0.5, 2.0])
        if rng.random() > dwell:
            answer = rng.choice(labels)
        answers.append((now, answer))
    return answers


@pytest.mark.parametrize("min_duration_s", [0.0, 0.25, 0.5, 1.0, 3.0])
def test_same_events_as_a_plain_second_implementation(min_duration_s: float) -> None:
    rng = random.Random(7)
    seen = 0
    for _ in range(400):
        answers = random_answers(rng)
        events = track(answers, min_duration_s)
        shown = [
            (e.kind, e.action, e.start_s, -1.0 if e.end_s is None else e.end_s) for e in events
        ]
        assert shown == plain(answers, min_duration_s), answers
        seen += len(events)
    assert seen > 100


@pytest.mark.parametrize("min_duration_s", [0.0, 0.5, 1.3])
def test_what_always_holds(min_duration_s: float) -> None:
    rng = random.Random(8)
    for _ in range(400):
        answers = [(t + rng.uniform(0, 0.2), a) for t, a in random_answers(rng)]
        events = track(answers, min_duration_s)
        assert len(events) % 2 == 0
        pairs = list(zip(events[::2], events[1::2], strict=True))
        for number, (start, end) in enumerate(pairs, 1):
            assert (start.kind, end.kind) == ("action_started", "action_ended")
            assert start.number == end.number == number
            assert (start.action, start.start_s) == (end.action, end.start_s)
            assert start.action != UNKNOWN
            assert start.end_s is None and start.duration_s is None
            assert end.duration_s is not None
            assert end.duration_s >= min_duration_s - TOLERANCE_S
            assert 0 < end.confidence <= 1
        for (_, before), (after, _) in pairwise(pairs):
            assert before.end_s is not None and before.end_s < after.start_s


def answers_of(text: str, step_s: float = 0.25) -> list[tuple[float, str]]:
    names = {"s": "sitting", "f": "falling", "r": "running", ".": UNKNOWN}
    return [(i * step_s, names[letter]) for i, letter in enumerate(text)]


def test_short_lapses_are_held_and_long_ones_end() -> None:
    start, end = track(answers_of("sss.srs....s."), 0.5)
    assert (start.start_s, start.action) == (0.0, "sitting")
    assert (end.start_s, end.end_s) == (0.0, 1.5)


def test_flicker_and_unknown_start_nothing() -> None:
    assert track(answers_of("srsrfrs......srsf"), 0.5) == []


def test_an_event_comes_as_soon_as_it_is_certain() -> None:
    tracker = EventTracker(0.5)
    told = {}
    for at_s, action in answers_of("sssfff"):
        for event in tracker.add(prediction(at_s, action)):
            told[event.kind, event.action] = at_s
    # Sitting was last seen at 0.5; falling was first seen at 0.75.
    assert told == {
        ("action_started", "sitting"): 0.5,
        ("action_ended", "sitting"): 1.0,
        ("action_started", "falling"): 1.25,
    }


def test_confidence_is_the_mean_over_the_action_alone() -> None:
    tracker = EventTracker(0.5)
    shares = [(0.0, "sitting", 0.6), (0.25, "sitting", 0.8), (0.5, "sitting", 1.0)]
    (start,) = [e for p in shares for e in tracker.add(prediction(*p))]
    assert start.confidence == pytest.approx(0.8)
    # A lapse counts with what the action had in it, what comes after the end does not.
    for at_s, action, share in [
        (0.75, "falling", 0.6),
        (1.0, "sitting", 1.0),
        (1.25, "falling", 1),
    ]:
        assert tracker.add(prediction(at_s, action, share)) == []
    (end,) = tracker.end("a")
    assert end.end_s == 1.0
    assert end.confidence == pytest.approx((0.6 + 0.8 + 1.0 + 0.2 + 1.0) / 5)


def test_a_gap_ends_an_action_and_nothing_bridges_it() -> None:
    tracker = EventTracker(0.5)
    for at_s in (0.0, 0.25, 0.5):
        tracker.add(prediction(at_s, "sitting"))
    (end,) = tracker.end("a")
    assert (end.kind, end.end_s) == ("action_ended", 0.5)
    assert tracker.add(prediction(9.0, "sitting")) == []  # starts to count anew
    assert tracker.end("a") == []
    assert tracker.end_all() == []


def test_a_time_that_falls_is_a_gap() -> None:
    tracker = EventTracker(0.5)
    for at_s in (5.0, 5.25, 5.5):
        tracker.add(prediction(at_s, "sitting"))
    (end,) = tracker.add(prediction(0.0, "sitting"))
    assert (end.kind, end.start_s, end.end_s) == ("action_ended", 5.0, 5.5)


def test_sources_do_not_touch_each_other() -> None:
    rng = random.Random(9)
    series = {source: random_answers(rng) for source in ("a", "b", "c")}
    mixed = sorted((t, source, a) for source, answers in series.items() for t, a in answers)
    tracker = EventTracker(0.5)
    events = [e for t, s, a in mixed for e in tracker.add(prediction(t, a, source=s))]
    events += tracker.end_all()
    for source, answers in series.items():
        mine = [(e.kind, e.action, e.start_s, e.end_s) for e in events if e.source == source]
        alone = [(e.kind, e.action, e.start_s, e.end_s) for e in track(answers, 0.5)]
        assert mine == alone
    starts = [e.number for e in events if e.kind == "action_started"]
    assert starts == sorted(set(starts))


def test_live_sources_tell_the_time_of_day() -> None:
    tracker = EventTracker(0.25)
    events = [
        e for at_s in (0.0, 0.25) for e in tracker.add(prediction(at_s, "sitting", start_s=1e9))
    ] + tracker.end_all()
    assert [(e.start_at_s, e.end_at_s) for e in events] == [(1e9, None), (1e9, 1e9 + 0.25)]


def test_times_that_containers_rounded_are_long_enough() -> None:
    """Half a second at 30 frames/s may be stored as 0.033 … 0.533."""
    assert len(track([(0.0337, "sitting"), (0.3, "sitting"), (0.533, "sitting")], 0.5)) == 2


def test_each_person_has_actions_of_its_own() -> None:
    """What one person does neither interrupts nor lengthens what another does."""
    rng = random.Random(11)
    for _ in range(50):
        answers = {person: random_answers(rng) for person in (1, 2, 3)}
        mixed = sorted(
            (at_s, person, action) for person, said in answers.items() for at_s, action in said
        )
        tracker = EventTracker(0.5)
        events = []
        for at_s, person, action in mixed:
            said = replace(prediction(at_s, action), person=person, zone=f"zone {person}")
            events += tracker.add(said)
        events += tracker.end_all()
        assert len({event.number for event in events if event.kind == "action_started"}) * 2 == len(
            events
        )
        for person, said in answers.items():
            own = [event for event in events if event.person == person]
            alone = track(said, 0.5)
            assert [(e.kind, e.action, e.start_s, e.end_s) for e in own] == [
                (e.kind, e.action, e.start_s, e.end_s) for e in alone
            ]
            assert all(event.zone == f"zone {person}" for event in own)


def test_a_person_who_leaves_ends_what_was_going_on() -> None:
    tracker = EventTracker(0.5)
    for at_s in (0.0, 0.5, 1.0):
        for person in (1, 2):
            tracker.add(replace(prediction(at_s, "falling"), person=person))
    (ended,) = tracker.end_person("a", 1)
    assert (ended.person, ended.kind, ended.end_s) == (1, "action_ended", 1.0)
    assert ended.as_dict()["person"] == 1
    assert str(ended) == "person 1: falling ended after 1.0 s, 0:01.00 of a"
    assert tracker.end_person("a", 1) == []
    assert [event.person for event in tracker.end("a")] == [2]


def test_a_rule_lets_an_action_begin_only_after_longer() -> None:
    tracker = EventTracker(0.5, {"sitting": 2.0})
    told = [e for at in range(9) for e in tracker.add(prediction(at / 4, "sitting"))]
    assert [(e.kind, e.start_s) for e in told] == [("action_started", 0.0)]
    assert tracker.add(prediction(2.25, "falling")) == []
    quick = EventTracker(0.5, {"sitting": 2.0})
    told = [e for at in range(4) for e in quick.add(prediction(at / 4, "falling"))]
    assert [(e.action, e.number) for e in told] == [("falling", 1)]
    assert quick.next_number() == 2
