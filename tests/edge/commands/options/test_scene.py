"""The options about zones, falls and privacy, as they are typed."""

from __future__ import annotations

from collections.abc import Mapping

import click
import pytest
from click.testing import CliRunner

from har_edge.commands.options.scene import SceneCommand, scene_config, scene_options, spell_out


@click.command(cls=SceneCommand)
@click.argument("names", nargs=-1)
@scene_options
def command(names: tuple[str, ...], **values: object) -> None:
    """Say what was understood."""
    config = scene_config(values)
    click.echo(f"{names} {config.private} {config.fall_alarm} {config.zones}")


def said(*args: str) -> str:
    result = CliRunner().invoke(command, list(args))
    assert result.exit_code == 0, result.output
    return result.output.strip()


@pytest.mark.parametrize(
    ("args", "expected"),
    [
        ((), "() None False None"),
        (("--private", "a.mp4"), "('a.mp4',) skeletons False None"),
        (("a.mp4", "--private"), "('a.mp4',) skeletons False None"),
        (("--private", "blur", "a.mp4"), "('a.mp4',) blur False None"),
        (("--private=blur", "a.mp4"), "('a.mp4',) blur False None"),
        (("--private", "--fall-alarm", "--zones", "a.toml"), "() skeletons True a.toml"),
        (("--", "--private"), "('--private',) None False None"),
    ],
)
def test_private_may_stand_alone(args: tuple[str, ...], expected: str) -> None:
    assert said(*args) == expected


def test_another_way_to_cover_is_a_usage_error() -> None:
    result = CliRunner().invoke(command, ["--private=pixels"])
    assert result.exit_code == 2
    assert "skeletons" in result.output


def test_nothing_else_is_changed() -> None:
    args: Mapping[str, list[str]] = {"a": ["-o", "b", "--", "--private", "blur"], "b": ["blur"]}
    for given in args.values():
        assert spell_out(given) == given
