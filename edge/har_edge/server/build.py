"""What a server is made of, from its settings: load the model, prepare the live source."""

from __future__ import annotations

from dataclasses import replace

from har_edge.config import ServeConfig, SinkConfig
from har_edge.errors import SourceError
from har_edge.frames.opencv import import_cv2
from har_edge.model.file import ModelFile
from har_edge.model.loaded import load_file
from har_edge.model.spec import ModelSpec
from har_edge.model.trial import try_file
from har_edge.people.locate import PeopleParts
from har_edge.recognition.people import check_view
from har_edge.recognition.taught_file import load_taught
from har_edge.recognition.teachable import TeachableModel
from har_edge.run.openers import build_openers, is_apart
from har_edge.run.parts import build_decider, build_people, taught_line
from har_edge.run.runner import Run
from har_edge.run.watching import build_cover, build_watching, disclose
from har_edge.say import Say
from har_edge.server.choice import choose_models
from har_edge.server.guard import Guard
from har_edge.server.live import LiveSession
from har_edge.server.metrics import Metrics
from har_edge.server.recordings import Recordings
from har_edge.server.services import Services
from har_edge.server.teaching import Teacher
from har_edge.server.workers import Gate, Workers
from har_edge.server.zones import ZonesKeeper
from har_edge.sinks.base import Shot
from har_edge.sinks.fan_out import RunFacts, open_live_sinks
from har_edge.sources.names import camera_name, expand_sources
from har_edge.sources.urls import redact_name


def build_services(config: ServeConfig, note: Say) -> Services:
    """Load the model and prepare the live source.

    Args:
        config: What the server looks at, and what a request may cost.
        note: Takes lines for the user.

    Raises:
        HarError: if the model, the source or an output cannot be used.
    """
    chosen = list(choose_models(config, note, build_decider).values())
    for each in chosen:
        try_file(each.file, backend=config.backend)
    workers = Workers(config, [each.config for each in chosen])
    try:
        spec = workers.model.spec
        build_decider(spec, config.decide)  # refuses lists that do not fit
        people = build_people(config, note, keypoints=config.sink.keypoints)
        if taught := taught_line(spec, len(chosen[0].file.spec.labels)):
            note(taught)
        for model in workers.models.values():
            check_view(model.spec, people)
        built = _build_live(config, chosen[0].file, spec, people, note)
        live, zones, teacher = built or (None, None, None)
    except BaseException:
        workers.close()
        raise
    kept = config.sink.save_events
    recordings = None if live is None else Recordings(kept, live.source, spec.labels)
    limits = config.limits
    metrics = Metrics(workers.model)
    uploads = Gate(limits.max_requests, "uploads")
    metrics.watch_gate(uploads)
    if live is not None:
        metrics.watch_live(live)
        metrics.watch_people(live, spec.labels)
    return Services(
        workers=workers,
        limits=limits,
        uploads=uploads,
        viewers=Gate(limits.max_streams, "viewers", retry_after_s=5),
        listeners=Gate(limits.max_streams, "listeners", retry_after_s=5),
        guard=Guard(config.token, note),
        metrics=metrics,
        live=live,
        zones=zones,
        recordings=recordings,
        teacher=teacher,
    )


def _build_live(
    config: ServeConfig, file: ModelFile, spec: ModelSpec, people: PeopleParts | None, note: Say
) -> tuple[LiveSession, ZonesKeeper, Teacher] | None:
    source, decide = config.source, config.decide
    names = [*source.names, *map(camera_name, source.cameras)]
    if not names:
        _warn_of_idle_sinks(config.sink, note)
        return None
    names = expand_sources(names)
    if len(names) != 1 or names[0] == "-" or not is_apart(names[0]):
        raise SourceError(
            "serve takes one live source: a camera or the URL of a stream. Received "
            f"{', '.join(map(redact_name, names[:3]))}. Send files to /predict, or use "
            "har-edge run."
        )
    # A server outlasts its camera: it waits for one that is not there yet.
    patient = replace(source.live, wait_for_source=True)
    (opener,) = build_openers(replace(source, names=tuple(names), camera=None, live=patient))
    tracker, scene = build_watching(
        config.scene, decide, spec, people, sources=[opener.name], drawn=True
    )
    if (private := config.scene.private) is not None:
        disclose(config.sink, private, people, note, shown="the live view, to who may ask")
    # Uploads and the run share the cores; a frame is too small for OpenCV to share it out too.
    import_cv2().setNumThreads(1)
    base = load_file(file, backend=config.backend)
    model = TeachableModel(base, load_taught(base, config.taught))
    teacher = Teacher(model, config.taught, decide, note)
    facts = RunFacts(
        spec.clip.frame_rate_hz,
        min_duration_s=max(decide.min_duration_s, scene.told_after_s if scene else 0.0),
        people=people is not None,
    )
    sinks = open_live_sinks(config.sink, facts, note)

    def run(session: LiveSession) -> bool:
        def watch(shot: Shot) -> bool:
            teacher.see(shot)
            return session.see_frame(shot)

        run = Run(
            model=model,
            sinks=session,
            note=note,
            new_decider=lambda: build_decider(model.spec, decide),
            tracker=tracker,
            people=people,
            scene=scene,
            cover=build_cover(private),
            watch=watch,
            should_stop=lambda: session.stopping,
        )
        return bool(run([opener]).failed)

    keeper = ZonesKeeper(scene, config.scene.zones, opener.name, lambda: model.spec.labels)
    return LiveSession(opener.name, run, sinks, note, private), keeper, teacher


def _warn_of_idle_sinks(sink: SinkConfig, note: Say) -> None:
    """Say which sinks will get nothing, where nothing is looked at."""
    wanted = {
        "--save-events": sink.save_events,
        "--totals": sink.totals,
        "--mqtt": sink.mqtt,
        "--webhook": sink.webhook,
    }
    if idle := [option for option, value in wanted.items() if value]:
        note(f"{', '.join(idle)}: no effect without a camera or stream. Give one.")
