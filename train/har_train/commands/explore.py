"""`har-train explore`: look at data before training on it."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import click

from har_edge.commands.harness import note, show
from har_edge.errors import DataError
from har_edge.exclusive import one_at_a_time
from har_edge.silence import doing
from har_train.commands.progress import sample_bar
from har_train.config import default_name
from har_train.explore.explore import ExploreConfig
from har_train.explore.findings import KINDS
from har_train.extras import check_installed


def _parse_kinds(context: click.Context, option: click.Parameter, value: str) -> tuple[str, ...]:
    """Read `--fail-on`; each kind once, in the order given."""
    from har_edge.recognition.decide import parse_labels

    kinds = tuple(dict.fromkeys(parse_labels(value)))
    unknown = [kind for kind in kinds if kind not in KINDS]
    if unknown:
        raise click.BadParameter(
            f"should be some of {', '.join(KINDS)}. Received {', '.join(unknown)}.", context, option
        )
    return kinds


@click.command()
@click.argument("data")
@click.option("--out", metavar="DIR", help="Folder to write to. [default: explore/NAME]")
@click.option(
    "--root",
    default="",
    metavar="DIR",
    help=("Folder that the paths in a manifest are relative to."),
)
@click.option(
    "--fail-on",
    default="",
    callback=_parse_kinds,
    metavar="KIND,...",
    help="Exit with code 3 if there is any finding of these kinds.",
)
@click.option(
    "--min-samples",
    type=click.IntRange(min=0),
    default=ExploreConfig.min_samples,
    show_default=True,
    metavar="N",
    help="Smallest number of samples that a class should have.",
)
@click.option(
    "--num-frames",
    type=click.IntRange(min=1),
    metavar="T",
    help="Frames per window of the model. [default: 1 for stills, 16 for clips]",
)
@click.option(
    "--frame-rate",
    "frame_rate_hz",
    type=click.FloatRange(min=0, min_open=True),
    default=ExploreConfig.frame_rate_hz,
    show_default=True,
    metavar="HZ",
    help="Frames sampled per second.",
)
@click.option("--thorough", is_flag=True, help="Decode every frame of each clip, not just three.")
def explore(
    data: str,
    out: str | None,
    fail_on: tuple[str, ...],
    root: str,
    min_samples: int,
    num_frames: int | None,
    frame_rate_hz: float,
    thorough: bool,
) -> None:
    """Show what DATA contains and what is wrong with it, before training on it.

    \b
    Finds: unreadable files, duplicates and near-duplicates, leakage between splits, content
    under two labels, splits with one class, rare classes, short clips, clashing names.

    \b
    Examples:
      har-train explore DATA --out report
      har-train explore DATA --fail-on leakage,conflict,unreadable
    """
    from har_train.explore import explore as library
    from har_train.explore.report import findings_table, save_exploration

    check_installed("imagehash", "matplotlib")
    config = ExploreConfig(
        data, root, num_frames or 0, frame_rate_hz, min_samples, thorough=thorough
    )
    folder = Path(out or f"explore/{default_name(data)}")
    if not Path(data).exists():
        raise DataError(f"There is no dataset at {data}. Check the path.")
    library.check_output(folder, config)
    with one_at_a_time(folder, "Give another --out."):
        found = library.explore(config, progress=partial(sample_bar, verb="Reading"))
        with doing(f"Writing {folder}"):
            save_exploration(found, folder)
    show(findings_table(found))
    if found.skipped:
        note(found.skipped)
    note(f"\nWrote {folder / 'explore.html'}")
    library.check_gate(found, fail_on)
