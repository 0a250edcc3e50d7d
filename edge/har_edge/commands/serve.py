"""`har-edge serve`: from options to a server."""

from __future__ import annotations

from dataclasses import replace

import click

from har_edge.commands.harness import note, usage_errors
from har_edge.commands.options.fields import setting
from har_edge.commands.options.models import MODEL
from har_edge.commands.options.people import people_options
from har_edge.commands.options.scene import SceneCommand, scene_options
from har_edge.commands.options.serve import serve_config, serve_options
from har_edge.commands.options.sinks import live_sink_options
from har_edge.commands.options.sources import patience_options
from har_edge.config import ServeConfig, SourceConfig
from har_edge.model.catalogue import bundled_for, suit


@click.command(cls=SceneCommand)
@click.argument("name", required=False, metavar="[SOURCE]")
@setting(
    SourceConfig, "camera", "--camera", metavar="N|PATH", help="Camera, by number or device file."
)
@setting(
    ServeConfig,
    "model",
    "-m",
    "--model",
    metavar="MODEL",
    type=MODEL,
    show_default="clips with a source, else har15",
    help="har15, clips, a .tflite or .onnx file, or a folder with one; see har-edge models.",
)
@setting(
    ServeConfig,
    "also",
    "--also",
    metavar="MODEL",
    type=MODEL,
    multiple=True,
    show_default="without -m, the other bundled model",
    help="Another model that uploads may be shown to; may be given again.",
)
@setting(
    ServeConfig,
    "taught",
    "--taught",
    metavar="FILE",
    help="File of taught actions; defaults to your own.",
)
@setting(ServeConfig, "backend", "--backend", help="Runtime that executes the model.")
@people_options
@scene_options
@serve_options
@live_sink_options
@patience_options
@usage_errors()
def serve(**values: object) -> None:
    """Serve a REST API and a dashboard, optionally with a camera or a stream as SOURCE.

    \b
    Examples:
      har-edge serve
      har-edge serve --camera 0
      har-edge serve -m models/mine --also har15
      har-edge serve rtsp://cam.local/stream --totals totals.db
      har-edge serve --camera 0 --zones room.json --fall-alarm --private
      HAR_TOKEN=... har-edge serve --host 0.0.0.0

    \b
    Exit codes: 1 the model, a source or the address cannot be used, 2 usage error,
    130 or 143 stopped by a signal.
    """
    config = serve_config(values)
    if config.model is None and not config.source.is_empty:
        choice = suit([*config.source.names, *config.source.cameras])
        note(choice.reason)
        also = bundled_for(people=config.people.detector is not None)
        config = replace(config, model=choice.model, also=config.also or also)
    from har_edge.server.extra import check_extra

    check_extra()
    from har_edge.server.app import serve as serve_all

    serve_all(config, note)
