"""What `har-edge run` does with its options: load, open, run, sum up."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from har_edge.commands.options.sinks import build_decider, build_sink_options
from har_edge.commands.options.sources import build_follow, build_openers
from har_edge.errors import OutputError
from har_edge.frames.opencv import import_cv2
from har_edge.model.loaded import Model, load_model
from har_edge.paths import display_path
from har_edge.recognition.events import EventTracker
from har_edge.recognition.motion import MotionGate
from har_edge.recognition.teach import load_taught
from har_edge.run.lanes import Follow, SourceOpener
from har_edge.run.runner import Run, RunLimits, RunResult
from har_edge.run.stop_signals import stop_signals
from har_edge.sinks.base import Note
from har_edge.sinks.fan_out import FanOut, open_sinks


def run_with_options(options: Mapping[str, Any], note: Note) -> int:
    """Run over the sources and print the summary.

    Args:
        options: The values of the command's options.
        note: Takes lines for the user.

    Returns:
        The exit code.

    Raises:
        HarError: if a source, the model or an output cannot be used at all.
    """
    openers, follow = build_openers(options), build_follow(options, note)
    chosen_sinks = build_sink_options(options)
    _keep_sources(openers, options)
    # Sources share the cores with the model; a frame is too small for OpenCV to share it out too.
    import_cv2().setNumThreads(1)
    num_threads = _num_threads(options, note)
    # Frames of videos are encoded beside each other, by one thread each; those of a live source
    # come one by one, and so does what the motion gate lets pass.
    in_turns = options["motion_gate"] or any(opener.apart for opener in openers)
    model = _load(options, num_threads if in_turns else 1)
    new_decider = partial(build_decider, model.spec, options)
    new_decider()  # refuses lists that do not fit before anything is opened
    viewer = _viewer() if options["show"] else None
    sinks = open_sinks(chosen_sinks, model.spec.clip.frame_rate_hz, note)
    run = Run(
        model=model,
        sinks=sinks,
        note=note,
        new_decider=new_decider,
        tracker=EventTracker(options["min_duration"]),
        new_gate=MotionGate if options["motion_gate"] else None,
        limits=RunLimits(options["max_frames"], options["duration"]),
        inference_hz=options["inference_fps"],
        num_workers=1 if in_turns else num_threads,
        watch=viewer,
        progress=sys.stderr.isatty(),
    )
    with contextlib.closing(viewer) if viewer else contextlib.nullcontext():
        result = _run_and_close(run, sinks, openers, follow)
    _sum_up(result, note)
    if sinks.totals is not None:
        note(sinks.totals.format().rstrip())
    return result.exit_code


def _run_and_close(
    run: Run, sinks: FanOut, openers: Sequence[SourceOpener], follow: Follow | None
) -> RunResult:
    """Run until the end or a signal; one that comes while outputs are closed lets them be, too."""
    with stop_signals(sinks.hurry) as stop:
        try:
            result = replace(run, should_stop=lambda: stop.number is not None)(openers, follow)
        finally:
            sinks.close()
        result.signal = stop.number
    return result


def _keep_sources(openers: Sequence[SourceOpener], options: Mapping[str, Any]) -> None:
    """Refuse to write over what is about to be read.

    Raises:
        OutputError: if an output is one of the sources, or videos would become some.
    """
    for option in ("save_video", "save_events"):
        target = Path(options[option] or os.devnull).resolve()
        for folder in options["watch"]:
            if target.is_relative_to(Path(folder).resolve()):
                raise OutputError(
                    f"{display_path(folder)} is watched for new files, and --"
                    f"{option.replace('_', '-')} would put its videos there. Name a place outside."
                )
    files = [path for opener in openers if (path := Path(opener.name)).is_file()]
    for option in ("output", "save_video", "totals"):
        target = Path(options[option] or "-")
        if target.is_file() and any(target.samefile(path) for path in files):
            name = option.replace("_", "-")
            raise OutputError(
                f"{display_path(target)} is a source and shall be written to (--{name}), which "
                "would destroy it. Choose another file for the output."
            )


def _num_threads(options: Mapping[str, Any], note: Note) -> int:
    if options["num_threads"] != "auto":
        return int(options["num_threads"])
    from har_edge.machine.thread_choice import choose_num_threads

    choice = choose_num_threads(options["model"], backend=options["backend"])
    note(choice.format())
    return choice.num_threads


def _load(options: Mapping[str, Any], num_threads: int) -> Model:
    model = load_model(options["model"], backend=options["backend"], num_threads=num_threads)
    return load_taught(model, options["taught"])


def _viewer() -> Any:
    from har_edge.commands.viewer import Viewer

    return Viewer()


def _sum_up(result: RunResult, note: Note) -> None:
    if result.summary.frames:
        note("\n" + result.summary.format().rstrip())
    for stats in result.live:
        note(stats)
    if result.failed and result.opened > 1:  # of one, its own message said it
        note(f"{len(result.failed)} of {result.opened} sources could not be read in full.")
