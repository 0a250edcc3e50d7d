"""`har-train crops`: a dataset of single people, cut out as the runner cuts them."""

from __future__ import annotations

import hashlib
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click

from har_edge.commands.harness import note
from har_edge.counted import counted
from har_edge.errors import DataError
from har_train.commands.data import usable_samples
from har_train.commands.progress import WATCH, say

if TYPE_CHECKING:
    from har_edge.datasets import Sample


@click.command()
@click.argument("data")
@click.option("--out", required=True, metavar="DIR", help="Folder of the new dataset.")
@click.option(
    "--root", default="", metavar="DIR", help="Folder that the paths in DATA are relative to."
)
@click.option(
    "--people",
    default="people",
    show_default=True,
    metavar="FILE",
    help="What finds people, as for har-edge run: people for the bundled network, or a .tflite.",
)
@click.option(
    "--everyone",
    is_flag=True,
    help="Keep all people of a file, not only the one who is largest for longest.",
)
@click.option(
    "--frame-rate",
    type=click.FloatRange(0, 1000, min_open=True),
    default=8.0,
    show_default=True,
    metavar="HZ",
    help="Frames sampled per second.",
)
@click.option(
    "--size",
    type=click.IntRange(min=32),
    default=224,
    show_default=True,
    metavar="PX",
    help="Height and width of a crop.",
)
@click.option(
    "--locate-every",
    type=click.IntRange(1, 100),
    default=2,
    show_default=True,
    metavar="N",
    help="Look for people in every Nth sampled frame, as the runner does.",
)
@click.option(
    "--least-frames",
    type=click.IntRange(min=1),
    default=8,
    show_default=True,
    metavar="N",
    help="Leave shorter clips of a person out, unless a file has no longer one.",
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
    from har_edge.people.open import open_locator, resolve_people
    from har_train.people.crops import MANIFEST, CropConfig, cut_people, without_crops

    samples = usable_samples([data], root)
    locator = open_locator(people)
    config = CropConfig(
        ClipSpec(1, frame_rate, size, size),
        rule=PeopleRule(locate_every),
        everyone=everyone,
        least_frames=least_frames,
        network=hashlib.sha256(resolve_people(people).read_bytes()).hexdigest(),
    )
    labels = {sample.label for sample in samples}
    bar = WATCH.samples(len(samples), len(labels))
    made = cut_people(samples, locator, config, Path(out), progress=bar, skipped=say)
    missing = without_crops(samples, made)
    if missing:
        counts = ", ".join(f"{label} {count}" for label, count in sorted(missing.items()))
        files = counted(len(samples), "file")
        note(f"Nobody was found in {sum(missing.values())} of {files}: {counts}.")
    if not made:
        raise DataError(
            f"{data} should show people. {locator.name} found none. Give another network with "
            "--people."
        )
    next_command = fit_command(Path(out) / MANIFEST, made, frame_rate, size)
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
