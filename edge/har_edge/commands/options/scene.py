"""The options of `run` and `serve` about zones, falls and privacy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import get_args

import click

from har_edge.commands.options.fields import collect, setting, together
from har_edge.config import Private, SceneConfig

PRIVATE = "--private"
_COVERS: tuple[str, ...] = get_args(Private)

scene_options = together(
    setting(
        SceneConfig,
        "zones",
        "--zones",
        metavar="FILE",
        help="Zones and rules, as TOML or JSON: events say in which zone, and rules such as "
        "'falling unless zone=bed' say where actions count.",
    ),
    setting(
        SceneConfig,
        "fall_alarm",
        "--fall-alarm",
        help="Tell of falls: a fast descent, and a second look at who stays low after it.",
    ),
    setting(
        SceneConfig,
        "private",
        PRIVATE,
        metavar="[skeletons|blur]",
        help="Cover people in all pictures that are stored, shown or sent: skeletons on black, or "
        "with 'blur' the room with blurred people, where those who are not found stay visible.",
    ),
)


class SceneCommand(click.Command):
    """A command whose `--private` may stand alone, also before a source."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Spell the option out: click would take the source behind it for its value."""
        return super().parse_args(ctx, spell_out(args))


def spell_out(args: Sequence[str]) -> list[str]:
    """Give `--private` its value where it has none.

    Example:
        >>> spell_out(["--private", "a.mp4"]), spell_out(["--private", "blur", "a.mp4"])
        (['--private=skeletons', 'a.mp4'], ['--private=blur', 'a.mp4'])
    """
    spelled: list[str] = []
    for place, arg in enumerate(args):
        before = args[place - 1] if place else ""
        if arg == "--":
            return [*spelled, *args[place:]]
        if arg == PRIVATE:
            following = args[place + 1 : place + 2]
            cover = following[0] if following and following[0] in _COVERS else _COVERS[0]
            spelled.append(f"{PRIVATE}={cover}")
        elif not (before == PRIVATE and arg in _COVERS):
            spelled.append(arg)
    return spelled


def scene_config(values: Mapping[str, object]) -> SceneConfig:
    """Collect what is watched for from the values of a command's options."""
    return collect(SceneConfig, values)
