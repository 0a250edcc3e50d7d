"""`har-train poses`: what the runner sees of people but for pixels, as a dataset that trains."""

from __future__ import annotations

from pathlib import Path

import click

from har_edge.commands.harness import note
from har_edge.counted import counted
from har_train.commands.data import usable_samples
from har_train.commands.making import check_found, checksum_of, making_options
from har_train.commands.progress import sample_bar, say


@click.command()
@click.argument("data")
@making_options(locate_every=1, what="tracks")
def poses(
    data: str,
    out: str,
    root: str,
    people: str,
    everyone: bool,
    frame_rate: float,
    locate_every: int,
    least_frames: int,
) -> None:
    """Follow people through stills and clips, to train a model that sees poses alone.

    DATA is a folder of classes, a manifest or a run folder. People are found and followed as
    `har-edge run --people` does it. What was seen of them, keypoints and boxes, lies in OUT/tracks,
    a file for each of DATA; OUT/poses.csv has the labels, groups and splits of DATA. Start again
    to go on after an interrupt.

    A line of the list names a person by FILE.npz#N. Sets of skeletons in the same form can stand in
    one list with them; they are seen through cameras that were never there.

    \b
    Examples:
      har-train poses DATA --out poses
      har-train fit poses/poses.csv --head-input pose,motion --views 8 --out runs/mine
      har-edge run video.mp4 -m models/mine --people people
    """
    from har_edge.people.choose import PeopleRule
    from har_edge.people.open import open_locator
    from har_train.people.making import nobody_in
    from har_train.people.poses import POSES, PoseConfig, track_people

    samples = usable_samples([data], root)
    locator = open_locator(people)
    config = PoseConfig(
        frame_rate,
        rule=PeopleRule(locate_every),
        everyone=everyone,
        least_frames=least_frames,
        network=checksum_of(people),
    )
    bar = sample_bar(len(samples), len({s.label for s in samples}), "Following people")
    made = track_people(samples, locator, config, Path(out), progress=bar, skipped=say)
    check_found(data, samples, made, nobody_in(samples, made, POSES), locator)
    manifest = Path(out) / POSES.manifest
    tracks = counted(len(made), "track")
    note(f"Wrote {tracks}. Next: har-train fit {manifest} --head-input pose,motion")
