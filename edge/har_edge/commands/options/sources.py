"""The options of commands that read sources: which ones, and how patient live ones are."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from har_edge.run.lanes import Follow, SourceOpener
    from har_edge.sinks.base import Note
    from har_edge.sources.base import LiveOptions
    from har_edge.sources.captures.pipe import StdinFormat

Command = TypeVar("Command", bound=Callable[..., Any])


def _parse_stdin_format(_: object, __: object, text: str | None) -> StdinFormat | None:
    if text is None:
        return None
    from har_edge.sources.captures.pipe import StdinFormat

    try:
        return StdinFormat.parse(text)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


_PATIENCE = (
    click.option(
        "--stall-timeout",
        type=click.FloatRange(min=0, min_open=True),
        metavar="S",
        default=5.0,
        show_default=True,
        help="Open a camera or stream again after S seconds without a frame.",
    ),
    click.option(
        "--frozen-after",
        type=click.FloatRange(min=0),
        metavar="S",
        default=5.0,
        show_default=True,
        help="A picture that stays the same for S seconds is not of now; 0 to believe it.",
    ),
    click.option(
        "--max-retries",
        type=click.IntRange(min=0),
        metavar="N",
        show_default="no end",
        help="Give a lost source up (exit code 4) after N attempts in a row.",
    ),
)
_OPTIONS = (
    click.argument("sources", nargs=-1, metavar="[SOURCES]..."),
    click.option("--camera", metavar="N|PATH", help="Camera by number or device file."),
    click.option("--demo", is_flag=True, help="Run on the bundled pictures and clip."),
    click.option(
        "--watch", metavar="DIR", multiple=True, help="Take files as they come into this folder."
    ),
    click.option(
        "--stdin-format",
        metavar="FORMAT",
        callback=_parse_stdin_format,
        show_default="mjpeg@25",
        help="What comes on '-': mjpeg or rgb24:640x480, each with @FPS or @live.",
    ),
    *_PATIENCE,
    click.option(
        "--wait-for-source", is_flag=True, help="Wait for a source that is not there yet."
    ),
)


def source_options(command: Command) -> Command:
    """Add the options to a command, in the order in which help lists them."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def patience_options(command: Command) -> Command:
    """Add the options that say how patient a live source is, alone."""
    for option in reversed(_PATIENCE):
        command = option(command)
    return command


def has_sources(options: Mapping[str, Any]) -> bool:
    """Whether the options name any source."""
    return any(options[name] for name in ("sources", "demo", "watch")) or bool(options["camera"])


def build_openers(options: Mapping[str, Any]) -> list[SourceOpener]:
    """Name each source that the options ask for, with a function that opens it.

    Raises:
        SourceError: if a folder, a pattern or a list holds no source.
        click.UsageError: if standard input is to be read twice.
    """
    from har_edge.sources.names import camera_name, expand_sources

    names = [*options["sources"], *(_demo_files() if options["demo"] else ())]
    if options["camera"]:
        names.append(camera_name(options["camera"]))
    sources = expand_sources(names)
    if sources.count("-") > 1:
        raise click.UsageError("Standard input can be read once: give '-' once.")
    shown = _names_apart(sources)
    return [_opener(name, options, s) for name, s in zip(sources, shown, strict=True)]


def build_follow(options: Mapping[str, Any], note: Note) -> Follow | None:
    """Make the function that gives the files of watched folders, if there are any.

    Args:
        options: The values of the command's options.
        note: Takes a line for the user when the watching starts.

    Raises:
        SourceError: if one is not there.
    """
    from har_edge.paths import display_path
    from har_edge.sources.watch import watched_folders

    folders: Sequence[str] = options["watch"]
    if not folders:
        return None
    watched_folders(folders)

    def follow(stopped: Callable[[], bool]) -> Iterable[SourceOpener]:
        from har_edge.sources.watch import iter_new_files

        # Said here, as by now Ctrl-C ends the run and not the process.
        note(f"Watching {', '.join(map(display_path, folders))} for new files; Ctrl-C ends.")
        return (_opener(name, options, name) for name in iter_new_files(folders, stopped))

    return follow


def _names_apart(sources: Sequence[str]) -> list[str]:
    """Printable names; of cameras and streams that would print the same, later ones are numbered.

    Credentials do not show, and a stream may be given twice. Events, totals and topics go by the
    printed name, so that two sources of one name would become one. Files are read one after the
    other, and may have the same name.
    """
    from har_edge.sources.urls import redact

    seen: Counter[str] = Counter()
    shown = []
    for name in map(redact, sources):
        seen[name] += 1
        again = seen[name] > 1 and _is_apart(name)
        shown.append(f"{name} ({seen[name]})" if again else name)
    return shown


def _is_apart(name: str) -> bool:
    """Whether a source is read beside the others: all that is no file."""
    from har_edge.sources.names import DEVICE
    from har_edge.sources.urls import is_url

    return is_url(name) or bool(DEVICE.fullmatch(name))


def _opener(name: str, options: Mapping[str, Any], shown: str) -> SourceOpener:
    from har_edge.run.lanes import SourceOpener
    from har_edge.sources.base import FrameSource, Notify
    from har_edge.sources.open import open_source

    def open_it(notify: Notify) -> FrameSource:
        source = open_source(
            name,
            options=_live_options(options),
            notify=notify,
            stdin_format=options["stdin_format"],
        )
        if _is_apart(name):
            source.name = shown
        return source

    return SourceOpener(shown, open_it, apart=_is_apart(name))


def _live_options(options: Mapping[str, Any]) -> LiveOptions:
    from har_edge.sources.base import LiveOptions

    return LiveOptions(
        stall_timeout_s=options["stall_timeout"],
        frozen_after_s=options["frozen_after"],
        max_retries=options["max_retries"],
        wait_for_source=options["wait_for_source"],
    )


def _demo_files() -> list[str]:
    folder = Path(__file__).parents[2] / "samples"
    return [os.path.relpath(p) for p in sorted(folder.iterdir()) if p.suffix in (".jpg", ".mp4")]
