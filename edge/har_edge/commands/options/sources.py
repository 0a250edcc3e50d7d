"""The options of commands that read sources: which ones, and how patient live ones are."""

from __future__ import annotations

from collections.abc import Mapping

import click

from har_edge.commands.options.fields import collect, setting, together
from har_edge.config import LiveOptions, SourceConfig, StdinFormat


def _parse_stdin_format(_: object, __: object, text: str | None) -> StdinFormat | None:
    if text is None:
        return None
    try:
        return StdinFormat.parse(text)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


def _one_or_all(_: object, __: object, given: tuple[str, ...]) -> str | tuple[str, ...] | None:
    return given[0] if len(given) == 1 else given or None


patience_options = together(
    setting(
        LiveOptions,
        "stall_timeout_s",
        "--stall-timeout",
        metavar="S",
        help="Reopen a camera or stream after S seconds without a frame.",
    ),
    setting(
        LiveOptions,
        "frozen_after_s",
        "--frozen-after",
        metavar="S",
        help="Treat a picture that has not changed for S seconds as frozen; 0 to turn this off.",
    ),
    setting(
        LiveOptions,
        "max_retries",
        "--max-retries",
        metavar="N",
        show_default="no limit",
        help="Give up on a lost source (exit code 4) after N failed attempts in a row.",
    ),
)
source_options = together(
    click.argument("names", nargs=-1, metavar="[SOURCES]..."),
    setting(
        SourceConfig,
        "camera",
        "--camera",
        metavar="N|PATH",
        multiple=True,
        callback=_one_or_all,
        help="Camera, by number or device file; may be repeated.",
    ),
    setting(SourceConfig, "demo", "--demo", help="Run on the bundled pictures and clips."),
    setting(
        SourceConfig,
        "watch",
        "--watch",
        metavar="DIR",
        multiple=True,
        help="Process files as they arrive in this folder.",
    ),
    setting(
        SourceConfig,
        "stdin_format",
        "--stdin-format",
        metavar="FORMAT",
        callback=_parse_stdin_format,
        show_default="mjpeg@25",
        help="Format of '-': mjpeg or rgb24:640x480, each with @FPS or @live.",
    ),
    patience_options,
    setting(
        LiveOptions,
        "wait_for_source",
        "--wait-for-source",
        help="Wait for a source that is not there yet.",
    ),
)


def source_config(values: Mapping[str, object]) -> SourceConfig:
    """Collect what is looked at from the values of a command's options."""
    return collect(SourceConfig, values, live=collect(LiveOptions, values))
