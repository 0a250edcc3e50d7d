"""`har-edge run`: from options to a run, and what it amounts to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import click

from har_edge.commands.demo import is_plain, show_demo
from har_edge.commands.harness import note, parse_num_threads, usage_errors
from har_edge.commands.options.fields import collect, setting, together
from har_edge.commands.options.models import MODEL
from har_edge.commands.options.people import people_config, people_options
from har_edge.commands.options.scene import SceneCommand, scene_config, scene_options
from har_edge.commands.options.sinks import (
    decide_config,
    output_options,
    sink_config,
    sink_options,
)
from har_edge.commands.options.sources import source_config, source_options
from har_edge.config import RunConfig, RunLimits
from har_edge.counted import counted

if TYPE_CHECKING:
    from har_edge.run.runner import RunResult

model_options = together(
    setting(
        RunConfig,
        "model",
        "-m",
        "--model",
        metavar="MODEL",
        type=MODEL,
        show_default="what suits the sources",
        help=(
            "har15 (single pictures), clips (videos and cameras), a .tflite or .onnx file, or a "
            "folder with one; see har-edge models."
        ),
    ),
    setting(
        RunConfig,
        "taught",
        "--taught",
        metavar="FILE",
        help="Also recognise the actions that `har-edge teach` wrote to this file.",
    ),
    setting(RunConfig, "backend", "--backend", help="Runtime that executes the model."),
    setting(
        RunConfig,
        "num_threads",
        "--num-threads",
        metavar="N|auto",
        callback=parse_num_threads,
        show_default="cores, but at most 4",
        help="Threads for the model; auto measures once which number suits this machine.",
    ),
    setting(
        RunConfig,
        "inference_hz",
        "--inference-fps",
        metavar="R",
        show_default="the model's rate",
        help="Predictions per second; fewer save power.",
    ),
    setting(
        RunConfig,
        "motion_gate",
        "--motion-gate",
        help="Skip encoding frames in which nothing moved.",
    ),
)
limit_options = together(
    setting(
        RunLimits, "max_frames", "--max-frames", metavar="N", help="Stop after N frames in total."
    ),
    setting(
        RunLimits,
        "duration_s",
        "--duration",
        metavar="S",
        help="Stop each source after S seconds of its own time.",
    ),
)


def run_config(values: Mapping[str, object]) -> RunConfig:
    """Collect a whole run from the values of the command's options.

    Raises:
        ConfigError: if no source is named, or a table is asked to hold two kinds of rows.
    """
    return collect(
        RunConfig,
        values,
        limits=collect(RunLimits, values),
        source=source_config(values),
        decide=decide_config(values),
        people=people_config(values),
        scene=scene_config(values),
        sink=sink_config(values),
    )


@click.command(cls=SceneCommand)
@source_options
@model_options
@people_options
@scene_options
@output_options
@sink_options
@limit_options
@setting(RunConfig, "show", "--show/--headless", help="Show the frames in a window.")
@click.pass_context
@usage_errors()
def run(ctx: click.Context, /, **values: object) -> None:
    """Recognise actions in SOURCES: pictures, videos, folders, globs, cameras, streams or lists.

    Cameras are camera:N, picamera:N or /dev/videoN. Streams are rtsp://, rtmp:// or http:// URLs.
    Lists are .txt files with one source per line. '-' is standard input. Files are read one after
    the other, live sources all at the same time. Results go to standard output, progress and the
    summary to standard error.

    \b
    Examples:
      har-edge run --camera 0
      har-edge run photo.jpg holiday/ 'clips/*.mp4'
      har-edge run rtsp://user:password@cam.local/stream --emit events --save-events clips/
      har-edge run video.mp4 --output-format jsonl > actions.jsonl
      har-edge run video.mp4 --model models/mine
      har-edge run archive/ --emit files --output-format csv -o files.csv
      har-edge run --camera 0 --people people --max-people 3
      har-edge run --camera 0 --zones room.toml --fall-alarm --private --save-events clips/
      ffmpeg -i film.mkv -q:v 3 -r 25 -f mjpeg - | har-edge run -

    \b
    Exit codes: 0 done, 1 a source or an option cannot be used, 2 usage error,
    4 a live source was lost, 129, 130 or 143 interrupted.
    """
    config = run_config(values)
    if is_plain(config):
        ctx.exit(show_demo(config))
    from har_edge.run.build import run as run_all

    result = run_all(config, note, progress=True)
    sum_up(result)
    ctx.exit(result.exit_code)


def sum_up(result: RunResult) -> None:
    """Say what a run amounts to."""
    if result.summary.frames:
        note("\n" + result.summary.format().rstrip())
    if result.place:
        note(result.place)
    for stats in result.live:
        note(stats)
    if result.failed and result.opened > 1:  # of one, its own message said it
        note(
            f"{len(result.failed)} of {counted(result.opened, 'source')} could not be read in full."
        )
    if skipped := str(result.skipped):
        note(skipped)
    if result.totals is not None:
        note(result.totals.format().rstrip())
