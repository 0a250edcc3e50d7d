"""Write the manifest that models of poses are trained on, and the sets that nobody recorded.

    python train/recipes/make_pose_sets.py SKELETONS poses [--tracks TRACKS.csv] [--leave-out SET]

SKELETONS is a folder of `.npz` sets (their form: `har_train.skeletons.sets`). Beside
`poses/poses.csv` it writes `poses/falls.npz`, people of these sets who fall, lie down at leisure
and lie (`har_train.skeletons.falls`), and `poses/held.npz`, people who stand or sit as they did
before or after something else. Labels of the sets that mean one thing are joined, those that no
other set shares are `other`. `--tracks` adds lists that `har-train poses` made. What is left out,
sets or groups, and nothing that was made of it, is listed in `poses/left-out.csv`.
"""

from __future__ import annotations

import csv
import io
import itertools
import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import click
import numpy as np

from har_edge.files import write_whole
from har_edge.progress import Progress
from har_train.skeletons.falls import Kind, can_come_down, come_down, hold
from har_train.skeletons.sets import Skeleton, load_skeletons, save_skeletons

# Labels of the sets by what they are called here; all others are `other`.
LABELS = {
    "bending": "bending",
    "clapping": "clapping",
    "jumping_jack": "jumping jacks",
    "kicking": "kicking",
    "lying": "lying",
    "punching": "punching",
    "push_up": "push-ups",
    "pushing": "punching",
    "running": "walking",
    "sit_down": "sitting down",
    "sitting": "sitting",
    "squatting": "squatting",
    "stand_up": "standing up",
    "standing": "standing",
    "typing": "sitting",
    "walking": "walking",
    "waving": "waving",
}
OTHER = "other"
# What people do before and after: whose beginning and end is held.
HELD = {"sitting down": ("standing", "sitting"), "standing up": ("sitting", "standing")}
# Films, in which hands hold the camera: their beginnings and ends are no rest.
UNSTEADY = ("jhmdb",)
# Recordings of the falls that models are judged on.
NOT_TRAINED = ("urfd_pose2d",)
KINDS: tuple[Kind, ...] = ("falling", "lying down", "lying")
SHARES = (0.55, 0.25, 0.2)
# Of all groups, for validation and for the test part.
SHARE = 0.1
HEAD = ("path", "label", "group", "split")

Row = tuple[str, str, str, str]


@click.command()
@click.argument("skeletons", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("out", type=click.Path(path_type=Path))
@click.option("--tracks", multiple=True, type=click.Path(exists=True, path_type=Path),
              help="List of tracks to add; may be repeated.")  # fmt: skip
@click.option("--leave-out", multiple=True, metavar="NAME",
              help="Set or group to judge on; may be repeated.")  # fmt: skip
@click.option("--falls", type=click.IntRange(min=0), default=4000, show_default=True)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
def main(
    skeletons: Path,
    out: Path,
    tracks: tuple[Path, ...],
    leave_out: tuple[str, ...],
    falls: int,
    seed: int,
) -> None:
    """Write OUT/poses.csv, OUT/left-out.csv, OUT/falls.npz and OUT/held.npz."""
    out.mkdir(parents=True, exist_ok=True)
    paths = [path for path in sorted(skeletons.glob("*.npz")) if path.stem not in NOT_TRAINED]
    sets = {path: [_renamed(s) for s in load_skeletons(path)] for path in paths}
    known = [s for s in itertools.chain(*sets.values()) if not {s.source, s.group} & {*leave_out}]
    random = np.random.default_rng(seed)
    made = {out / "falls.npz": _fallen(known, falls, random), out / "held.npz": _held(known)}
    for path, found in made.items():
        if found:
            save_skeletons(path, found)
            sets[path] = found
    rows = [*_rows(sets, out), *itertools.chain(*(_listed(path, out) for path in tracks))]
    groups = sorted({row[2] for row in rows})
    parts = random.choice(["val", "test", "train"], len(groups), p=[SHARE, SHARE, 1 - 2 * SHARE])
    split = dict(zip(groups, parts.tolist(), strict=True))
    _write(
        out / "poses.csv",
        [(*row[:3], split[row[2]]) for row in rows if not _is_in(row[2], leave_out)],
    )
    _write(out / "left-out.csv", [(*row[:3], "test") for row in rows if _is_in(row[2], leave_out)])


def _is_in(group: str, names: Sequence[str]) -> bool:
    """Whether a group, SET/GROUP or GROUP, is among some sets and groups."""
    return any(group == name or group.startswith(f"{name}/") for name in names)


def _renamed(skeleton: Skeleton) -> Skeleton:
    return replace(skeleton, label=LABELS.get(skeleton.label, OTHER))


def _fallen(
    everyone: Sequence[Skeleton], count: int, random: np.random.Generator
) -> list[Skeleton]:
    """People who come down, each from somewhere on their way."""
    standing = [s for s in everyone if can_come_down(s)]
    if not standing:
        return []
    found = []
    with Progress(count, "Letting people come down", "sequence") as progress:
        for _ in range(count):
            skeleton = standing[random.integers(len(standing))]
            end = random.integers(1, len(skeleton.joints) + 1)
            until = replace(skeleton, joints=skeleton.joints[:end])
            kind = KINDS[random.choice(len(KINDS), p=SHARES)]
            found.append(come_down(until if can_come_down(until) else skeleton, kind, random))
            progress()
    return found


def _held(everyone: Sequence[Skeleton]) -> list[Skeleton]:
    found = []
    for skeleton in everyone:
        if skeleton.label in HELD and not skeleton.flat and skeleton.source not in UNSTEADY:
            first, last = HELD[skeleton.label]
            found += [hold(skeleton, first, end=False), hold(skeleton, last, end=True)]
    return found


def _rows(sets: dict[Path, list[Skeleton]], out: Path) -> Iterator[Row]:
    for path, found in sets.items():
        shown = os.path.relpath(path, out)
        for number, skeleton in enumerate(found):
            yield f"{shown}#{number}", skeleton.label, skeleton.group, ""


def _listed(manifest: Path, out: Path) -> Iterator[Row]:
    """What another manifest lists, with paths from here."""
    with manifest.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            path = os.path.relpath(manifest.parent / row["path"], out)
            yield path, row["label"], row["group"], ""


def _write(path: Path, rows: Sequence[Row]) -> None:
    text = io.StringIO()
    lines = csv.writer(text, lineterminator="\n")
    lines.writerow(HEAD)
    lines.writerows(rows)
    write_whole(path, text.getvalue())
    click.echo(f"Wrote {len(rows)} sequences to {path}.")


if __name__ == "__main__":
    main()
