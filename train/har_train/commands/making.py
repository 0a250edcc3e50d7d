"""What `har-train crops` and `har-train poses` share: options, and what they say in the end."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, TypeVar

import click

from har_edge.commands.harness import note
from har_edge.errors import DataError

if TYPE_CHECKING:
    from har_edge.datasets import Sample
    from har_edge.people.locate import Locator

Command = TypeVar("Command", bound=Callable[..., object])


def making_options(*, locate_every: int, what: str) -> Callable[[Command], Command]:
    """Give a command the options of both.

    Args:
        locate_every: Default of the option of that name.
        what: What is made of a person, for the help.
    """
    options = (
        click.option("--out", required=True, metavar="DIR", help="Folder of the new dataset."),
        click.option(
            "--root",
            default="",
            metavar="DIR",
            help="Folder that the paths in DATA are relative to.",
        ),
        click.option(
            "--people",
            default="people",
            show_default=True,
            metavar="FILE",
            help="What finds people, as for har-edge run: people for the bundled network, or a "
            ".tflite.",
        ),
        click.option(
            "--everyone",
            is_flag=True,
            help="Keep all people of a file, not only the one who is largest for longest.",
        ),
        click.option(
            "--frame-rate",
            type=click.FloatRange(0, 1000, min_open=True),
            default=8.0,
            show_default=True,
            metavar="HZ",
            help="Frames sampled per second.",
        ),
        click.option(
            "--locate-every",
            type=click.IntRange(1, 100),
            default=locate_every,
            show_default=True,
            metavar="N",
            help="Look for people in every Nth sampled frame, as the runner does.",
        ),
        click.option(
            "--least-frames",
            type=click.IntRange(min=1),
            default=8,
            show_default=True,
            metavar="N",
            help=f"Leave shorter {what} of a person out, unless a file has no longer one.",
        ),
    )

    def decorate(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


def list_samples(data: str, root: str) -> list[Sample]:
    """List the stills and clips of a dataset.

    Raises:
        DataError: if there are none.
    """
    from har_edge.run_folder import list_data
    from har_train.dataset.samples import check_kind

    listing = list_data(data, root)
    if skipped := str(listing.skipped):
        note(skipped)
    if not (samples := listing.usable()):
        raise DataError(f"{data} should hold stills or clips. Received none. Check the path.")
    check_kind(samples, poses=False)
    return samples


def checksum_of(people: str) -> str:
    """Checksum of what finds people."""
    from har_edge.people.open import resolve_people

    return hashlib.sha256(resolve_people(people).read_bytes()).hexdigest()


def check_found(
    data: str,
    samples: Sequence[Sample],
    made: Sequence[Sample],
    missing: Mapping[str, int],
    locator: Locator,
) -> None:
    """Say in which files nobody was found.

    Raises:
        DataError: if that were all.
    """
    if missing:
        counts = ", ".join(f"{label} {count}" for label, count in sorted(missing.items()))
        note(f"Nobody was found in {sum(missing.values())} of {len(samples)} files: {counts}.")
    if not made:
        raise DataError(
            f"{data} should show people. {locator.name} found none. Give another network with "
            "--people."
        )
