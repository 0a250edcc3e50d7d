"""What `har-edge serve` does with its options: load, put together, listen."""

from __future__ import annotations

import gc
import os
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from har_edge.commands.options.serve import build_limits
from har_edge.commands.options.sinks import build_decider, build_live_sink_options
from har_edge.commands.options.sources import build_openers
from har_edge.errors import MissingExtraError, OutputError, SourceError
from har_edge.frames.opencv import import_cv2
from har_edge.model.loaded import Model, load_model
from har_edge.recognition.events import EventTracker
from har_edge.recognition.teach import load_taught
from har_edge.run.runner import Run, Sinks
from har_edge.sinks.base import Note
from har_edge.sinks.fan_out import open_live_sinks
from har_edge.sources.names import DEVICE, camera_name, expand_sources
from har_edge.sources.urls import is_url

if TYPE_CHECKING:
    from har_edge.server.live import LiveSession
    from har_edge.server.services import Services

MAX_WORKERS = 4
NEEDED = ("fastapi", "uvicorn", "python_multipart", "prometheus_client", "jinja2")


def serve_with_options(options: Mapping[str, Any], note: Note) -> int:
    """Serve until a signal comes.

    Args:
        options: The values of the command's options.
        note: Takes lines for the user.

    Returns:
        The exit code.

    Raises:
        HarError: if the model, the source or the address cannot be used.
    """
    _check_extra()
    from har_edge.server.app import Server, build_app, listen

    services = build_services(options, note)
    host, port = options["host"], options["port"]
    try:
        listener = listen(host, port)
    except OSError as error:
        raise OutputError(
            f"{host} port {port} cannot be listened on: {error.strerror}. Choose another --port, "
            "or an address of this machine as --host."
        ) from error
    app = build_app(services, origins=tuple(options["allow_origin"]))
    shown = f"[{host}]" if ":" in host else host
    note(
        f"har-edge serves {services.model.spec.name} on http://{shown}:"
        f"{listener.getsockname()[1]}  (Ctrl-C ends it)"
    )
    # What is there now stays to the end; collecting garbage need not look through it again.
    gc.freeze()
    with listener:
        Server(app, services).run(sockets=[listener])
    return 0


def build_services(options: Mapping[str, Any], note: Note) -> Services:
    """Load the model and prepare the live source.

    Raises:
        HarError: if the model or the source cannot be used.
    """
    from har_edge.server.answers import Answering, warm_up
    from har_edge.server.guard import Guard
    from har_edge.server.metrics import Metrics
    from har_edge.server.services import Services
    from har_edge.server.workers import Gate, Workers, keep_memory

    # Uploads share the cores; a frame is too small for OpenCV to share it out too.
    import_cv2().setNumThreads(1)
    keep_memory()
    load = partial(_load, options)
    model = load()
    limits = build_limits(options)
    new_decider = partial(build_decider, model.spec, options)
    new_decider()  # refuses lists that do not fit before anything is opened
    live = _build_live(options, model, note)
    metrics = Metrics(model)
    uploads = Gate(limits.max_requests, "uploads")
    metrics.watch_gate(uploads)
    if live is not None:
        metrics.watch_live(live)
    cores = len(os.sched_getaffinity(0))
    return Services(
        model=model,
        workers=Workers(lambda: warm_up(load()), options["workers"] or min(MAX_WORKERS, cores)),
        answering=Answering(new_decider, options["min_duration"], limits),
        uploads=uploads,
        viewers=Gate(limits.max_streams, "viewers", retry_after_s=5),
        listeners=Gate(limits.max_streams, "listeners", retry_after_s=5),
        guard=Guard(options["token"]),
        metrics=metrics,
        live=live,
    )


def _build_live(options: Mapping[str, Any], model: Model, note: Note) -> LiveSession | None:
    from har_edge.server.live import LiveSession

    names = [options["source"]] if options["source"] else []
    names += [camera_name(options["camera"])] if options["camera"] else []
    if not names:
        idle = [name for name in ("save_events", "totals", "mqtt", "webhook") if options[name]]
        if idle:
            given = ", ".join(f"--{name.replace('_', '-')}" for name in idle)
            note(f"{given}: nothing will come, since there is no camera or stream. Name one.")
        return None
    names = expand_sources(names)
    if len(names) != 1 or names[0] == "-" or not (is_url(names[0]) or DEVICE.fullmatch(names[0])):
        raise SourceError(
            "serve takes one live source: a camera or the URL of a stream. Received "
            f"{', '.join(names[:3])}. Send files to /predict, or use har-edge run."
        )
    # A server outlasts its camera: it waits for one that is not there yet.
    sources = {"sources": names, "camera": None, "demo": False, "stdin_format": None}
    (opener,) = build_openers({**options, **sources, "wait_for_source": True})
    sinks = open_live_sinks(build_live_sink_options(options), model.spec.clip.frame_rate_hz, note)

    def build_run(sinks: Sinks) -> Run:
        return Run(
            model=model,
            sinks=sinks,
            note=note,
            new_decider=partial(build_decider, model.spec, options),
            tracker=EventTracker(options["min_duration"]),
        )

    return LiveSession(opener, build_run, sinks, note)


def _load(options: Mapping[str, Any]) -> Model:
    model = load_model(options["model"], backend=options["backend"], num_threads=1)
    return load_taught(model, options["taught"])


def _check_extra() -> None:
    from importlib.util import find_spec

    for module in NEEDED:
        if find_spec(module) is None:
            raise MissingExtraError("serve", module)
