"""`har-train crops`: a dataset of single people, cut out as the runner cuts them."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click

from har_edge.commands.harness import note
from har_edge.counted import counted
from har_train.commands.data import usable_samples
from har_train.commands.making import check_found, checksum_of, making_options
from har_train.commands.progress import sample_bar, say

if TYPE_CHECKING:
    from har_edge.datasets import Sample


@click.command()
@click.argument("data")
@making_options(locate_every=2, what="clips")
@click.option(
    "--size",
    type=click.IntRange(min=32),
    default=224,
    show_default=True,
    metavar="PX",
    help="Height and width of a crop.",
)
def crops(
    data: str,
    out: str,
    root: str,
    people: str,
    everyone: bool,
    frame_rate: float,
    size: int,
    locate_every: int,
    least_frames: int,
) -> None:
    """Cut single people out of stills and clips, to train a model that answers for each person.

    DATA is a folder of classes, a manifest or a run folder. People are found, followed and cut out
    as `har-edge run --people` does it, and written without loss, so that training and the runner
    see the same pixels. OUT/crops.csv has the labels, groups and splits of DATA. Look at the
    crops, and delete those that show somebody else than the label means; start again to go on
    after an interrupt, or to write the list anew.

    \b
    Examples:
      har-train crops DATA --out crops
      har-train fit crops/crops.csv --view person --weights clips --num-frames 16 --out runs/mine
      har-edge run video.mp4 -m models/mine --people people
    """
    from har_edge.model.spec import ClipSpec
    from har_edge.people.choose import PeopleRule
    from har_edge.people.open import open_locator
    from har_train.people.crops import CROPS, CropConfig, cut_people
    from har_train.people.making import nobody_in

    samples = usable_samples([data], root)
    locator = open_locator(people)
    config = CropConfig(
        ClipSpec(1, frame_rate, size, size),
        rule=PeopleRule(locate_every),
        everyone=everyone,
        least_frames=least_frames,
        network=checksum_of(people),
    )
    bar = sample_bar(len(samples), len({s.label for s in samples}), "Following people")
    made = cut_people(samples, locator, config, Path(out), progress=bar, skipped=say)
    check_found(data, samples, made, nobody_in(samples, made, CROPS), locator)
    next_command = fit_command(Path(out) / CROPS.manifest, made, frame_rate, size)
    note(f"Wrote {counted(len(made), 'crop')}. Next: {next_command}")


def fit_command(manifest: Path, made: list[Sample], frame_rate: float, size: int) -> str:
    """Spell the command that trains on crops: their rate and size are those of its windows."""
    from har_train.config.groups import WindowConfig
    from har_train.dataset.samples import default_num_frames

    num_frames, usual = default_num_frames(made), WindowConfig()
    words = ["har-train", "fit", str(manifest), "--view", "person"]
    words += ["--weights", "clips" if num_frames > 1 else "har15"]
    words += ["--num-frames", str(num_frames)]
    words += [] if frame_rate == usual.frame_rate_hz else ["--frame-rate", f"{frame_rate:g}"]
    words += [] if size == usual.size else ["--size", str(size)]
    return shlex.join(words)
