"""All sinks of a run behind one front: opened from settings, fed and closed together."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable
from dataclasses import dataclass

from har_edge.config import DecideConfig, FilePath, SinkConfig
from har_edge.say import Say
from har_edge.sinks.base import Record, Shot, Sink
from har_edge.sinks.queue import CLOSE_TIMEOUT_S, QueueStats, SinkQueue
from har_edge.sinks.stream import StreamSink
from har_edge.sinks.totals import MAX_STEP_S, Totals


@dataclass(frozen=True)
class RunFacts:
    """What sinks must know of the run that feeds them.

    Attributes:
        frame_rate_hz: The model's rate, for videos.
        inference_hz: Predictions a second, if fewer than the model's rate.
        min_duration_s: How long after its start an action is reported.
        folders: Watched folders, each of which is one camera to the broker.
        people: Whether people are told apart.
    """

    frame_rate_hz: float
    inference_hz: float | None = None
    min_duration_s: float = DecideConfig.min_duration_s
    folders: tuple[str, ...] = ()
    people: bool = False


class FanOut:
    """The queues of a run; the first is the main output.

    Attributes:
        totals: The sink that keeps totals, to be formatted after `close`, or None.
    """

    def __init__(self, queues: list[SinkQueue]) -> None:
        self.queues = queues
        self._hurried_s: float | None = None
        sinks = [queue.sink for queue in queues]
        self.totals = next((sink for sink in sinks if isinstance(sink, Totals)), None)

    @property
    def want_shots(self) -> bool:
        """Whether any sink takes pictures; if not, no `Shot` need be made."""
        return any(issubclass(Shot, queue.sink.wants) for queue in self.queues)

    def put(self, record: Record, *, wait: bool) -> None:
        """Give a record to all sinks that want its kind.

        Args:
            record: What to hand on.
            wait: True for files, whose records are all kept; False for live sources.

        Raises:
            BrokenPipeError: if the reader of standard output has gone.
            OutputError: if the main output cannot be written.
        """
        for queue in self.queues:
            queue.put(record, wait=wait)

    def hurry(self) -> None:
        """Let no `put` wait any longer; for signal handlers."""
        self._hurried_s = self._hurried_s or time.monotonic()
        for queue in self.queues:
            queue.hurry()

    def close(self, timeout_s: float = CLOSE_TIMEOUT_S) -> list[QueueStats]:
        """Close all sinks at the same time and note what was lost.

        Args:
            timeout_s: Time limit. The main output has none until `hurry` is called: a reader
                may pause, as a pager does.

        Raises:
            BrokenPipeError, OutputError: as in `put`, after the others are closed.
        """
        until_s = time.monotonic() + timeout_s
        for queue in self.queues:
            queue.finish()

        def close(queue: SinkQueue) -> None:
            now_s, hurried_s = time.monotonic(), self._hurried_s
            left_s = max(0.0, until_s - now_s)
            if queue.vital:
                # It has all of the time from when it is hurried, or still will be.
                since_s = now_s if hurried_s is None else hurried_s
                left_s = max(left_s, since_s + timeout_s - now_s)
            queue.close(left_s)

        with contextlib.ExitStack() as stack:
            # Called last to first: the main output, which may raise, is the last one.
            for queue in self.queues:
                stack.callback(close, queue)
        return [queue.stats for queue in self.queues]


def open_sinks(config: SinkConfig, facts: RunFacts, note: Say) -> FanOut:
    """Open the main output and all requested sinks.

    Args:
        config: What to open.
        facts: About the run that will feed them.
        note: Takes lines for the user.

    Raises:
        OutputError: if one cannot be opened; the others are closed.
        MissingExtraError: if paho-mqtt is needed and not installed.
    """
    main = StreamSink(
        config.output,
        config.output_format,
        config.emit,
        config.top_k,
        people=facts.people,
        keypoints=config.keypoints,
    )
    return _open(main, config, facts, note)


def open_live_sinks(config: SinkConfig, facts: RunFacts, note: Say) -> FanOut:
    """Open all that is asked for beside the main output; arguments and errors as above."""
    return _open(None, config, facts, note)


def _open(main: StreamSink | None, config: SinkConfig, facts: RunFacts, note: Say) -> FanOut:
    sinks: list[Sink] = [main] if main is not None else []
    try:
        sinks += [build() for build in _builders(config, facts, note)]
    except BaseException:
        for sink in sinks:
            sink.close()
        raise
    return FanOut([SinkQueue(sink, note=note, vital=sink is main) for sink in sinks])


def _builders(config: SinkConfig, facts: RunFacts, note: Say) -> list[Callable[[], Sink]]:
    """One function a sink that is asked for; what each needs is imported when it is called."""
    builders: list[Callable[[], Sink]] = []

    def video(path: FilePath) -> Sink:
        from har_edge.sinks.video import VideoSink

        return VideoSink(path, facts.frame_rate_hz)

    def clips(folder: FilePath) -> Sink:
        from har_edge.sinks.event_clips import EventClips

        days = config.save_events_max_days
        return EventClips(
            folder,
            facts.frame_rate_hz,
            padding_s=config.event_padding_s,
            min_duration_s=facts.min_duration_s,
            max_bytes=int(config.save_events_max_mb * 1e6),
            max_age_s=math.inf if days is None else days * 86_400,
        )

    def broker(url: str) -> Sink:
        from har_edge.sinks.mqtt import MqttSink

        return MqttSink(
            url,
            note,
            top_k=config.top_k,
            discovery_prefix=config.mqtt_discovery,
            folders=facts.folders,
            keypoints=config.keypoints,
        )

    def webhook(url: str) -> Sink:
        from har_edge.sinks.webhook import WebhookSink

        return WebhookSink(url)

    if (totals := config.totals) is not None:
        # Who asks for one prediction a minute wants that minute counted.
        step_s = max(MAX_STEP_S, 2 / (facts.inference_hz or 1.0))
        builders.append(lambda: Totals(totals, note, longest_step_s=step_s))
    if (file := config.save_video) is not None:
        builders.append(lambda: video(file))
    if (folder := config.save_events) is not None:
        builders.append(lambda: clips(folder))
    if (url := config.webhook) is not None:
        builders.append(lambda: webhook(url))
    if (address := config.mqtt) is not None:
        builders.append(lambda: broker(address))
    return builders
