"""The options of `run` that belong to decisions and sinks."""

from __future__ import annotations

from typing import Any

import click
import pytest
from click.testing import CliRunner

from har_edge.commands.options.sinks import build_decider, build_sink_options, sink_options
from har_edge.errors import SpecError
from har_edge.model.loaded import load_model
from har_edge.sinks.fan_out import SinkOptions
from tests.conftest import ASSETS


def parse(*arguments: str, env: dict[str, str] | None = None, **others: Any) -> dict[str, Any]:
    """The values that a command with the options would get."""
    values: dict[str, Any] = {"output": None, "output_format": "text", "top_k": 3, **others}

    @click.command()
    @sink_options
    def command(**options: Any) -> None:
        values.update(options)

    result = CliRunner().invoke(command, arguments, env=env, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return values


def test_defaults_of_the_command_are_those_of_the_library() -> None:
    assert build_sink_options(parse()) == SinkOptions()
    assert build_sink_options({**parse(), "watch": ("in",)}).folders == ("in",)
    spec = load_model(ASSETS / "tiny-int8.tflite").spec.with_(reject_threshold=0.25)
    decider = build_decider(spec, parse())
    assert (decider.smoothing_s, decider.threshold) == (0.5, 0.25)


def test_everything_arrives() -> None:
    given = "--emit events --save-video a.mkv --save-events clips --event-padding 1.5 "
    given += "--save-events-max-mb 20 --totals t.json --mqtt mqtt://box --mqtt-discovery ha "
    given += "--webhook http://box/x --min-duration 2"
    options = parse(
        *given.split(), output="out.csv", output_format="csv", top_k=5, inference_fps=0.1
    )
    assert build_sink_options(options) == SinkOptions(
        output="out.csv",
        output_format="csv",
        emit="events",
        top_k=5,
        save_video="a.mkv",
        save_events="clips",
        event_padding_s=1.5,
        save_events_max_mb=20.0,
        totals="t.json",
        mqtt="mqtt://box",
        mqtt_discovery="ha",
        webhook="http://box/x",
        min_duration_s=2.0,
        inference_hz=0.1,
    )


def test_addresses_with_secrets_may_come_from_the_environment() -> None:
    env = {"HAR_MQTT": "mqtt://ann:s3cret@box", "HAR_WEBHOOK": "http://box/s3cret"}
    options = build_sink_options(parse(env=env))
    assert (options.mqtt, options.webhook) == (env["HAR_MQTT"], env["HAR_WEBHOOK"])


def test_lists_and_threshold() -> None:
    spec = load_model(ASSETS / "tiny-int8.tflite").spec
    first, second = spec.labels[:2]
    raw = build_decider(spec, parse("--smoothing", "0", "--score-threshold", "0"))
    assert (raw.smoothing_s, raw.threshold) == (0.0, 0.0)
    build_decider(spec, parse("--allow", f"{first}, {second}", "--deny", second))
    with pytest.raises(SpecError, match=f"'flying'.*{first}"):
        build_decider(spec, parse("--allow", "flying"))


def test_a_table_of_both_is_a_usage_error() -> None:
    with pytest.raises(click.UsageError, match="one kind of row"):
        build_sink_options(parse("--emit", "all", output_format="csv"))
