"""The command `har-edge`."""

from __future__ import annotations

import json
import os
from typing import Any, NoReturn

import click

from har_edge import __version__
from har_edge.commands.harness import BACKENDS, FORMATS, NumThreads, leave, note, run_command
from har_edge.commands.options.serve import check_exposure, serve_options
from har_edge.commands.options.sinks import live_sink_options, sink_options
from har_edge.commands.options.sources import has_sources, patience_options, source_options
from har_edge.model.native_log import keep_own_stderr


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 96})
@click.version_option(__version__, prog_name="har-edge")
def cli() -> None:
    """Say what a person is doing, from a camera, a video or a photo.

    \b
    Examples:
      har-edge run --demo
      har-edge run --camera 0
      har-edge info clips
    """


@cli.command()
@source_options
@click.option(
    "-m",
    "--model",
    metavar="FILE",
    default="har15",
    show_default=True,
    help="har15 (15 actions, frame by frame), clips (6, by motion), a .tflite or .onnx file.",
)
@click.option(
    "--taught", metavar="FILE", help="Actions that `har-edge teach` wrote to this file, too."
)
@click.option(
    "--backend",
    type=click.Choice(BACKENDS),
    default="auto",
    show_default=True,
    help="Runtime that executes the model.",
)
@click.option(
    "--num-threads",
    type=NumThreads(),
    metavar="N|auto",
    default=lambda: min(4, os.cpu_count() or 1),
    show_default="cores, at most 4",
    help="Threads for the model; auto measures once what suits this machine.",
)
@click.option(
    "--inference-fps",
    type=click.FloatRange(min=0, min_open=True),
    metavar="R",
    show_default="the model's rate",
    help="Predictions a second, to save power.",
)
@click.option(
    "--motion-gate", is_flag=True, help="Spare the encoder frames in which nothing moved."
)
@click.option(
    "-k",
    "--top-k",
    type=click.IntRange(min=1),
    metavar="K",
    default=3,
    show_default=True,
    help="Actions to list for each prediction.",
)
@click.option(
    "--output-format",
    type=click.Choice(FORMATS),
    default="text",
    show_default=True,
    help="Lines for people, JSON lines, or a table.",
)
@click.option("-o", "--output", metavar="FILE", help="Write here instead of standard output.")
@sink_options
@click.option(
    "--max-frames", type=click.IntRange(min=1), metavar="N", help="Stop after N frames in all."
)
@click.option(
    "--duration",
    type=click.FloatRange(min=0, min_open=True),
    metavar="S",
    help="Stop each source after S seconds of its own time.",
)
@click.option("--show/--headless", default=False, help="Open a window with the frames.")
@click.pass_context
def run(ctx: click.Context, /, **options: Any) -> None:
    """Classify SOURCES: pictures, videos, folders, globs, cameras, streams, lists of them.

    Cameras are camera:N, picamera:N or /dev/videoN; streams rtsp://, rtmp:// or http:// URLs;
    lists .txt files with a source a line; '-' is standard input. Files are read one after the
    other, live sources all at once. What is seen goes to standard output, progress and the
    summary to standard error.

    \b
    Examples:
      har-edge run --camera 0
      har-edge run photo.jpg holiday/ 'clips/*.mp4'
      har-edge run rtsp://user:password@cam.local/stream --emit events --save-events clips/
      har-edge run video.mp4 --model clips --output-format jsonl > actions.jsonl
      ffmpeg -i film.mkv -q:v 3 -r 25 -f mjpeg - | har-edge run -

    \b
    Exit codes: 0 done, 1 a source or an option is unusable, 2 usage,
    4 a live source was lost, 130 or 143 interrupted.
    """
    if not has_sources(options):
        raise click.UsageError("Nothing to do: give SOURCES, --camera N, --watch DIR or --demo.")
    from har_edge.commands.run import run_with_options

    ctx.exit(run_with_options(options, note))


@cli.command()
@click.argument("source", required=False, metavar="[SOURCE]")
@click.option("--camera", metavar="N|PATH", help="Camera by number or device file.")
@click.option("-m", "--model", metavar="FILE", default="har15", show_default=True,
              help="har15, clips, a .tflite or .onnx file.")  # fmt: skip
@click.option("--taught", metavar="FILE", help="File of taught actions; default your own.")
@click.option("--backend", type=click.Choice(BACKENDS), default="auto", show_default=True,
              help="Runtime that executes the model.")  # fmt: skip
@serve_options
@live_sink_options
@patience_options
@click.pass_context
def serve(ctx: click.Context, /, **options: Any) -> None:
    """Serve a REST API and a web page, with a camera or a stream as SOURCE if you like.

    \b
    Examples:
      har-edge serve
      har-edge serve --camera 0 --model clips
      har-edge serve rtsp://cam.local/stream --totals totals.db
      HAR_TOKEN=... har-edge serve --host 0.0.0.0

    \b
    Exit codes: 1 the model, a source or the address is unusable, 2 usage,
    130 or 143 ended by a signal.
    """
    check_exposure(options["host"], options["token"])
    from har_edge.commands.serve import serve_with_options

    ctx.exit(serve_with_options(options, note))


@cli.command()
@click.argument("model", default="har15", metavar="[MODEL]")
@click.option(
    "--backend",
    type=click.Choice(BACKENDS),
    default="auto",
    show_default=True,
    help="Runtime to load the model in.",
)
@click.option(
    "--output-format",
    type=click.Choice(("text", "json")),
    default="text",
    show_default=True,
    help="A table or one JSON object.",
)
def info(model: str, backend: str, output_format: str) -> None:
    """Print everything that MODEL (har15, clips, a .tflite or an .onnx file) says of itself.

    \b
    Examples:
      har-edge info
      har-edge info clips --output-format json
    """
    from har_edge.commands.info import describe, format_table

    facts = describe(model, backend)
    if output_format == "json":
        click.echo(json.dumps(facts, indent=2, ensure_ascii=False))
    else:
        click.echo(format_table(facts))


@cli.command()
@click.argument("name", required=False)
@click.argument("sources", nargs=-1, metavar="[SOURCES]...")
@click.option("--camera", metavar="N|PATH", help="Record from a camera.")
@click.option(
    "--duration",
    type=click.FloatRange(min=0, min_open=True),
    metavar="S",
    default=10.0,
    show_default=True,
    help="Seconds to take of each source.",
)
@click.option("-m", "--model", metavar="FILE", default="har15", show_default=True,
              help="The model to teach.")  # fmt: skip
@click.option("--backend", type=click.Choice(BACKENDS), default="auto", show_default=True,
              help="Runtime that executes the model.")  # fmt: skip
@click.option("--taught", metavar="FILE", help="File of taught actions; default your own.")
@click.option("--background", multiple=True, metavar="SOURCES",
              help="Recordings of other things, for a model that is not bundled.")  # fmt: skip
@click.option("--forget", metavar="NAME", help="Forget a taught action.")
@click.option("--list", is_flag=True, help="List what was taught.")
def teach(**options: Any) -> None:
    """Teach the model an action NAME from SOURCES: pictures, videos, or a camera.

    Teach the name `nothing` what the same place looks like without the action.

    \b
    Examples:
      har-edge teach waving --camera 0 --duration 10
      har-edge teach nothing --camera 0
      har-edge teach push_ups monday.mp4 tuesday.mp4
      har-edge teach --list
    """
    if not (options["list"] or options["forget"] or options["name"]):
        raise click.UsageError("Nothing to do: give NAME and SOURCES, --forget NAME or --list.")
    if options["name"] and not (options["sources"] or options["camera"]):
        raise click.UsageError("Nothing to record: give SOURCES or --camera N.")
    from har_edge.commands.teach import teach_with_options

    for line in teach_with_options(options, note):
        click.echo(line)


@cli.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of a table.")
@click.pass_context
def doctor(ctx: click.Context, as_json: bool) -> None:
    """Check this machine: runtimes, models, cameras, heat, and what would fix them.

    \b
    Exit codes: 0 nothing fails, 1 something does.
    """
    from har_edge.machine.doctor import examine, format_findings

    findings = examine()
    if as_json:
        facts = [finding.as_dict() for finding in findings]
        click.echo(json.dumps({"findings": facts}, indent=2, ensure_ascii=False))
    else:
        click.echo(format_findings(findings))
    ctx.exit(int(any(finding.level == "fail" for finding in findings)))


def main() -> NoReturn:
    """Entry point of `har-edge`."""
    keep_own_stderr()
    try:
        run_command(cli)
    except SystemExit as end:
        leave(end.code if isinstance(end.code, int) else 1)
