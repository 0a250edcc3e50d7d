"""The options of `har-edge serve` alone: where it listens, who may ask, what a request may cost."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import click

from har_edge.commands.options.fields import collect, setting, together
from har_edge.commands.options.people import people_config
from har_edge.commands.options.scene import scene_config
from har_edge.commands.options.sinks import decide_config, sink_config
from har_edge.commands.options.sources import source_config
from har_edge.config import RequestLimits, ServeConfig

MIB = 2**20
MEGA = 10**6


def _whole(unit: int) -> Callable[[object, object, float], int]:
    """Make a callback that turns an amount of some unit into whole parts, such as bytes."""

    def convert(_: object, __: object, amount: float) -> int:
        try:
            return int(amount * unit)
        except (ValueError, OverflowError) as error:
            raise click.BadParameter(f"{amount} is not a number. Give a number.") from error

    return convert


serve_options = together(
    setting(
        ServeConfig,
        "host",
        "--host",
        help="Address to listen on; anything but this machine's loopback needs a token.",
    ),
    setting(ServeConfig, "port", "--port", help="Port to listen on; 0 takes a free one."),
    setting(
        ServeConfig,
        "token",
        "--token",
        metavar="TEXT",
        envvar="HAR_TOKEN",
        show_envvar=True,
        help="Require this token from every client; at least 8 characters, and not a common "
        "one. In the environment variable, other users of this machine cannot see it.",
    ),
    setting(
        ServeConfig,
        "allow_origins",
        "--allow-origin",
        metavar="ORIGIN",
        multiple=True,
        help="Allow pages of another site to use the server, such as https://home.example.",
    ),
    setting(
        ServeConfig,
        "tls_cert",
        "--tls-cert",
        metavar="FILE",
        help="Certificate (PEM), and those that vouch for it: serve https.",
    ),
    setting(
        ServeConfig,
        "tls_key",
        "--tls-key",
        metavar="FILE",
        help="Its key, if that is in a file of its own.",
    ),
    setting(
        ServeConfig,
        "workers",
        "--workers",
        metavar="N",
        show_default="cores, but at most 4",
        help="Uploads processed at the same time.",
    ),
    setting(
        RequestLimits,
        "max_requests",
        "--max-requests",
        metavar="N",
        help=("Uploads accepted at the same time; further ones are told to come back later (429)."),
    ),
    click.option(
        "--max-upload-mb",
        "max_upload_bytes",
        type=click.FloatRange(min=0, min_open=True),
        metavar="MB",
        default=RequestLimits.max_upload_bytes / MIB,
        show_default=True,
        callback=_whole(MIB),
        help="Largest upload, in MiB.",
    ),
    click.option(
        "--max-megapixels",
        "max_pixels",
        type=click.FloatRange(min=0, min_open=True),
        metavar="MP",
        default=RequestLimits.max_pixels / MEGA,
        show_default=True,
        callback=_whole(MEGA),
        help="Largest picture or frame, in megapixels; checked before decoding.",
    ),
    setting(
        RequestLimits, "max_clip_s", "--max-clip-s", metavar="S", help="Longest clip, in seconds."
    ),
    setting(
        RequestLimits,
        "max_frames",
        "--max-frames",
        metavar="N",
        help="Most frames of a clip, whatever its time stamps say.",
    ),
    setting(
        RequestLimits,
        "upload_timeout_s",
        "--upload-timeout",
        metavar="S",
        help="Time limit for an upload to arrive.",
    ),
    setting(
        RequestLimits,
        "request_timeout_s",
        "--request-timeout",
        metavar="S",
        help="Time limit for the prediction after that.",
    ),
)


def serve_config(values: Mapping[str, object]) -> ServeConfig:
    """Collect a whole server from the values of the command's options.

    Raises:
        ConfigError: if a token is needed and missing, or one is too short to be of use.
    """
    source = source_config(values)
    if name := values["name"]:
        source = replace(source, names=(str(name),))
    return collect(
        ServeConfig,
        values,
        limits=collect(RequestLimits, values),
        source=source,
        decide=decide_config(values),
        people=people_config(values),
        scene=scene_config(values),
        sink=sink_config(values),
    )
