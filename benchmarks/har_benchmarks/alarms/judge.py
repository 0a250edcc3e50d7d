"""From traces to figures: which events were found, how late, and which alarms were false.

An alarm is what `har-edge run --emit events` calls `action_started`; it is raised at the prediction
that makes it certain. It belongs to an event if it is raised between `EARLY_S` before the event's
start and `within_s` after its end. The first such alarm finds the event; later ones repeat it. An
alarm that belongs to no event is false. Time within events, and `within_s` after them, is no time
in which an alarm could be false, and does not count among the hours.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from har_benchmarks.alarms.recordings import Recording
from har_benchmarks.alarms.trace import Trace
from har_edge.model.spec import ModelSpec
from har_edge.recognition.decide import Decider
from har_edge.recognition.events import EventTracker
from har_edge.statistics import poisson_interval, share_interval

# Who marks an event may mark its start a little late.
EARLY_S = 1.0
HOUR_S = 3600.0


@dataclass(frozen=True)
class AlarmSettings:
    """How alarms are raised and judged.

    Attributes:
        actions: The model's labels that raise an alarm.
        within_s: Latest time after an event's end at which an alarm still belongs to it.
        min_duration_s, smoothing_s: As for `har-edge run`.
    """

    actions: tuple[str, ...]
    within_s: float = 3.0
    min_duration_s: float = 0.5
    smoothing_s: float = 0.5


@dataclass(frozen=True)
class Judged:
    """What became of one recording.

    Attributes:
        recording: The recording.
        delays_s: For each event the time from its start to its alarm, None if there was none.
        false_at_s: When alarms were raised that belong to no event.
        repeats: Alarms for events that were found before.
        quiet_s: Time in which an alarm would have been false.
    """

    recording: Recording
    delays_s: tuple[float | None, ...]
    false_at_s: tuple[float, ...]
    repeats: int
    quiet_s: float


@dataclass(frozen=True)
class Summary:
    """The figures of a threshold.

    Attributes:
        threshold: Probability below which nothing is claimed.
        events, found: How many there are, and how many had an alarm.
        recall, recall_low, recall_high: Their share with its 95 % interval, drawn by group.
        delay_p50_s, delay_p90_s: Delays that half, and nine of ten, of the found do not exceed.
        repeats: Alarms for events that were found before.
        false_alarms, hours: Alarms without an event, and the time without events.
        false_per_hour, false_per_hour_low, false_per_hour_high: Their rate with the 95 % interval
            of a Poisson rate; None where there is no time without events.
    """

    threshold: float
    events: int
    found: int
    recall: float
    recall_low: float
    recall_high: float
    delay_p50_s: float | None
    delay_p90_s: float | None
    repeats: int
    false_alarms: int
    hours: float
    false_per_hour: float | None
    false_per_hour_low: float | None
    false_per_hour_high: float | None


@dataclass(frozen=True)
class Figures:
    """All recordings at one threshold.

    Attributes:
        threshold: Probability below which nothing is claimed.
        judged: One by one.
    """

    threshold: float
    judged: tuple[Judged, ...]

    @cached_property
    def summary(self) -> Summary:
        """What they come to."""
        rows = [(d, one.recording.group) for one in self.judged for d in one.delays_s]
        hits = np.array([delay is not None for delay, _ in rows], bool)
        low, high = share_interval(hits, [group for _, group in rows])
        delays = [delay for delay, _ in rows if delay is not None]
        hours = sum(one.quiet_s for one in self.judged) / HOUR_S
        false = sum(len(one.false_at_s) for one in self.judged)
        rates = [count / hours if hours else None for count in (false, *poisson_interval(false))]
        return Summary(
            threshold=self.threshold,
            events=len(hits),
            found=len(delays),
            recall=float(hits.mean()),
            recall_low=low,
            recall_high=high,
            delay_p50_s=_not_exceeded_by(delays, 0.5),
            delay_p90_s=_not_exceeded_by(delays, 0.9),
            repeats=sum(one.repeats for one in self.judged),
            false_alarms=false,
            hours=hours,
            false_per_hour=rates[0],
            false_per_hour_low=rates[1],
            false_per_hour_high=rates[2],
        )


def judge(
    spec: ModelSpec,
    recordings: Sequence[Recording],
    traces: Sequence[Trace],
    settings: AlarmSettings,
    threshold: float,
) -> Figures:
    """Judge all recordings at a threshold.

    Args:
        spec: Of the model that made the traces.
        recordings: What was run over.
        traces: One each.
        settings: How alarms are raised and judged.
        threshold: Probability below which nothing is claimed.

    Raises:
        SpecError: if the model does not know the actions.
    """
    _decider(spec, settings, threshold)  # a label that is unknown is told without a trace, too
    judged = []
    for recording, trace in zip(recordings, traces, strict=True):
        alarms = _alarms(spec, trace, settings, threshold)
        judged.append(_match(recording, trace, alarms, settings.within_s))
    return Figures(threshold, tuple(judged))


def _alarms(
    spec: ModelSpec, trace: Trace, settings: AlarmSettings, threshold: float
) -> list[float]:
    """When alarms are raised, in seconds."""
    deciders: dict[int | None, Decider] = {}
    tracker = EventTracker(settings.min_duration_s)
    raised = []
    for prediction in trace.predictions:
        if prediction.person not in deciders:
            deciders[prediction.person] = _decider(spec, settings, threshold)
        events = tracker.add(deciders[prediction.person].decide(prediction))
        raised += [prediction.timestamp_s for event in events if event.kind == "action_started"]
    return raised


def _decider(spec: ModelSpec, settings: AlarmSettings, threshold: float) -> Decider:
    return Decider.for_spec(
        spec,
        smoothing_s=settings.smoothing_s,
        score_threshold=threshold,
        allow=settings.actions,
    )


def _match(recording: Recording, trace: Trace, alarms: Sequence[float], within_s: float) -> Judged:
    delays: list[float | None] = [None] * len(recording.spans)
    false, repeats = [], 0
    for at_s in alarms:
        hits = [
            number
            for number, (start_s, end_s) in enumerate(recording.spans)
            if start_s - EARLY_S <= at_s <= end_s + within_s
        ]
        fresh = next((number for number in hits if delays[number] is None), None)
        if fresh is not None:
            delays[fresh] = max(0.0, at_s - recording.spans[fresh][0])
        elif hits:
            repeats += 1
        else:
            false.append(at_s)
    quiet_s = trace.seconds - _covered(recording.spans, within_s, trace.seconds)
    return Judged(recording, tuple(delays), tuple(false), repeats, quiet_s)


def _covered(spans: Sequence[tuple[float, float]], within_s: float, seconds: float) -> float:
    """Seconds of a recording in which alarms belong to events; overlaps count once."""
    covered, reached = 0.0, 0.0
    for start_s, end_s in sorted(spans):
        begin = min(max(start_s - EARLY_S, reached), seconds)
        end = min(end_s + within_s, seconds)
        if end > begin:
            covered, reached = covered + end - begin, end
    return covered


def _not_exceeded_by(values: Sequence[float], share: float) -> float | None:
    """The smallest value that at least this share does not exceed; None of none."""
    return float(np.quantile(values, share, method="inverted_cdf")) if values else None
