"""Alarms against events, on traces that are written down."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from har_benchmarks.alarms.judge import AlarmSettings, Figures, judge
from har_benchmarks.alarms.recordings import Recording
from har_benchmarks.alarms.trace import Trace
from har_edge.errors import SpecError
from har_edge.model.spec import ClipSpec, ModelSpec
from har_edge.testing import make_prediction

SPEC = ModelSpec("tiny", ("falling", "sitting"), ClipSpec(4, 4.0, 32, 32), 8)
SETTINGS = AlarmSettings(("falling",), within_s=2.0, min_duration_s=0.5, smoothing_s=0.0)
STEP_S = 0.25


def trace(
    falling: Sequence[tuple[float, float]], seconds: float, person: int | None = None
) -> Trace:
    """Falls with 80 % in these spans, and sits else; four predictions a second."""
    predictions = []
    for k in range(int(seconds / STEP_S)):
        at_s = k * STEP_S
        share = 0.8 if any(start <= at_s <= end for start, end in falling) else 0.1
        said = make_prediction({"falling": share, "sitting": 1 - share}, timestamp_s=at_s)
        predictions.append(replace(said, person=person))
    return Trace(seconds, tuple(predictions))


def recording(*spans: tuple[float, float], group: str = "a") -> Recording:
    return Recording(Path("clip.mp4"), group, spans)


def judged(
    pairs: Sequence[tuple[Recording, Trace]], threshold: float = 0.5, **changes: float
) -> Figures:
    recordings, traces = [r for r, _ in pairs], [t for _, t in pairs]
    return judge(SPEC, recordings, traces, replace(SETTINGS, **changes), threshold)


def test_an_alarm_in_time_finds_the_event() -> None:
    figures = judged([(recording((10.0, 12.0)), trace([(10.5, 13.0)], 60.0))])
    (one,) = figures.judged
    # It began at 10.5 and is certain half a second later.
    assert one.delays_s == (1.0,)
    assert one.false_at_s == ()
    # From a second before the event to two seconds after it no alarm is false.
    assert one.quiet_s == 60.0 - 5.0
    assert figures.summary.recall == 1.0


def test_an_alarm_too_late_is_false_and_the_event_missed() -> None:
    (one,) = judged([(recording((10.0, 12.0)), trace([(14.0, 20.0)], 60.0))]).judged
    assert one.delays_s == (None,)
    assert one.false_at_s == (14.5,)


def test_a_second_alarm_for_an_event_is_no_false_one() -> None:
    said = trace([(10.0, 11.0), (12.5, 14.0), (30.0, 31.0)], 60.0)
    (one,) = judged([(recording((10.0, 14.0)), said)]).judged
    assert (one.delays_s, one.repeats, one.false_at_s) == ((0.5,), 1, (30.5,))


def test_two_events_need_two_alarms() -> None:
    said = trace([(10.0, 11.0), (20.0, 21.0)], 60.0)
    (one,) = judged([(recording((10.0, 11.0), (20.0, 21.0), (40.0, 41.0)), said)]).judged
    assert one.delays_s == (0.5, 0.5, None)


def test_a_whole_file_that_shows_the_event_has_no_quiet_time() -> None:
    (one,) = judged([(recording((0.0, math.inf)), trace([(3.0, 5.0)], 8.0))]).judged
    assert (one.quiet_s, one.delays_s) == (0.0, (3.5,))


def test_what_is_too_improbable_or_too_short_is_no_alarm() -> None:
    pair = (recording((10.0, 12.0)), trace([(10.0, 12.0)], 60.0))
    assert judged([pair], threshold=0.9).summary.found == 0
    assert judged([pair], min_duration_s=3.0).summary.found == 0


def test_people_do_not_make_one_alarm_together() -> None:
    """Each falls for less than the shortest action, one right after the other."""
    first, second = trace([(10.0, 10.25)], 20.0, 1), trace([(10.5, 10.75)], 20.0, 2)
    both = sorted(first.predictions + second.predictions, key=lambda p: p.timestamp_s)
    assert judged([(recording(), Trace(20.0, tuple(both)))], 0.5).judged[0].false_at_s == ()


def test_rates_are_of_the_time_without_events() -> None:
    quiet = [(recording(group=str(i)), trace([], 1800.0)) for i in range(3)]
    wolf = (recording(group="wolf"), trace([(5.0, 6.0), (50.0, 51.0)], 1800.0))
    found = (recording((2.0, 4.0)), trace([(2.0, 4.0)], 7.0))
    summary = judged([*quiet, wolf, found]).summary
    assert (summary.false_alarms, summary.hours) == (2, pytest.approx(2.0, abs=0.001))
    assert summary.false_per_hour == pytest.approx(1.0, abs=0.001)
    assert summary.false_per_hour_low is not None and summary.false_per_hour_low < 0.2
    assert summary.false_per_hour_high is not None and summary.false_per_hour_high > 3.5


def test_an_action_that_the_model_does_not_know_is_told_without_a_recording() -> None:
    with pytest.raises(SpecError, match="does not know 'flying'"):
        judge(SPEC, (), (), AlarmSettings(("flying",)), 0.5)
