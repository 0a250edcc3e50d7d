"""A run from its settings: find the sources, load the model, open the sinks; then run it."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from har_edge.config import FilePath, RunConfig
from har_edge.errors import OutputError
from har_edge.frames.opencv import import_cv2
from har_edge.media import Skipped
from har_edge.model.catalogue import (
    MOTION_MODEL,
    PICTURE_MODEL,
    both_suit,
    sight_of,
    suit,
)
from har_edge.model.file import BUNDLED
from har_edge.model.loaded import LoadedModel
from har_edge.model.trial import try_model
from har_edge.paths import display_path
from har_edge.people.locate import PeopleParts
from har_edge.recognition.events import EventTracker
from har_edge.recognition.motion import MotionGate
from har_edge.recognition.people import check_view
from har_edge.recognition.scene import Scene
from har_edge.recognition.taught_file import taught_to
from har_edge.run.lanes import Follow, SourceOpener
from har_edge.run.openers import build_follow, build_openers
from har_edge.run.parts import build_decider, build_model, build_people, taught_line
from har_edge.run.runner import Run, RunResult, Watcher, count_files
from har_edge.run.stop_signals import stop_signals
from har_edge.run.viewer import Viewer
from har_edge.run.watching import build_cover, build_watching, disclose
from har_edge.say import Say
from har_edge.sinks.fan_out import FanOut, RunFacts, open_sinks


@dataclass(frozen=True)
class BuiltRun:
    """A run and all that it needs, opened and ready to go.

    Attributes:
        run: Feeds sources to the model.
        openers: The sources.
        follow: Gives the files of watched folders; None without any.
        sinks: Where results go; whoever builds a run closes them.
        others: Runs over sources that another model suits, to be done first.
        viewer: The window, if one is asked for; to be closed, too.
        skipped: What is passed over in folders; of watched ones, it comes while the run goes on.
    """

    run: Run
    openers: Sequence[SourceOpener]
    follow: Follow | None
    sinks: FanOut
    others: Sequence[tuple[Run, Sequence[SourceOpener]]] = ()
    viewer: Viewer | None = None
    skipped: Skipped = field(default_factory=Skipped)


def run(
    config: RunConfig,
    note: Say = lambda line: None,
    *,
    progress: bool = False,
    watch: Watcher | None = None,
) -> RunResult:
    """Run over the sources until they end, or until a signal ends them; outputs are complete.

    Args:
        config: What to look at, with which model, and where its answers go.
        note: Takes lines for the user.
        progress: Whether to show on stderr how far a source is: a line that is rewritten, or,
            without a terminal, one every ten seconds of a file.
        watch: Sees every frame with its prediction, in place of a window; False ends the run.

    Returns:
        How it went: `exit_code` says whether a source failed or a signal ended it.

    Raises:
        HarError: if a source, the model or an output cannot be used at all.
        BrokenPipeError: if the reader of standard output has gone.

    Example:
        >>> from har_edge.config import RunConfig, RunLimits, SinkConfig, SourceConfig
        >>> demo, sink = SourceConfig(demo=True), SinkConfig(output="/dev/null")
        >>> run(RunConfig(source=demo, sink=sink, limits=RunLimits(max_frames=2))).summary.frames
        2
    """
    built = build_run(config, note, progress=progress)
    sinks, viewer = built.sinks, built.viewer
    # A signal that comes while outputs are closed lets them be closed, too.
    with (
        contextlib.closing(viewer) if viewer else contextlib.nullcontext(),
        stop_signals(sinks.hurry) as stop,
    ):
        try:
            runs = [*built.others, (built.run, built.openers)]
            result = RunResult(files=sum(count_files(openers) for _, openers in runs))
            for one, openers in runs:
                seen = watch or one.watch
                go = replace(one, watch=seen, should_stop=lambda: stop.number is not None)
                go(openers, built.follow, result)
        finally:
            sinks.close()
        result.signal = stop.number
    result.totals = sinks.totals
    result.skipped = built.skipped
    return result


def build_run(config: RunConfig, note: Say, *, progress: bool = False) -> BuiltRun:
    """Find the sources, load the model and open the sinks; arguments and errors as for `run`."""
    skipped = Skipped()
    openers = build_openers(config.source, skipped)
    follow = build_follow(config.source, note, skipped)
    _keep_sources(openers, config)
    # Sources share the cores with the model; a frame is too small for OpenCV to share it out too.
    import_cv2().setNumThreads(1)
    *others, last = [_Part.of(*part, note) for part in _parted(config, openers, note)]
    viewer = Viewer() if config.show else None
    if (private := config.scene.private) is not None:
        disclose(config.sink, private, last.people, note, shown="a window" if viewer else "")
    sinks = open_sinks(config.sink, last.facts(), note)

    def run_of(part: _Part) -> Run:
        return part.run(sinks, note, watch=viewer, progress=progress)

    runs_before = [(run_of(part), part.openers) for part in others]
    return BuiltRun(run_of(last), last.openers, follow, sinks, runs_before, viewer, skipped)


@dataclass(frozen=True)
class _Part:
    """Sources and the model that looks at them, loaded; outputs are still to be opened."""

    config: RunConfig
    openers: Sequence[SourceOpener]
    model: LoadedModel
    people: PeopleParts | None
    tracker: EventTracker
    scene: Scene | None
    num_workers: int

    @classmethod
    def of(cls, config: RunConfig, openers: Sequence[SourceOpener], note: Say) -> _Part:
        """Load the model that the settings name, and check that it goes with them."""
        try_model(config.model, backend=config.backend)
        num_threads = _num_threads(config, note)
        # Frames of videos are encoded beside each other, by one thread each; those of a live source
        # come one by one, and so does what the motion gate lets pass.
        in_turns = config.motion_gate or any(opener.apart for opener in openers)
        people = build_people(
            config, note, num_threads if in_turns else 1, keypoints=config.sink.keypoints
        )
        # People are looked for by the thread that reads, beside the one that recognises them.
        in_turns = in_turns or people is not None
        model = build_model(config, num_threads if in_turns else 1)
        check_view(model.spec, people)
        if taught := taught_line(model.spec, model.num_classes):
            note(taught)
        build_decider(model.spec, config.decide)  # refuses lists that do not fit before all else
        names = None if config.source.watch else [opener.name for opener in openers]
        tracker, scene = build_watching(
            config.scene, config.decide, model.spec, people, sources=names
        )
        num_workers = 1 if in_turns else num_threads
        return cls(config, openers, model, people, tracker, scene, num_workers)

    def facts(self) -> RunFacts:
        """What outputs are to know."""
        config, told_after_s = self.config, self.scene.told_after_s if self.scene else 0.0
        return RunFacts(
            self.model.spec.clip.frame_rate_hz,
            inference_hz=config.inference_hz,
            min_duration_s=max(config.decide.min_duration_s, told_after_s),
            folders=config.source.watch,
            people=self.people is not None,
        )

    def run(self, sinks: FanOut, note: Say, *, watch: Watcher | None, progress: bool) -> Run:
        """The run over its sources."""
        config = self.config
        return Run(
            model=self.model,
            sinks=sinks,
            note=note,
            new_decider=partial(build_decider, self.model.spec, config.decide),
            tracker=self.tracker,
            scene=self.scene,
            cover=build_cover(config.scene.private),
            new_gate=MotionGate if config.motion_gate else None,
            people=self.people,
            limits=config.limits,
            inference_hz=config.inference_hz,
            num_workers=self.num_workers,
            watch=watch,
            progress=progress,
        )


def _parted(
    config: RunConfig, openers: Sequence[SourceOpener], note: Say
) -> list[tuple[RunConfig, Sequence[SourceOpener]]]:
    """Part the sources by the model that suits them, where none is named: pictures come first."""
    # Taught actions, lists and rules are about the actions of one model.
    of_one = config.taught or config.decide.allow or config.decide.deny or config.scene.zones
    free = config.model is None and not of_one and not config.source.watch
    pictures = [o for o in openers if sight_of(o.name) == "picture"] if free else []
    if not pictures or len(pictures) == len(openers):
        return [(_with_model(config, openers, note), openers)]
    note(both_suit(len(pictures), len(openers) - len(pictures)))
    moving = [opener for opener in openers if opener not in pictures]
    return [
        (replace(config, model=PICTURE_MODEL), pictures),
        (replace(config, model=MOTION_MODEL), moving),
    ]


def _with_model(config: RunConfig, openers: Sequence[SourceOpener], note: Say) -> RunConfig:
    """Choose the model that suits the sources, where none is named, and say so."""
    if config.model is not None:
        return config
    if (taught := config.taught) is not None and (name := taught_to(taught)) in BUNDLED:
        return replace(config, model=name)
    choice = suit((opener.name for opener in openers), folders=bool(config.source.watch))
    note(choice.reason)
    return replace(config, model=choice.model)


def _num_threads(config: RunConfig, note: Say) -> int:
    if config.num_threads != "auto":
        return config.num_threads
    from har_edge.machine.thread_choice import choose_num_threads

    choice = choose_num_threads(config.model, backend=config.backend)
    note(choice.format())
    return choice.num_threads


def _keep_sources(openers: Sequence[SourceOpener], config: RunConfig) -> None:
    """Refuse to write over what is about to be read.

    Raises:
        OutputError: if an output is one of the sources, or videos would become some.
    """
    sink = config.sink
    for option, videos in (("--save-video", sink.save_video), ("--save-events", sink.save_events)):
        for folder in config.source.watch:
            if videos and Path(videos).resolve().is_relative_to(Path(folder).resolve()):
                raise OutputError(
                    f"{option} should be outside {display_path(folder)}, which is watched for "
                    "new files. Received a place inside it. Choose another."
                )
    files = [path for opener in openers if (path := Path(opener.name)).is_file()]
    outputs: tuple[tuple[str, FilePath | None], ...] = (
        ("--output", sink.output),
        ("--save-video", sink.save_video),
        ("--totals", sink.totals),
    )
    for option, output in outputs:
        target = Path(output or "-")
        if target.is_file() and any(target.samefile(path) for path in files):
            raise OutputError(
                f"{display_path(target)} is a source, and writing to it ({option}) would "
                "destroy it. Choose another output file."
            )
