"""The options of `run`, `serve` and `har-bench alarms` that say how people are found."""

from __future__ import annotations

from collections.abc import Mapping

from har_edge.commands.options.fields import collect, setting, together
from har_edge.config import PeopleConfig, SinkConfig

finding_options = together(
    setting(
        PeopleConfig,
        "detector",
        "--people",
        metavar="FILE",
        help="Find people and recognise each: people for the bundled network (which a model of "
        "poses takes by itself), or a .tflite file: our own locate, SSD or EfficientDet-Lite with "
        "detection post-processing, MoveNet.",
    ),
    setting(
        PeopleConfig,
        "pose",
        "--pose",
        metavar="FILE",
        help="Find each person's keypoints with this .tflite file: MoveNet single pose.",
    ),
    setting(
        PeopleConfig,
        "whole_picture",
        "--whole-picture",
        help="Look for nobody; recognise the whole picture.",
    ),
    setting(
        PeopleConfig,
        "locate_every",
        "--locate-every",
        metavar="N",
        help="Look for people in every Nth sampled frame; boxes are carried on between them. "
        "[default: 2; 1 for a model of poses alone]",
    ),
    setting(
        PeopleConfig,
        "max_people",
        "--max-people",
        metavar="N",
        help="Recognise at most N people of a source at a time, the largest.",
    ),
)
people_options = together(
    finding_options,
    setting(
        SinkConfig,
        "keypoints",
        "--keypoints",
        help="List each person's 17 keypoints in JSON, where they are known.",
    ),
)


def people_config(values: Mapping[str, object]) -> PeopleConfig:
    """Collect how people are found from the values of a command's options.

    Raises:
        ConfigError: if the options do not go together.
    """
    return collect(PeopleConfig, values)
