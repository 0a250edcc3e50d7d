"""Options that are made of fields."""

from __future__ import annotations

from dataclasses import fields

import click
import pytest
from click.testing import CliRunner

from har_edge.commands.main import cli
from har_edge.commands.options.fields import collect, setting, together
from har_edge.config import (
    DecideConfig,
    LiveOptions,
    PeopleConfig,
    RequestLimits,
    RunConfig,
    RunLimits,
    ServeConfig,
    SinkConfig,
    SourceConfig,
)
from har_edge.settings import Settings

GROUPS = {"live", "source", "decide", "people", "scene", "sink", "limits"}
NO_OPTION = {"max_streams"}


def test_default_and_range_come_from_the_field() -> None:
    @click.command()
    @together(
        setting(LiveOptions, "stall_timeout_s", "--stall-timeout", help="Patience."),
        setting(SinkConfig, "emit", "--emit"),
        setting(SourceConfig, "demo", "--demo"),
    )
    def command(**values: object) -> None:
        click.echo(repr(sorted(values.items())))

    runner = CliRunner()
    assert "Patience.  [default: 5.0; x>0]" in runner.invoke(command, ["--help"]).output
    values = [("demo", True), ("emit", "predictions"), ("stall_timeout_s", 5.0)]
    assert runner.invoke(command, ["--demo"]).output == f"{values!r}\n"
    assert runner.invoke(command, ["--stall-timeout", "0"]).exit_code == 2
    assert runner.invoke(command, ["--emit", "nothing"]).exit_code == 2


def test_settings_take_their_own_values() -> None:
    values = {"max_retries": 3, "camera": "0", "demo": True}
    live = collect(LiveOptions, values)
    assert live == LiveOptions(max_retries=3)
    assert collect(SourceConfig, values, live=live) == SourceConfig(
        camera="0", demo=True, live=live
    )


@pytest.mark.parametrize(
    ("command", "groups"),
    [
        ("run", (RunConfig, RunLimits, SourceConfig, LiveOptions, DecideConfig, SinkConfig)),
        ("run", (PeopleConfig,)),
        ("serve", (ServeConfig, RequestLimits, DecideConfig, PeopleConfig)),
    ],
)
def test_every_setting_has_an_option(command: str, groups: tuple[type[Settings], ...]) -> None:
    found = cli.get_command(click.Context(cli), command)
    assert found is not None
    options = {param.name for param in found.params}
    named = {field.name for group in groups for field in fields(group)}
    assert named - GROUPS - NO_OPTION <= options
