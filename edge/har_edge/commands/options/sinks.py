"""The options of `har-edge run` that say what is told, and where it goes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from har_edge.model.spec import ModelSpec
    from har_edge.recognition.decide import Decider
    from har_edge.sinks.fan_out import SinkOptions

Command = TypeVar("Command", bound=Callable[..., Any])

_DECIDE = (
    click.option(
        "--smoothing",
        type=click.FloatRange(min=0),
        metavar="S",
        default=0.5,
        show_default=True,
        help="Average probabilities over about S seconds; 0 for the model's own.",
    ),
    click.option(
        "--score-threshold",
        type=click.FloatRange(min=0, max=1),
        metavar="P",
        show_default="the model's",
        help="Say 'unknown' below this probability; 0 to always say an action.",
    ),
    click.option("--allow", metavar="ACTIONS", help="Say only these, such as falling,fighting."),
    click.option("--deny", metavar="ACTIONS", help="Never say these."),
    click.option(
        "--min-duration",
        type=click.FloatRange(min=0),
        metavar="S",
        default=0.5,
        show_default=True,
        help="An action begins once it lasted S seconds, and ends once it was away as long.",
    ),
)
_SAVE_EVENTS = (
    click.option("--save-events", metavar="DIR", help="Keep a short clip of each action."),
    click.option(
        "--event-padding",
        type=click.FloatRange(min=0, max=60),
        metavar="S",
        default=3.0,
        show_default=True,
        help="Seconds in a clip before and after the action.",
    ),
    click.option(
        "--save-events-max-mb",
        type=click.FloatRange(min=1),
        metavar="MB",
        default=1000.0,
        show_default=True,
        help="Room for all clips; the oldest are deleted first.",
    ),
)
# What is told of live sources beside the main output.
_BESIDE = (
    *_SAVE_EVENTS,
    click.option(
        "--totals",
        metavar="FILE",
        help="Add up the time of each action a day, of live sources, across restarts.",
    ),
    click.option(
        "--mqtt",
        metavar="URL",
        envvar="HAR_MQTT",
        show_envvar=True,
        help="Publish to mqtt[s]://[USER[:PASSWORD]@]HOST[:PORT][/PREFIX]; the password may "
        "come from HAR_MQTT_PASSWORD.",
    ),
    click.option(
        "--mqtt-discovery",
        metavar="PREFIX",
        default="homeassistant",
        show_default=True,
        help="Where Home Assistant looks for new devices; '' to announce none.",
    ),
    click.option(
        "--webhook",
        metavar="URL",
        envvar="HAR_WEBHOOK",
        show_envvar=True,
        help="POST each event as JSON to this address.",
    ),
)
_OPTIONS = (
    *_DECIDE,
    click.option(
        "--emit",
        type=click.Choice(("predictions", "events", "all")),
        default="predictions",
        show_default=True,
        help="Write what is seen in each frame, actions that begin and end, or both.",
    ),
    click.option(
        "--save-video",
        metavar="FILE",
        help="Annotated video: .mp4, .mov, or .mkv, .avi, which survive a power cut.",
    ),
    *_BESIDE,
)


def sink_options(command: Command) -> Command:
    """Add the options to a command, in the order in which help lists them."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def live_sink_options(command: Command) -> Command:
    """Add the options of who has no main output: what is told of a live source, and to whom."""
    for option in reversed((*_DECIDE, *_BESIDE)):
        command = option(command)
    return command


def build_decider(spec: ModelSpec, options: Mapping[str, Any]) -> Decider:
    """Build the decider of one source from the command's values.

    Raises:
        SpecError: if a list names an action that the model does not have.
    """
    from har_edge.recognition.decide import Decider, parse_labels

    return Decider.for_spec(
        spec,
        smoothing_s=options["smoothing"],
        score_threshold=options["score_threshold"],
        allow=parse_labels(options["allow"]),
        deny=parse_labels(options["deny"]),
    )


def build_sink_options(options: Mapping[str, Any]) -> SinkOptions:
    """Collect where results go from the command's values.

    Raises:
        click.UsageError: if a table is asked to hold both predictions and events.
    """
    if options["output_format"] == "csv" and options["emit"] == "all":
        raise click.UsageError(
            "A CSV table has one kind of row: use --emit predictions or events, or jsonl."
        )
    return replace(
        build_live_sink_options(options),
        output=options["output"],
        output_format=options["output_format"],
        emit=options["emit"],
        top_k=options["top_k"],
        save_video=options["save_video"],
        inference_hz=options.get("inference_fps"),
    )


def build_live_sink_options(options: Mapping[str, Any]) -> SinkOptions:
    """Collect where results go beside the main output."""
    from har_edge.sinks.fan_out import SinkOptions

    return SinkOptions(
        save_events=options["save_events"],
        event_padding_s=options["event_padding"],
        save_events_max_mb=options["save_events_max_mb"],
        totals=options["totals"],
        mqtt=options["mqtt"] or None,
        mqtt_discovery=options["mqtt_discovery"],
        folders=tuple(options.get("watch") or ()),
        webhook=options["webhook"] or None,
        min_duration_s=options["min_duration"],
    )
