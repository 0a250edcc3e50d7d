"""Options of `har-train fit` out of the settings."""

from __future__ import annotations

import click
import pytest
from click.testing import CliRunner

from har_train.commands.settings import ORDER, setting_options
from har_train.config.fit import SETTINGS

pytestmark = pytest.mark.train


def test_every_setting_that_has_an_option_is_in_the_help() -> None:
    assert sorted(ORDER) == sorted(key for key, (_, found) in SETTINGS.items() if found.option)


def test_typed_options_arrive_by_their_keys_and_the_others_as_none() -> None:
    @click.command()
    @setting_options
    def command(**options: object) -> None:
        click.echo(repr({key: value for key, value in options.items() if value is not None}))

    typed = ["--frame-rate", "4", "--no-augment-flip", "--labels", "a, b", "--seed", "7"]
    result = CliRunner().invoke(command, typed)
    assert result.output.strip() == repr(
        {"frame_rate_hz": 4.0, "augment_flip": False, "labels": ("a", "b"), "seed": 7}
    )
