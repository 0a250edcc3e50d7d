"""What `har-edge demo` and a plain `har-edge run --demo` show: samples, each to its model."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from dataclasses import replace

import click

from har_edge.commands.harness import note
from har_edge.config import PeopleConfig, RunConfig, SinkConfig, SourceConfig
from har_edge.model.catalogue import sight_of
from har_edge.paths import SAMPLES, SEVERAL_PEOPLE

NEXT = """
Now yours:
  har-edge run --camera 0                  a camera; or photo.jpg, video.mp4, a folder, rtsp://…
  har-edge serve --camera 0                the same in a browser, with a history
  har-edge teach waving --camera 0         an action of your own, in ten seconds"""


@click.command()
@click.option("--text", is_flag=True, help="Show no pictures, also on a terminal that can.")
@click.pass_context
def demo(ctx: click.Context, text: bool) -> None:
    """Show what the bundled models see in the bundled pictures and clips.

    On a terminal with colours it shows the pictures, too.

    \b
    Examples:
      har-edge demo
      har-edge demo --text
    """
    ctx.exit(show_demo(RunConfig(source=SourceConfig(demo=True)), text=text))


def is_plain(config: RunConfig) -> bool:
    """Whether a run is the demo and nothing more: then each sample goes to its own model."""
    plain = replace(
        config,
        backend="auto",
        num_threads=1,
        sink=replace(config.sink, output_format="text"),
    )
    wanted = RunConfig(num_threads=1, source=SourceConfig(demo=True), sink=SinkConfig())
    return plain == wanted and config.sink.output_format != "csv"


def show_demo(config: RunConfig, *, text: bool = False) -> int:
    """Run over the samples: pictures, a clip, a clip of two people; returns the exit code."""
    from har_edge.run.build import run
    from har_edge.run.terminal_view import TerminalView, stdout_can_show

    shows = not text and config.sink.output_format == "text" and stdout_can_show()
    if shows:
        config = replace(config, sink=replace(config.sink, output=os.devnull))
    for part in _parts(config):
        view = TerminalView(sys.stdout) if shows else None
        with contextlib.closing(view) if view else contextlib.nullcontext():
            result = run(part, note, progress=not shows, watch=view)
        if result.exit_code:
            return result.exit_code
        if not shows:
            note("\n" + result.summary.format())
    if config.sink.output_format == "text":
        note(NEXT.lstrip("\n"))
    return 0


def _parts(config: RunConfig) -> Iterator[RunConfig]:
    """A run for each of what is to be shown."""
    from har_edge.people.open import BUNDLED_PEOPLE
    from har_edge.run.openers import demo_files

    source, files = config.source, demo_files()
    for sight in ("picture", "motion"):
        names = tuple(name for name in files if sight_of(name) == sight)
        yield replace(config, source=replace(source, names=names, demo=False))
    several = replace(source, names=(os.path.relpath(SAMPLES / SEVERAL_PEOPLE),), demo=False)
    yield replace(config, source=several, people=PeopleConfig(detector=BUNDLED_PEOPLE))
