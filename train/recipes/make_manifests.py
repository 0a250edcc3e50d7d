"""Write the manifests of the two bundled models and of the two public comparisons.

    python train/recipes/make_manifests.py DATA manifests

DATA holds the folders `har15`, `ucf101`, `surveillance_fight` and `bed_fall` with the public
datasets that the model cards name. Paths in the manifests start from DATA.
"""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import click
import numpy as np

from har_edge.datasets import SPLITS, Sample
from har_edge.sample_paths import group_of
from har_train.dataset.samples import assign_splits
from har_train.explore.findings import find_copies, find_near_copies
from har_train.explore.scan import scan_files

# Bits of 64 in which the perceptual hashes of near-duplicates may differ.
MAX_HASH_DISTANCE = 4
UCF_LABELS = {"BabyCrawling": "crawling", "Punch": "punching", "PushUps": "push_ups"}
OTHER = "other"
# Shorter than one frame of the falls, which have 24 a second.
ONE_FRAME_S = 0.03


def har15(data: Path) -> list[Sample]:
    """15-class stills; a group is a set of near-duplicate pictures."""
    folder = data / "har15"
    with (folder / "Training_set.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    paths = [folder / "train" / row["filename"] for row in rows]
    groups = near_duplicates(paths)
    samples = [
        Sample(path, row["label"], f"dup{group}")
        for path, row, group in zip(paths, rows, groups, strict=True)
    ]
    return assign_splits(samples, val_fraction=0.12, test_fraction=0.15, seed=0)


def near_duplicates(paths: Sequence[Path]) -> list[int]:
    """Number the groups of pictures that look alike: connected by close perceptual hashes."""
    import imagehash
    from PIL import Image
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    bits = np.stack([imagehash.phash(Image.open(p)).hash.ravel() for p in paths]).astype(np.float32)
    signs = 2 * bits - 1  # of 64 signs, a product of 64 - 2 d means d differ
    first: list[np.ndarray] = []
    second: list[np.ndarray] = []
    for start in range(0, len(paths), 1000):
        close = signs[start : start + 1000] @ signs.T >= 64 - 2 * MAX_HASH_DISTANCE
        rows, columns = np.nonzero(close)
        first.append(rows + start)
        second.append(columns)
    pairs = (np.concatenate(first), np.concatenate(second))
    graph = coo_matrix((np.ones(len(pairs[0])), pairs), shape=(len(paths), len(paths)))
    count, groups = connected_components(graph, directed=False)
    sizes = np.bincount(groups)
    print(f"har15: {len(paths)} pictures, {np.sum(sizes > 1)} near-duplicate groups, "
          f"{count} groups in all")  # fmt: skip
    return [int(g) for g in groups]


def clips(data: Path) -> list[Sample]:
    """Six motions out of three datasets, each split by source."""
    parts = (
        ucf101(data / "ucf101"),
        fights(data / "surveillance_fight"),
        falls(data / "bed_fall"),
    )
    return [
        s for part in parts
        for s in assign_splits(part, val_fraction=0.15, test_fraction=0.2, seed=0)
    ]  # fmt: skip


def ucf101(folder: Path) -> list[Sample]:
    """Three UCF101 classes; the test part is official split 1."""
    names = (folder / "testlist01.txt").read_text().split()
    test = {Path(name).stem for name in names}
    return [
        Sample(p, UCF_LABELS[p.parent.name], group_of(p), "test" if p.stem in test else "")
        for p in sorted(folder.glob("*/*.mp4"))
    ]


def fights(folder: Path) -> list[Sample]:
    """Surveillance clips; a group is the video that clips were cut from."""
    group, source_of = "", {}
    for line in (folder / "videos.txt").read_text(encoding="utf-8").splitlines():
        clip = re.match(r"\s*((?:no)?fi\d+)\s*:", line)
        if clip:
            source_of[clip.group(1)] = group
        elif line.strip():
            group = line.strip()
    labels = {"fight": "fighting", "noFight": OTHER}
    return [
        Sample(p, labels[p.parent.name], source_of.get(p.stem, p.stem))
        for p in sorted(folder.glob("*/*.mp4"))
    ]


def folds(samples: Sequence[Sample], count: int, val_fraction: float) -> Iterable[list[Sample]]:
    """Samples with each of `count` parts of the groups as the test part in turn."""
    from sklearn.model_selection import StratifiedGroupKFold

    parts = StratifiedGroupKFold(count, shuffle=True, random_state=0).split(
        samples, [s.label for s in samples], [s.group for s in samples]
    )
    for _, test in parts:
        held_out = {samples[i].path for i in test}
        marked = [replace(s, split="test" if s.path in held_out else "") for s in samples]
        yield assign_splits(marked, val_fraction=val_fraction, test_fraction=0.2, seed=0)


def beside(stills: Sequence[Sample], clips: Sequence[Sample]) -> list[Sample]:
    """What clips are learnt beside, each label named after its dataset.

    100 training photos of each of `har15`'s classes, and all clips of the two other sets.
    """
    by_label: dict[str, list[Sample]] = {}
    for still in stills:
        if still.split == "train":
            by_label.setdefault(still.label, []).append(still)
    random = np.random.default_rng(0)
    chosen = [
        members[i] for members in by_label.values() for i in random.permutation(len(members))[:100]
    ]
    return [
        *(replace(s, label=f"photo_{s.label}") for s in chosen),
        *(replace(s, label=f"{s.path.parent.parent.name}_{s.label}", split="train") for s in clips),
    ]


def beginnings(samples: Sequence[Sample]) -> list[Sample]:
    """The first frame of each training fall, as a clip of its own: someone in bed, so `other`.

    Without them a bed in such a room is enough to be called a fall.
    """
    return [
        replace(s, label=OTHER, end_s=ONE_FRAME_S)
        for s in samples
        if s.label == "falling" and s.split == "train"
    ]


def falls(folder: Path) -> list[Sample]:
    """Generated clips of people who leave a bed, falling or not."""
    labels = {"fall": "falling", "non_fall": OTHER}
    return [Sample(p, labels[p.parent.name], p.stem) for p in sorted(folder.glob("*/*.mp4"))]


def without_leakage(samples: Sequence[Sample]) -> list[Sample]:
    """Join files that `har-train explore` finds alike in two splits, in the later of both.

    The groups above miss a few: another hash distance, or clips that were generated alike.
    """
    facts = scan_files(samples).facts
    while True:
        found = [f for find in (find_copies, find_near_copies) for f in find(facts)]
        leaks = [f for f in found if f.kind == "leakage"]
        if not leaks:
            return [fact.sample for fact in facts]
        by_path = {fact.sample.path: fact.sample for fact in facts}
        for leak in leaks:
            pair = [by_path[leak.path], by_path[leak.other_path]]
            early, late = sorted(pair, key=lambda s: SPLITS.index(s.split))
            print(f"{early.path.name} joins {late.path.name} in {late.split}")
            facts = [
                replace(f, sample=replace(f.sample, group=late.group, split=late.split))
                if f.sample.group == early.group
                else f
                for f in facts
            ]
            by_path = {fact.sample.path: fact.sample for fact in facts}


def write(samples: Iterable[Sample], data: Path, path: Path) -> None:
    """Write a manifest with paths relative to `data`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(["path", "label", "group", "split", "end_s"])
        for s in samples:
            group = Path(s.group).relative_to(data) if s.group.startswith(str(data)) else s.group
            end = s.end_s if math.isfinite(s.end_s) else ""
            rows.writerow([s.path.relative_to(data).as_posix(), s.label, group, s.split, end])
    print(f"wrote {path}")


@click.command()
@click.argument("data", type=click.Path(path_type=Path))
@click.argument("out", type=click.Path(path_type=Path))
def main(data: Path, out: Path) -> None:
    """Write all manifests of the datasets in DATA to the folder OUT."""
    stills = without_leakage(har15(data))
    write(stills, data, out / "har15.csv")
    motions = without_leakage(clips(data))
    # Photos of fights are left out: they show one of the answers.
    photos = [s for s in beside(stills, []) if s.label != "photo_fighting"]
    write(motions, data, out / "clips.csv")
    write([*motions, *beginnings(motions), *photos], data, out / "clips-beside.csv")
    training_part = [s for s in motions if s.split != "test"]
    for number, fold in enumerate(folds(training_part, 5, val_fraction=0.1), start=1):
        write([*fold, *beginnings(fold), *photos], data, out / f"clips-fold-{number}.csv")
    surveillance = fights(data / "surveillance_fight")
    for number, fold in enumerate(folds(surveillance, 5, val_fraction=0.15), start=1):
        write(fold, data, out / f"fights-{number}.csv")
    ucf = ucf101(data / "ucf101")
    other = beside(stills, [*surveillance, *falls(data / "bed_fall")])
    # Its recipe chooses no epoch: validation gives temperature and threshold alone, and every clip
    # is worth more in training.
    official = assign_splits(ucf, val_fraction=0.06, test_fraction=0.2, seed=0)
    write([*official, *other], data, out / "ucf101.csv")
    ucf_training = [s for s in ucf if s.split != "test"]
    for number, fold in enumerate(folds(ucf_training, 6, val_fraction=0.06), start=1):
        write([*fold, *other], data, out / f"ucf101-fold-{number}.csv")


if __name__ == "__main__":
    main()
