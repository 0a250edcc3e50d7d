"""The options of `run` that belong to decisions and sinks."""

from __future__ import annotations

import click
import pytest
from click.testing import CliRunner

from har_edge.commands.options.sinks import (
    decide_config,
    output_options,
    sink_config,
    sink_options,
)
from har_edge.config import DecideConfig, SinkConfig
from har_edge.errors import ConfigError, SpecError
from har_edge.model.loaded import load_model
from har_edge.recognition.decide import pick_labels
from har_edge.run.parts import build_decider
from tests.conftest import ASSETS


def parse(*arguments: str, env: dict[str, str] | None = None) -> tuple[DecideConfig, SinkConfig]:
    """The settings that a command with the options would get."""
    configs: list[tuple[DecideConfig, SinkConfig]] = []

    @click.command()
    @output_options
    @sink_options
    def command(**values: object) -> None:
        configs.append((decide_config(values), sink_config(values)))

    result = CliRunner().invoke(command, arguments, env=env, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return configs[0]


def test_defaults_of_the_command_are_those_of_the_library() -> None:
    assert parse() == (DecideConfig(), SinkConfig())
    spec = load_model(ASSETS / "tiny-int8.tflite").spec.with_(reject_threshold=0.25)
    decider = build_decider(spec, parse()[0])
    assert (decider.smoothing_s, decider.threshold) == (0.5, 0.25)


def test_everything_arrives() -> None:
    given = "--emit events --save-video a.mkv --save-events clips --event-padding 1.5 "
    given += "--save-events-max-mb 20 --totals t.json --mqtt mqtt://box --mqtt-discovery ha "
    given += "--webhook http://box/x --min-duration 2 --output out.csv --output-format csv -k 5"
    decide, sink = parse(*given.split())
    assert decide == DecideConfig(min_duration_s=2.0)
    assert sink == SinkConfig(
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
    )


def test_addresses_with_secrets_may_come_from_the_environment() -> None:
    env = {"HAR_MQTT": "mqtt://ann:s3cret@box", "HAR_WEBHOOK": "http://box/s3cret"}
    _, sink = parse(env=env)
    assert (sink.mqtt, sink.webhook) == (env["HAR_MQTT"], env["HAR_WEBHOOK"])
    assert "s3cret" not in repr(sink)


def test_an_empty_address_is_none() -> None:
    _, sink = parse("--mqtt", "", "--webhook", "")
    assert (sink.mqtt, sink.webhook) == (None, None)


def test_lists_and_threshold() -> None:
    spec = load_model(ASSETS / "tiny-int8.tflite").spec
    first, second = spec.labels[:2]
    raw = build_decider(spec, parse("--smoothing", "0", "--score-threshold", "0")[0])
    assert (raw.smoothing_s, raw.threshold) == (0.0, 0.0)
    decide, _ = parse("--allow", f"{first}, {second}", "--deny", second)
    # Which commas divide and which belong to a name, only the model knows.
    allowed = pick_labels(decide.allow, spec.labels)
    assert (allowed, decide.deny) == ((first, second), (second,))
    twice, _ = parse("--allow", first, "--allow", second)
    assert pick_labels(twice.allow, spec.labels) == (first, second)
    build_decider(spec, decide)
    with pytest.raises(SpecError, match=f"'flying'.*{first}"):
        build_decider(spec, parse("--allow", "flying")[0])


def test_a_table_of_both_is_a_usage_error() -> None:
    with pytest.raises(ConfigError, match="one kind of row"):
        parse("--emit", "all", "--output-format", "csv")
