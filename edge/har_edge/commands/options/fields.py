"""Click options that are made of the fields of settings, and settings made of what was typed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field, fields
from typing import Any, Protocol, TypeVar

import click

from har_edge.settings import Range, Settings

Command = TypeVar("Command", bound=Callable[..., object])
Config = TypeVar("Config", bound=Settings)


class Decorator(Protocol):
    """Adds options to a command."""

    def __call__(self, command: Command, /) -> Command:
        """Add them."""


def setting(config: type[Settings], name: str, *flags: str, **attributes: Any) -> Decorator:
    """Make the option of one setting: its default and what it may be come from the field.

    Args:
        config: The settings.
        name: The field, under whose name the value is handed to the command.
        flags: How it is typed, such as `-m` and `--model`.
        attributes: What click takes beside, such as `help` and `metavar`.

    Example:
        >>> from har_edge.config import LiveOptions
        >>> add = setting(LiveOptions, "stall_timeout_s", "--stall-timeout", metavar="S")
        >>> add(click.Command("watch")).params[0].type
        <FloatRange x>0>
    """
    found = next(field for field in fields(config) if field.name == name)
    default = found.default if found.default_factory is MISSING else found.default_factory
    if default is False:
        attributes = {"default": False, "is_flag": True, **attributes}
    elif default is not None and default != ():
        attributes = {"default": default, "show_default": True, **attributes}
    if "callback" not in attributes and (kind := _type_of(found)) is not None:
        attributes["type"] = kind
    return click.option(name, *flags, **attributes)


def _type_of(found: Field[object]) -> click.Choice[str] | click.IntRange | click.FloatRange | None:
    limits: Range | None = found.metadata.get("range")
    if choices := found.metadata.get("choices"):
        return click.Choice(choices)
    if limits is None:
        return None
    if limits.whole:
        lowest, highest = (
            None if limit is None else int(limit) for limit in (limits.lowest, limits.highest)
        )
        return click.IntRange(lowest, highest, min_open=limits.open)
    return click.FloatRange(limits.lowest, limits.highest, min_open=limits.open)


def together(*options: Decorator) -> Decorator:
    """Make one decorator of several, whose options help lists in this order."""

    def add(command: Command, /) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return add


def collect(config: type[Config], values: Mapping[str, object], **groups: Settings) -> Config:
    """Make settings of the values of a command's options.

    Args:
        config: The settings to make.
        values: What was typed, by the names of fields; those of other settings are left.
        groups: Settings that these hold, already made.

    Example:
        >>> from har_edge.config import LiveOptions
        >>> collect(LiveOptions, {"max_retries": 3, "camera": "0"}).max_retries
        3
    """
    make: Callable[..., Config] = config
    names = [field.name for field in fields(config)]
    return make(**{name: values[name] for name in names if name in values}, **groups)
