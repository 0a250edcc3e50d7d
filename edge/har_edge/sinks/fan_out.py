"""All sinks of a run behind one front: opened from options, fed and closed together."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable
from dataclasses import dataclass

from har_edge.sinks.base import Note, Record, Shot, Sink
from har_edge.sinks.queue import CLOSE_TIMEOUT_S, QueueStats, SinkQueue
from har_edge.sinks.stream import Emit, StreamSink
from har_edge.sinks.totals import MAX_STEP_S, Totals

Path = str | os.PathLike[str]


@dataclass(frozen=True)
class SinkOptions:
    """Where results go; what is None is not opened.

    Attributes:
        output: File of the main output; None for standard output.
        output_format: `text`, `jsonl` or `csv`.
        emit: What the main output holds.
        top_k: Actions to list for each prediction.
        save_video: File for an annotated video.
        save_events: Folder for a clip of each action.
        event_padding_s: Seconds in a clip before and after the action.
        save_events_max_mb: Room for all clips.
        totals: File with the time of each action a day.
        mqtt: URL of a broker.
        mqtt_discovery: Where Home Assistant looks for configurations; "" for nowhere.
        folders: Watched folders, each of which is one camera to the broker.
        webhook: URL to post events to.
        min_duration_s: How long after its start an action is reported.
        inference_hz: Predictions a second, if fewer than the model's rate.
    """

    output: Path | None = None
    output_format: str = "text"
    emit: Emit = "predictions"
    top_k: int = 3
    save_video: Path | None = None
    save_events: Path | None = None
    event_padding_s: float = 3.0
    save_events_max_mb: float = 1000.0
    totals: Path | None = None
    mqtt: str | None = None
    mqtt_discovery: str = "homeassistant"
    folders: tuple[str, ...] = ()
    webhook: str | None = None
    min_duration_s: float = 0.5
    inference_hz: float | None = None


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


def open_sinks(options: SinkOptions, frame_rate_hz: float, note: Note) -> FanOut:
    """Open the main output and all that the options ask for.

    Args:
        options: What to open.
        frame_rate_hz: The model's rate, for videos.
        note: Takes lines for the user.

    Raises:
        OutputError: if one cannot be opened; the others are closed.
        MissingExtraError: if paho-mqtt is needed and not installed.
    """
    main = StreamSink(options.output, options.output_format, options.emit, options.top_k)
    return _open(main, options, frame_rate_hz, note)


def open_live_sinks(options: SinkOptions, frame_rate_hz: float, note: Note) -> FanOut:
    """Open all that the options ask for beside the main output; arguments and errors as above."""
    return _open(None, options, frame_rate_hz, note)


def _open(
    main: StreamSink | None, options: SinkOptions, frame_rate_hz: float, note: Note
) -> FanOut:
    sinks: list[Sink] = [main] if main is not None else []
    try:
        sinks += [build() for build in _builders(options, frame_rate_hz, note)]
    except BaseException:
        for sink in sinks:
            sink.close()
        raise
    return FanOut([SinkQueue(sink, note=note, vital=sink is main) for sink in sinks])


def _builders(options: SinkOptions, rate_hz: float, note: Note) -> list[Callable[[], Sink]]:
    """One function a sink that is asked for; what each needs is imported when it is called."""
    builders: list[Callable[[], Sink]] = []

    def video(path: Path) -> Sink:
        from har_edge.sinks.video import VideoSink

        return VideoSink(path, rate_hz)

    def clips(folder: Path) -> Sink:
        from har_edge.sinks.event_clips import EventClips

        return EventClips(
            folder,
            rate_hz,
            padding_s=options.event_padding_s,
            min_duration_s=options.min_duration_s,
            max_bytes=int(options.save_events_max_mb * 1e6),
        )

    def broker(url: str) -> Sink:
        from har_edge.sinks.mqtt import MqttSink

        return MqttSink(
            url,
            note,
            top_k=options.top_k,
            discovery_prefix=options.mqtt_discovery,
            folders=options.folders,
        )

    def webhook(url: str) -> Sink:
        from har_edge.sinks.webhook import WebhookSink

        return WebhookSink(url)

    if (totals := options.totals) is not None:
        # Who asks for one prediction a minute wants that minute counted.
        step_s = max(MAX_STEP_S, 2 / (options.inference_hz or 1.0))
        builders.append(lambda: Totals(totals, note, longest_step_s=step_s))
    if (file := options.save_video) is not None:
        builders.append(lambda: video(file))
    if (folder := options.save_events) is not None:
        builders.append(lambda: clips(folder))
    if (url := options.webhook) is not None:
        builders.append(lambda: webhook(url))
    if (address := options.mqtt) is not None:
        builders.append(lambda: broker(address))
    return builders
