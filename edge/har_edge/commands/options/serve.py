"""The options of `har-edge serve` alone: where it listens, who may ask, what a request may cost."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import click

from har_edge.config import RequestLimits

Command = TypeVar("Command", bound=Callable[..., Any])
SHORTEST_TOKEN = 8

_ABOVE_0 = click.FloatRange(min=0, min_open=True)
_OPTIONS = (
    click.option(
        "--host",
        default="127.0.0.1",
        show_default=True,
        help="Address to listen on; any but this machine's own loopback needs a token.",
    ),
    click.option(
        "--port",
        type=click.IntRange(0, 65535),
        default=8000,
        show_default=True,
        help="Port to listen on; 0 takes a free one.",
    ),
    click.option(
        "--token",
        metavar="TEXT",
        envvar="HAR_TOKEN",
        show_envvar=True,
        help="Answer only who sends this; 8 characters at least. In the variable, other users "
        "of this machine do not see it.",
    ),
    click.option(
        "--allow-origin",
        metavar="ORIGIN",
        multiple=True,
        help="Let pages of another site use the server, such as https://home.example.",
    ),
    click.option(
        "--workers",
        type=click.IntRange(min=1),
        metavar="N",
        show_default="cores, at most 4",
        help="Uploads that are recognised at once.",
    ),
    click.option(
        "--max-requests",
        type=click.IntRange(min=1),
        metavar="N",
        default=64,
        show_default=True,
        help="Uploads in hand at once; more are told to come back (429).",
    ),
    click.option(
        "--max-upload-mb",
        type=_ABOVE_0,
        metavar="MB",
        default=64.0,
        show_default=True,
        help="Size of an upload, in MiB.",
    ),
    click.option(
        "--max-megapixels",
        type=_ABOVE_0,
        metavar="MP",
        default=25.0,
        show_default=True,
        help="Size of a picture or frame; checked before decoding.",
    ),
    click.option(
        "--max-clip-s",
        type=_ABOVE_0,
        metavar="S",
        default=120.0,
        show_default=True,
        help="Length of a clip.",
    ),
    click.option(
        "--upload-timeout",
        type=_ABOVE_0,
        metavar="S",
        default=30.0,
        show_default=True,
        help="Time for an upload to arrive.",
    ),
    click.option(
        "--request-timeout",
        type=_ABOVE_0,
        metavar="S",
        default=60.0,
        show_default=True,
        help="Time for its answer after that.",
    ),
)


def serve_options(command: Command) -> Command:
    """Add the options to a command, in the order in which help lists them."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def check_exposure(host: str, token: str | None) -> None:
    """Refuse to answer everybody in the network.

    Raises:
        click.UsageError: if a token is needed and missing, or one is too short to be of use.
    """
    if token is not None and len(token) < SHORTEST_TOKEN:
        raise click.UsageError(
            f"--token should have {SHORTEST_TOKEN} characters or more. Received {len(token)}. "
            "Make one: python3 -c 'import secrets; print(secrets.token_urlsafe())'"
        )
    if token is None and not is_loopback(host):
        raise click.UsageError(
            f"--host {host} can be reached by others and needs --token (or HAR_TOKEN). Received "
            "none. Make one: python3 -c 'import secrets; print(secrets.token_urlsafe())'"
        )


def is_loopback(host: str) -> bool:
    """Whether an address can be reached from this machine alone."""
    import ipaddress

    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def build_limits(options: Mapping[str, Any]) -> RequestLimits:
    """Collect what a request may cost from the command's values."""

    return RequestLimits(
        max_upload_bytes=int(options["max_upload_mb"] * 2**20),
        max_pixels=int(options["max_megapixels"] * 1e6),
        max_clip_s=options["max_clip_s"],
        upload_timeout_s=options["upload_timeout"],
        request_timeout_s=options["request_timeout"],
        max_requests=options["max_requests"],
    )
