"""The command `har-edge`."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from har_edge import __version__
from har_edge.errors import HarError

if TYPE_CHECKING:
    from har_edge.sources import FrameSource

BACKENDS = ("auto", "litert", "tflite-runtime", "onnxruntime")
FORMATS = ("text", "jsonl", "csv")


def note(message: str) -> None:
    """Say something to the user, on stderr."""
    click.echo(message, err=True)


def run_command(
    command: click.Command, arguments: Sequence[str] | None = None, *, prog_name: str | None = None
) -> NoReturn:
    """Run a command and exit by the project's exit codes; shared by all our commands."""
    try:
        code = command.main(arguments, prog_name=prog_name, standalone_mode=False)
    except click.exceptions.Exit as error:
        code = error.exit_code
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    except HarError as error:
        note(f"Error: {error}")
        code = error.exit_code
    except (KeyboardInterrupt, click.Abort):
        note("Interrupted.")
        code = 130
    except BrokenPipeError:
        # The reader (head, say) has enough; keep the interpreter from complaining at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 0
    sys.exit(code if isinstance(code, int) else 0)


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
@click.argument("sources", nargs=-1, metavar="[SOURCES]...")
@click.option("--camera", type=click.IntRange(min=0), metavar="N", help="Camera by index.")
@click.option("--demo", is_flag=True, help="Run on the bundled pictures and clip.")
@click.option(
    "-m",
    "--model",
    metavar="FILE",
    default="har15",
    show_default=True,
    help="har15 (15 actions, frame by frame), clips (6, by motion), a .tflite or .onnx file.",
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
    type=click.IntRange(min=1),
    metavar="N",
    default=lambda: min(4, os.cpu_count() or 1),
    show_default="cores, at most 4",
    help="Threads of the runtime.",
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
    """Classify SOURCES: pictures, videos, folders or globs of either, or a camera.

    Predictions go to standard output, progress and the summary to standard error.

    \b
    Examples:
      har-edge run --camera 0
      har-edge run photo.jpg holiday/ 'clips/*.mp4'
      har-edge run video.mp4 --model clips --output-format jsonl > actions.jsonl

    \b
    Exit codes: 0 done, 1 a source or an option is unusable, 2 usage,
    4 the camera was lost, 130 or 143 interrupted.
    """
    if not (options["sources"] or options["demo"] or options["camera"] is not None):
        raise click.UsageError("Nothing to do: give SOURCES, --camera N or --demo.")
    ctx.exit(_run(**options))


def _run(
    *,
    sources: tuple[str, ...],
    camera: int | None,
    demo: bool,
    model: str,
    backend: str,
    num_threads: int,
    top_k: int,
    output_format: str,
    output: str | None,
    max_frames: int | None,
    duration: float | None,
    show: bool,
) -> int:
    from har_edge.output import WRITERS, open_output
    from har_edge.recognizer import load_model
    from har_edge.runner import Run, RunLimits

    todo = _sources(sources, camera, demo)
    loaded = load_model(model, backend=backend, num_threads=num_threads)
    viewer = _viewer() if show else None
    stream = open_output(output)
    try:
        result = Run(
            model=loaded,
            writer=WRITERS[output_format](stream, top_k),
            note=note,
            limits=RunLimits(max_frames, duration),
            watch=viewer,
            progress=sys.stderr.isatty(),
        )(todo)
    finally:
        if viewer:
            viewer.close()
        if stream is not sys.stdout:
            stream.close()
    if result.summary.frames:
        note("\n" + result.summary.format().rstrip())
    if result.failed:
        note(f"{len(result.failed)} of {len(todo)} sources could not be read in full.")
    return result.exit_code


def _viewer() -> Any:
    from har_edge.viewer import Viewer

    return Viewer()


def _sources(
    names: tuple[str, ...], camera: int | None, demo: bool
) -> list[tuple[str, Callable[[], FrameSource]]]:
    """Name each source with a function that opens it when its turn comes."""
    from har_edge.sources import CameraSource, expand_sources, open_source

    names = (*names, *_demo_files()) if demo else names
    todo: list[tuple[str, Callable[[], FrameSource]]] = [
        (path, partial(open_source, path)) for path in expand_sources(names)
    ]
    if camera is not None:
        todo.append((f"camera:{camera}", partial(CameraSource, camera)))
    return todo


def _demo_files() -> list[str]:
    folder = Path(__file__).parent / "samples"
    return [os.path.relpath(p) for p in sorted(folder.iterdir()) if p.suffix in (".jpg", ".mp4")]


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
    from har_edge.info import describe, format_table

    facts = describe(model, backend)
    if output_format == "json":
        click.echo(json.dumps(facts, indent=2, ensure_ascii=False))
    else:
        click.echo(format_table(facts))


@cli.command()
@click.argument("name", required=False)
@click.argument("sources", nargs=-1, metavar="[SOURCES]...")
@click.option("--camera", type=click.IntRange(min=0), metavar="N", help="Record from a camera.")
@click.option(
    "--duration",
    "duration_s",
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
@click.option("--list", "listing", is_flag=True, help="List what was taught.")
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
    if not (options["listing"] or options["forget"] or options["name"]):
        raise click.UsageError("Nothing to do: give NAME and SOURCES, --forget NAME or --list.")
    if options["name"] and not options["sources"] and options["camera"] is None:
        raise click.UsageError("Nothing to record: give SOURCES or --camera N.")
    _teach(**options)


def _teach(
    *,
    name: str | None,
    sources: tuple[str, ...],
    camera: int | None,
    duration_s: float,
    model: str,
    backend: str,
    taught: str | None,
    background: tuple[str, ...],
    forget: str | None,
    listing: bool,
) -> None:
    from har_edge import teach as teaching
    from har_edge.recognizer import load_model

    loaded = load_model(model, backend=backend)
    path = Path(taught) if taught else teaching.default_taught_path(loaded)
    if forget:
        left = teaching.read_taught(loaded, path).without(forget)
        teaching.write_taught(loaded, left, path)
        note(f"Forgot '{forget}'.")
    if name:
        if camera is not None:
            note(f"Recording camera {camera} for {duration_s:g} s: now.")
        recorded = (opens() for _, opens in _sources(sources, camera, False))
        others = (opens() for _, opens in _sources(background, None, False))
        known = teaching.teach(
            loaded, name, recorded, path, duration_s=duration_s, background=others
        )
        note(teaching.report(known, name))
    if listing:
        windows_of = teaching.read_taught(loaded, path).windows if path.exists() else {}
        for action, windows in windows_of.items():
            click.echo(f"{action}\t{len(windows)} windows")


@cli.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of a table.")
@click.pass_context
def doctor(ctx: click.Context, as_json: bool) -> None:
    """Check this machine: runtimes, models, cameras, heat, and what would fix them.

    \b
    Exit codes: 0 nothing fails, 1 something does.
    """
    from har_edge.doctor import examine, format_findings

    findings = examine()
    if as_json:
        facts = [finding.as_dict() for finding in findings]
        click.echo(json.dumps({"findings": facts}, indent=2, ensure_ascii=False))
    else:
        click.echo(format_findings(findings))
    ctx.exit(int(any(finding.level == "fail" for finding in findings)))


def main() -> NoReturn:
    """Entry point of `har-edge`."""
    run_command(cli)
