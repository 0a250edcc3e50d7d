"""The options of `run` and `serve` that say what is told, and where it goes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import get_args

import click

from har_edge.commands.options.fields import collect, setting, together
from har_edge.commands.options.formats import json_flag, read_format
from har_edge.config import DecideConfig, OutputFormat, SinkConfig


def _or_none(_: object, __: object, text: str | None) -> str | None:
    """An address; an empty variable is none."""
    return text or None


decide_options = together(
    setting(
        DecideConfig,
        "smoothing_s",
        "--smoothing",
        metavar="S",
        help="Average probabilities over about S seconds; 0 for the model's own, unsmoothed.",
    ),
    setting(
        DecideConfig,
        "score_threshold",
        "--score-threshold",
        metavar="P",
        show_default="the model's",
        help="Report 'unknown' below this probability; 0 to always report an action.",
    ),
    setting(
        DecideConfig,
        "allow",
        "--allow",
        metavar="ACTIONS",
        multiple=True,
        help="Report only these actions, such as falling,fighting; may be repeated, as for a "
        "name with a comma.",
    ),
    setting(
        DecideConfig,
        "deny",
        "--deny",
        metavar="ACTIONS",
        multiple=True,
        help="Never report these actions; likewise.",
    ),
    setting(
        DecideConfig,
        "min_duration_s",
        "--min-duration",
        metavar="S",
        help=(
            "An action begins once it has lasted S seconds, and ends once it has been gone as long."
        ),
    ),
)
# What is told of live sources beside the main output.
_beside_options = together(
    setting(
        SinkConfig,
        "save_events",
        "--save-events",
        metavar="DIR",
        help="Save a short clip of each action to this folder.",
    ),
    setting(
        SinkConfig,
        "event_padding_s",
        "--event-padding",
        metavar="S",
        help="Seconds of a clip before and after the action.",
    ),
    setting(
        SinkConfig,
        "save_events_max_mb",
        "--save-events-max-mb",
        metavar="MB",
        help="Disk space for all clips; the oldest are deleted first.",
    ),
    setting(
        SinkConfig,
        "save_events_max_days",
        "--save-events-max-days",
        metavar="DAYS",
        help="Delete clips that are older.  [default: keep them while there is room]",
    ),
    setting(
        SinkConfig,
        "totals",
        "--totals",
        metavar="FILE",
        help=(
            "Add up the time of each action per day in this file, across restarts; live "
            "sources only."
        ),
    ),
    setting(
        SinkConfig,
        "mqtt",
        "--mqtt",
        metavar="URL",
        envvar="HAR_MQTT",
        show_envvar=True,
        callback=_or_none,
        help="Publish to mqtt[s]://[USER[:PASSWORD]@]HOST[:PORT][/PREFIX]; the password can "
        "also come from HAR_MQTT_PASSWORD.",
    ),
    setting(
        SinkConfig,
        "mqtt_discovery",
        "--mqtt-discovery",
        metavar="PREFIX",
        help="Topic prefix where Home Assistant looks for new devices; '' to announce none.",
    ),
    setting(
        SinkConfig,
        "webhook",
        "--webhook",
        metavar="URL",
        envvar="HAR_WEBHOOK",
        show_envvar=True,
        callback=_or_none,
        help="POST each event as JSON to this address.",
    ),
)
output_options = together(
    setting(
        SinkConfig,
        "top_k",
        "-k",
        "--top-k",
        metavar="K",
        help="Number of actions to list with each prediction.",
    ),
    json_flag,
    setting(
        SinkConfig,
        "output_format",
        "--output-format",
        type=click.Choice((*get_args(OutputFormat), "json")),
        metavar="[text|jsonl|csv]",
        callback=read_format,
        help="Text for people, JSON lines (--json for short), or a CSV table.",
    ),
    setting(
        SinkConfig,
        "output",
        "-o",
        "--output",
        metavar="FILE",
        help="Write to this file, for you alone, instead of standard output.",
    ),
)
sink_options = together(
    decide_options,
    setting(
        SinkConfig,
        "emit",
        "--emit",
        help=(
            "Write the prediction for each frame, the events (actions that begin and end), both, "
            "or one answer for each file."
        ),
    ),
    setting(
        SinkConfig,
        "save_video",
        "--save-video",
        metavar="FILE",
        help="Write an annotated video: .mp4, .mov, .mkv or .avi; it plays after a kill, too.",
    ),
    _beside_options,
)
# For who has no main output: what is told of a live source, and to whom.
live_sink_options = together(decide_options, _beside_options)


def decide_config(values: Mapping[str, object]) -> DecideConfig:
    """Collect what is said from the values of a command's options."""
    return collect(DecideConfig, values)


def sink_config(values: Mapping[str, object]) -> SinkConfig:
    """Collect where results go from the values of a command's options.

    Raises:
        ConfigError: if a table is asked to hold both predictions and events.
    """
    return collect(SinkConfig, values)
