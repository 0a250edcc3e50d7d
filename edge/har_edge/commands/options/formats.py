"""The two options of all commands that print either a text for people or JSON.

`--output-format` is the one that help lists; `--json` is short for it, everywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import click

Command = TypeVar("Command", bound=Callable[..., object])

TEXT_OR_JSON = ("text", "json")
_WANTED = "har_edge.wants_json"


def _note_json(ctx: click.Context, _: click.Parameter, wanted: bool) -> None:
    """Remember `--json` for `--output-format`, which is read after it."""
    ctx.meta[_WANTED] = wanted


def read_format(ctx: click.Context, param: click.Parameter, value: str) -> str:
    """Give the format that is asked for, by either option; the callback of `--output-format`.

    Of a command that writes a line for each answer, JSON means one object a line.
    """
    assert isinstance(param.type, click.Choice)
    lines = "jsonl" in param.type.choices
    if ctx.meta.get(_WANTED) or value in ("json", "jsonl"):
        return "jsonl" if lines else "json"
    return value


def json_flag(command: Command) -> Command:
    """Add `--json`, short for `--output-format json`."""
    return click.option(
        "--json",
        is_flag=True,
        is_eager=True,
        expose_value=False,
        hidden=True,
        callback=_note_json,
        help="Short for --output-format json.",
    )(command)


def format_options(
    command: Command,
    *,
    choices: Sequence[str] = TEXT_OR_JSON,
    text: str = "Text for people, or one JSON object; --json for short.",
) -> Command:
    """Add both options to a command, which takes the format as `output_format`.

    Args:
        command: The command's function.
        choices: Formats, the default first.
        text: What help says.
    """
    add = click.option(
        "--output-format",
        type=click.Choice(choices),
        default=choices[0],
        show_default=True,
        callback=read_format,
        help=text,
    )
    return add(json_flag(command))
