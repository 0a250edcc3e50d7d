"""One run: sources in, predictions out, until they end or somebody stops it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from har_edge.config import RunLimits
from har_edge.counted import counted
from har_edge.errors import SourceError, SourceLostError
from har_edge.frames.frame import Frame
from har_edge.frames.sampling import FrameSampler
from har_edge.media import Skipped
from har_edge.model.loaded import LoadedModel
from har_edge.people.locate import PeopleParts
from har_edge.recognition.answer import FileAnswer
from har_edge.recognition.decide import Decider, Deciders
from har_edge.recognition.events import Event, EventTracker
from har_edge.recognition.look import Looker, Seen
from har_edge.recognition.motion import MotionGate
from har_edge.recognition.people import new_looker
from har_edge.recognition.prediction import Prediction
from har_edge.recognition.scene import Scene
from har_edge.recognition.tally import FileTally
from har_edge.recognition.visits import Visit
from har_edge.run.ahead import Ahead, LocateAhead
from har_edge.run.lanes import PREFETCH_FRAMES, Closed, Follow, Item, Lanes, Opened, SourceOpener
from har_edge.run.progress import Progress
from har_edge.run.streams import Stream, live_stats
from har_edge.run.summary import Summary
from har_edge.run.watchdog import Watchdog
from har_edge.say import Say
from har_edge.sinks.base import Shot, Sinks
from har_edge.sinks.totals import Totals
from har_edge.sources.base import FrameSource, SourceStatus
from har_edge.sources.files import ImageSource

# A source is judged too slow only after so many frames, past a camera's uneven start.
SLOW_AFTER_FRAMES = 16
# Frames of a file that may wait once only their features are needed: 5 MB at 224 x 224.
PREFETCH_ENCODED = 30
# Why a file has no whole answer that nothing was wrong with.
STOPPED = "the run ended before it was read in full"

Watcher = Callable[[Shot], bool]


@dataclass
class RunResult:
    """How a run went.

    Attributes:
        summary: Figures over all sources.
        opened: Number of sources that were tried.
        failed: Sources that could not be read in full.
        live: What became of the frames of each live source, in words.
        stopped: Whether the viewer was closed.
        signal: The signal that stopped the run or came while its outputs were closed, or None;
            for whoever catches signals to note.
        lost: Whether a live source ended for good.
        totals: The time of each action a day, where it was added up; for whoever closes the sinks
            to note.
        skipped: What was passed over in folders.
        files: Number of files that were named; those of watched folders are not.
        file_number: Which of them was read last, from 1.
    """

    summary: Summary = field(default_factory=Summary)
    opened: int = 0
    failed: list[str] = field(default_factory=list)
    live: list[str] = field(default_factory=list)
    stopped: bool = False
    signal: int | None = None
    lost: bool = False
    totals: Totals | None = None
    skipped: Skipped = field(default_factory=Skipped)
    files: int = 0
    file_number: int = 0

    @property
    def place(self) -> str:
        """Which file is being read, or was read last; "" where there are not several."""
        several = self.files > 1 and 0 < self.file_number <= self.files
        return f"file {self.file_number} of {self.files}" if several else ""

    @property
    def exit_code(self) -> int:
        """0 done, 1 a source failed, 4 live source lost, 128 + n stopped by signal n."""
        if self.signal is not None:
            return 128 + self.signal
        if self.lost:
            return SourceLostError.exit_code
        return SourceError.exit_code if self.failed else 0


def count_files(sources: Sequence[SourceOpener]) -> int:
    """How many of some sources are read one after the other."""
    return sum(not source.apart for source in sources)


@dataclass
class Run:
    """Feeds sources to one model and hands on what it predicts.

    Attributes:
        model: The loaded model.
        sinks: Where predictions, events, states and pictures go.
        note: Takes lines for the user: warnings and failed sources.
        new_decider: Makes what decides on the predictions of one source.
        tracker: Makes events of what was decided.
        new_gate: Makes the motion gate of one source; None to encode every frame.
        people: What finds people, to be looked at one by one; None for whole pictures.
        limits: When to stop early.
        num_workers: Frames of a video file that are encoded at once, each by one thread; 1 leaves
            encoding to the threads of `model`, as a motion gate must.
        inference_hz: Predictions a second of the source's time; None for the model's rate.
        watchdog: Hears of fresh frames of live sources, black ones included.
        watch: Sees every frame with what was predicted for it; returns False to stop (a viewer).
        scene: Looks for zones and falls, and knows the rules; None without any.
        cover: Covers people in frames, before anybody sees, stores or sends them.
        progress: Whether to show a live line on stderr.
        should_stop: Asked several times a second; True ends the run.
    """

    model: LoadedModel
    sinks: Sinks
    note: Say
    new_decider: Callable[[], Decider]
    tracker: EventTracker = field(default_factory=EventTracker)
    new_gate: Callable[[], MotionGate] | None = None
    people: PeopleParts | None = None
    limits: RunLimits = field(default_factory=RunLimits)
    num_workers: int = 1
    inference_hz: float | None = None
    watchdog: Watchdog = field(default_factory=Watchdog)
    watch: Watcher | None = None
    scene: Scene | None = None
    cover: Callable[[Frame], Frame] | None = None
    progress: bool = False
    should_stop: Callable[[], bool] = lambda: False

    def __call__(
        self,
        sources: Sequence[SourceOpener],
        follow: Follow | None = None,
        before: RunResult | None = None,
    ) -> RunResult:
        """Run over sources: files one after the other, all others beside them.

        A source that fails is reported and the others go on.

        Args:
            sources: What to read.
            follow: Gives more files as they come.
            before: What came of other sources, to be gone on with.
        """
        result = before or RunResult(files=count_files(sources))
        streams: dict[int, Stream] = {}
        # Where nobody looks at pictures, encoded frames go without theirs, and many may wait.
        encodes_videos = self.num_workers > 1 and self.people is None
        keeps_pixels = not encodes_videos or self.sinks.want_shots or self.watch is not None
        ahead = Ahead(self.model, encodes_videos=encodes_videos, keeps_pixels=keeps_pixels)
        people = self.people
        lanes = Lanes(
            sources,
            self._sampling_hz(),
            work=LocateAhead(people) if people else ahead,
            num_workers=self.num_workers,
            prefetch=PREFETCH_FRAMES if keeps_pixels else PREFETCH_ENCODED,
            follow=follow,
            should_stop=lambda: self._ends(streams, lanes, result),
        )
        with lanes:
            self.watchdog.ready()
            try:
                for number, item in lanes:
                    self._handle(item, number, streams, lanes, result)
            finally:
                self.watchdog.stopping()
                for stream in streams.values():
                    self._finish(stream, result, STOPPED)
        return result

    def _sampling_hz(self) -> float:
        """Rate at which frames are taken: that of the model, which a window cannot do without."""
        clip = self.model.spec.clip
        if not clip.windowed and self.inference_hz is not None:
            return self.inference_hz
        return clip.frame_rate_hz

    def _handle(
        self,
        item: Item,
        number: int,
        streams: dict[int, Stream],
        lanes: Lanes,
        result: RunResult,
    ) -> None:
        """Take one item of a lane; a lane has one stream at a time."""
        if isinstance(item, Opened):
            result.file_number += not lanes.is_apart(number)
            streams[number] = self._open(item, result, lambda: lanes.frames_dropped(number))
        elif isinstance(item, Frame):
            stream = streams[number]
            if self._is_past(item.timestamp_s):
                lanes.skip(number, stream.source)
            else:
                self._recognize(item, stream, result)
        elif isinstance(item, SourceStatus):
            self._change_state(item)
        else:
            closed = streams.pop(number, None)
            apart = lanes.is_apart(number)
            result.file_number += not apart and closed is None
            self._close(item, closed, result, apart=apart)

    def _open(self, opened: Opened, result: RunResult, dropped: Callable[[], int]) -> Stream:
        dues = FrameSampler(self.inference_hz) if self.inference_hz else None
        rate_hz = result.summary.frames_per_second
        progress = Progress(opened.source, rate_hz, result.place) if self.progress else None
        windowed = self.model.spec.clip.windowed
        return Stream(
            opened.source,
            opened.sampler,
            self._new_looker(opened.source),
            Deciders(self.new_decider),
            dues,
            progress,
            dropped,
            FileTally(opened.source.name, self.new_decider, windowed=windowed),
        )

    def _new_looker(self, source: FrameSource) -> Looker:
        still = isinstance(source, ImageSource)
        return new_looker(self.model, self.people, still=still, new_gate=self.new_gate)

    def _recognize(self, frame: Frame, stream: Stream, result: RunResult) -> None:
        if frame.after_gap:
            self._end_events(stream.source)
            result.summary.note_gap(frame.source)
            stream.deciders.reset()
        seen = stream.looker.look(frame, predict=stream.is_due(frame))
        result.summary.frames += 1
        if stream.source.live:
            self.watchdog.fresh()
        self._forget(seen, stream, result)
        said = {p.person: self._decide(p, stream, result) for p in seen.by_number}
        decided = [said[p.person] for p in seen.predictions]  # for pictures, by size again
        if self.scene is not None:
            self._put_events(self.scene.watch(seen.frame, seen.gone), stream.source)
        if (heads := stream.heads.count(seen.frame, decided)) is not None:
            self.sinks.put(heads, wait=not stream.source.live)
        self._warn_if_slow(stream, at_end=False)
        if stream.progress:
            stream.progress.show(frame, decided[0] if decided else None)
        self._show(seen.frame, decided, stream, result)

    def _show(
        self, frame: Frame, decided: Sequence[Prediction], stream: Stream, result: RunResult
    ) -> None:
        """Hand the picture on, covered if it must be: nobody else gets one."""
        if not self.sinks.want_shots and self.watch is None:
            return
        shown = self.cover(frame) if self.cover is not None else frame
        whole = next((p for p in decided if p.person is None), None)
        shot = Shot(shown, whole, tuple(p for p in decided if p.person is not None))
        if self.sinks.want_shots:
            self.sinks.put(shot, wait=not stream.source.live)
        if self.watch is not None and not self.watch(shot):
            result.stopped = True

    def _forget(self, seen: Seen, stream: Stream, result: RunResult) -> None:
        """Forget who left, and say so if there are more than are looked at."""
        for person in seen.hidden:
            stream.deciders.forget(person)
            result.summary.forget(stream.source.name, person)
        for person in seen.gone:
            self._put_events(self.tracker.end_person(stream.source.name, person), stream.source)
        result.summary.left_out += seen.left_out
        if seen.left_out and not stream.crowded and self.people is not None:
            stream.crowded = True
            self.note(
                f"{stream.source.name}: more than "
                f"{counted(self.people.rule.max_people, 'person', 'people')}; the largest are "
                "looked at. Raise --max-people for more."
            )

    def _decide(self, prediction: Prediction, stream: Stream, result: RunResult) -> Prediction:
        """Say what was recognised, as a prediction and as events."""
        scene = self.scene
        decided = stream.deciders.decide(scene.place(prediction) if scene else prediction)
        decided = scene.permit(decided) if scene else decided
        result.summary.add(decided, prediction)
        if not stream.source.live:
            stream.tally.add(prediction, decided)
        self.sinks.put(decided, wait=not stream.source.live)
        self._put_events(self.tracker.add(decided), stream.source)
        return decided

    def _put_events(self, events: Sequence[Event | Visit], source: FrameSource) -> None:
        for event in events:
            self.sinks.put(event, wait=not source.live)

    def _end_events(self, source: FrameSource) -> None:
        """End all that goes on in a source."""
        self._put_events(self.tracker.end(source.name), source)
        if self.scene is not None:
            self._put_events(self.scene.end(source.name), source)

    def _change_state(self, status: SourceStatus) -> None:
        self.note(f"{status.source}: {status.detail or status.state}")
        self.watchdog.status(f"{status.source}: {status.detail or status.state}")
        if status.state != "live":
            # What went on ended when it was last seen; how long the outage lasts is not known yet.
            ended = self.scene.end(status.source) if self.scene else []
            for event in [*self.tracker.end(status.source), *ended]:
                self.sinks.put(event, wait=False)
        self.sinks.put(status, wait=False)

    def _close(
        self, closed: Closed, stream: Stream | None, result: RunResult, *, apart: bool
    ) -> None:
        result.opened += 1
        error = None if closed.error is None else str(closed.error)
        if stream is not None:
            self._finish(stream, result, error)
        elif not apart:
            self.sinks.put(FileAnswer(closed.name, None, None, error=error), wait=True)
        if closed.error is not None:
            self.note(f"Error: {closed.error}")
            result.failed.append(closed.name)
            result.lost = result.lost or isinstance(closed.error, SourceLostError)

    def _finish(self, stream: Stream, result: RunResult, error: str | None = None) -> None:
        source = stream.source
        if not source.live:
            # A file that breaks off still gets the prediction of what could be read.
            for prediction in stream.looker.finish():
                self._decide(prediction, stream, result)
            self.sinks.put(stream.tally.answer(source.duration_s, error), wait=True)
        self._end_events(source)
        result.summary.note_gap(source.name)
        self._warn_if_slow(stream, at_end=True)
        if (stats := live_stats(source)) is not None:
            # Before they were read and after it, newer ones took their place.
            dropped = stats.dropped + stream.dropped()
            if told := str(replace(stats, dropped=dropped)):
                result.live.append(f"{source.name}: {told}")
        result.summary.frames_skipped += stream.looker.skipped
        if stream.progress:
            stream.progress.clear()

    def _ends(self, streams: Mapping[int, Stream], lanes: Lanes, result: RunResult) -> bool:
        """Do what is due several times a second, frames or none; True ends the run."""
        for number, stream in streams.items():
            # At night a camera works and shows nothing: that is no reason to be restarted.
            if stream.sees_black():
                self.watchdog.fresh()
            # The time of a live source goes on without frames, too.
            if stream.source.live and self._is_past(time.monotonic() - stream.opened_s):
                lanes.skip(number, stream.source)
        limit = self.limits.max_frames
        enough = limit is not None and result.summary.frames >= limit
        stopped = result.stopped or self.should_stop()
        return enough or stopped

    def _is_past(self, time_s: float) -> bool:
        limit = self.limits.duration_s
        return limit is not None and time_s > limit

    def _warn_if_slow(self, stream: Stream, *, at_end: bool) -> None:
        """Say once if a source is slower than the model's rate, when enough of it was seen."""
        sampler = stream.sampler
        seen = at_end or sampler.taken >= SLOW_AFTER_FRAMES
        if stream.warned or not seen or not sampler.source_is_slow:
            return
        stream.warned = True
        if self.model.spec.clip.windowed:
            self.note(
                f"Warning: {stream.source.name} delivers about {sampler.achieved_hz:.1f} "
                f"frames/s, but the model was trained at {sampler.frame_rate_hz:g}. Motion "
                "looks faster to the model than it is; expect worse results, or train with a "
                "lower --frame-rate."
            )
