"""The options that name sources."""

from __future__ import annotations

import click
from click.testing import CliRunner

from har_edge.commands.options.sources import source_config, source_options
from har_edge.config import LiveOptions, SourceConfig, StdinFormat


def parse(*arguments: str) -> SourceConfig:
    """The settings that a command with the options would get."""
    configs: list[SourceConfig] = []

    @click.command()
    @source_options
    def command(**values: object) -> None:
        configs.append(source_config(values))

    result = CliRunner().invoke(command, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return configs[0]


def test_defaults_of_the_command_are_those_of_the_library() -> None:
    assert parse() == SourceConfig()
    assert parse().is_empty


def test_everything_arrives() -> None:
    given = "a.mp4 - --camera 0 --demo --watch in --watch more --stdin-format mjpeg@live "
    given += "--stall-timeout 2 --frozen-after 0 --max-retries 3 --wait-for-source"
    assert parse(*given.split()) == SourceConfig(
        names=("a.mp4", "-"),
        camera="0",
        demo=True,
        watch=("in", "more"),
        stdin_format=StdinFormat("mjpeg", frame_rate_hz=None),
        live=LiveOptions(2.0, 0.0, 3, wait_for_source=True),
    )
