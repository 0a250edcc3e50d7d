"""Kinds of values and groups of options that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import click

from har_edge.compat.click import ParamType

SETTINGS = {"help_option_names": ["-h", "--help"], "max_content_width": 96}

Command = TypeVar("Command", bound=Callable[..., object])


class CommaList(ParamType[tuple[object, ...]]):
    """Several values of one kind with commas between them."""

    def __init__(self, kind: ParamType[object], name: str) -> None:
        self.kind, self.name = kind, name

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[object, ...]:
        """Split and convert each value."""
        if isinstance(value, tuple):
            return value
        parts = [part.strip() for part in str(value).split(",") if part.strip()]
        return tuple(dict.fromkeys(self.kind.convert(part, param, ctx) for part in parts))


class Percent(ParamType[float]):
    """A share, as `5%` or `0.05`."""

    name = "percent"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Read it as a fraction."""
        if isinstance(value, float):
            return value
        text = str(value)
        try:
            share = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
        except ValueError:
            share = -1.0
        if not 0 <= share < 1:
            self.fail(f"expected a share as 5% or 0.05. Received {value!r}.", param, ctx)
        return share


def limit_options(command: Command) -> Command:
    """The options that bound the recommendation."""
    drop = "Recommend nothing that loses more points against float32. [default: 1, if sure]"
    options = (
        ("--max-latency-ms", "Recommend nothing slower at the median."),
        ("--max-accuracy-drop", drop),
        ("--max-memory-mb", "Recommend nothing whose process needs more."),
    )
    for name, text in reversed(options):
        kind = click.FloatRange(min=0)
        command = click.option(name, type=kind, metavar="N", help=text)(command)
    return command
