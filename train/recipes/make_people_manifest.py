"""Write the manifest that the bundled `people` network is trained and judged on.

    python train/recipes/make_people_manifest.py DATA manifests

DATA holds the folders `har15`, `ucf101`, `surveillance_fight`, `ut_interaction`, `urfd` and
`bed_fall`. Labels are the datasets' own, for teachers say where people are. Kept out by group, as
`test`: 1,000 stills and 100 clips; as `val`: 200 stills and 50 clips.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import click
import numpy as np
from make_manifests import falls, fights, near_duplicates, ucf101, write

from har_edge.datasets import Sample

STILLS = 4500  # of 11,100: labels of all would take hours
HELD_OUT = {"test": (1000, 100), "val": (200, 50)}


def stills(data: Path) -> list[Sample]:
    """Some of the 15-class stills; a group is a set of near-duplicate pictures."""
    folder = data / "har15"
    with (folder / "Training_set.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    chosen = [rows[i] for i in np.random.default_rng(0).permutation(len(rows))[:STILLS]]
    paths = [folder / "train" / row["filename"] for row in chosen]
    return [
        Sample(path, row["label"], f"dup{group}")
        for path, row, group in zip(paths, chosen, near_duplicates(paths), strict=True)
    ]


def clips(data: Path) -> list[Sample]:
    """All clips; a group is a source video, a place, or a fall seen by two cameras."""
    found = [
        *ucf101(data / "ucf101"),
        *fights(data / "surveillance_fight"),
        *falls(data / "bed_fall"),
        *_by_name(data / "urfd", r"(.+?)__"),
        *_by_name(data / "ut_interaction", r"(seq\d+)"),
    ]
    return [replace(s, split="", group=f"{s.path.parent.parent.name}/{s.group}") for s in found]


def _by_name(folder: Path, pattern: str) -> list[Sample]:
    """Clips whose names begin with their group."""
    paths = sorted(folder.glob("*/*.mp4"))
    matches = [re.match(pattern, p.name) for p in paths]
    return [
        Sample(p, p.parent.name, m.group(1) if m else p.stem)
        for p, m in zip(paths, matches, strict=True)
    ]


def hold_out(samples: Sequence[Sample], counts: dict[str, int]) -> list[Sample]:
    """Give whole groups to each part until it has as many samples as asked for."""
    groups = sorted({s.group for s in samples})
    order = iter(np.random.default_rng(0).permutation(len(groups)))
    split_of: dict[str, str] = {}
    for split, count in counts.items():
        held = 0
        while held < count:
            group = groups[next(order)]
            split_of[group] = split
            held += sum(s.group == group for s in samples)
    return [replace(s, split=split_of.get(s.group, "train")) for s in samples]


@click.command()
@click.argument("data", type=click.Path(path_type=Path))
@click.argument("out", type=click.Path(path_type=Path))
def main(data: Path, out: Path) -> None:
    """Write people.csv of the datasets in DATA to the folder OUT."""
    parts = (stills(data), clips(data))
    samples = [
        sample
        for number, part in enumerate(parts)
        for sample in hold_out(part, {k: v[number] for k, v in HELD_OUT.items()})
    ]
    write(samples, data, out / "people.csv")


if __name__ == "__main__":
    main()
