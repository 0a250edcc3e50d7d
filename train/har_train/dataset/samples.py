"""Datasets: folders of classes or a table, split so that no group is on two sides."""

from __future__ import annotations

import os
import warnings
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace

import numpy as np

from har_edge.datasets import SPLITS, Sample, list_dataset
from har_edge.errors import DataError
from har_edge.paths import display_path
from har_edge.say import Say
from har_edge.table import text_table


def load_dataset(
    data: str | os.PathLike[str],
    root: str | os.PathLike[str] = "",
    say: Say = lambda line: None,
) -> list[Sample]:
    """Read a dataset that a model can be trained on.

    Args:
        data, root: See `list_dataset`.
        say: Takes a line for the user about what was passed over.

    Raises:
        DataError: if there is nothing to train on, or any part of it is wrong.
    """
    listing = list_dataset(data, root)
    if listing.problems:
        others = len(listing.problems) - 1
        # Where nothing can be used, `explore` has nothing to look at either.
        listed = others and listing.samples
        where = f"{display_path(data)}{f' --root {display_path(root)}' if root else ''}"
        more = f" ({others} more: har-train explore {where} lists all.)" if listed else ""
        raise DataError(listing.problems[0].message + more)
    labels = {s.label for s in listing.samples}
    if len(labels) < 2:
        raise DataError(
            f"{display_path(data)} should have at least 2 classes with pictures or clips. "
            f"Received {sorted(labels) or 'none'}. Make a folder for each class."
        )
    if skipped := str(listing.skipped):
        say(skipped)
    return listing.samples


def assign_splits(
    samples: Sequence[Sample], *, val_fraction: float, test_fraction: float, seed: int
) -> list[Sample]:
    """Give every sample a split; given ones stay, missing ones are carved out by group.

    Args:
        samples: With or without splits; a part that is present is never touched.
        val_fraction, test_fraction: Share of the undecided or training samples to hold out.
        seed: Of the choice.

    Raises:
        DataError: if a class has too few groups to stand on every side.
    """
    samples = [replace(s, split=s.split or "train") for s in samples]
    for split, fraction in (("test", test_fraction), ("val", val_fraction)):
        if any(s.split == split for s in samples):
            continue
        train = [i for i, s in enumerate(samples) if s.split == "train"]
        for i in _hold_out([samples[i] for i in train], fraction, split, seed):
            samples[train[i]] = replace(samples[train[i]], split=split)
    _check_splits(samples)
    return samples


def beside_answers(
    samples: Sequence[Sample], labels: Collection[str]
) -> tuple[list[Sample], list[Sample]]:
    """Part a dataset into samples of the labels asked for and those learnt beside them.

    Args:
        samples: All of a dataset.
        labels: Labels that the model answers with; empty for all.

    Raises:
        DataError: if the dataset lacks one of the labels, or there is only one.
    """
    if not labels:
        return list(samples), []
    known = {s.label for s in samples}
    if len(set(labels)) < 2 or not known.issuperset(labels):
        unknown = sorted(set(labels) - known)
        raise DataError(
            f"labels should be 2 or more of the dataset's: {', '.join(sorted(known))}. Received "
            f"{', '.join(sorted(labels))}"
            f"{f', of which it has no {unknown[0]}' if unknown else ''}."
        )
    asked = [s for s in samples if s.label in labels]
    return asked, [s for s in samples if s.label not in labels]


def without_held_out(beside: Sequence[Sample], samples: Sequence[Sample]) -> list[Sample]:
    """Leave of the samples learnt beside the answers what may be trained on.

    Args:
        beside: With or without splits; those of `val` or `test` stay out.
        samples: With splits; groups of which one sample is held out stay out too.
    """
    held_out = {s.group for s in samples if s.split != "train"}
    return [
        replace(s, split="train")
        for s in beside
        if s.split in ("", "train") and s.group not in held_out
    ]


def _hold_out(samples: Sequence[Sample], fraction: float, split: str, seed: int) -> Iterable[int]:
    from sklearn.model_selection import StratifiedGroupKFold

    groups_of: dict[str, set[str]] = {}
    for sample in samples:
        groups_of.setdefault(sample.label, set()).add(sample.group)
    label, fewest = min(((c, len(g)) for c, g in groups_of.items()), key=lambda item: item[1])
    if fewest < 2:
        raise DataError(
            f"Class '{label}' has {fewest} sample or group left, too few to hold one out for "
            f"{split}. Add samples from other sources, or define the splits yourself "
            "(DATA/train, DATA/val, DATA/test)."
        )
    most = max(len(groups) for groups in groups_of.values())
    folds = max(2, min(round(1 / fraction), most))
    splitter = StratifiedGroupKFold(n_splits=folds, shuffle=True, random_state=seed)
    labels = [s.label for s in samples]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of rare classes, which are seen to below
        _, chosen = next(splitter.split(np.zeros(len(samples)), labels, [s.group for s in samples]))
    held_out = {samples[int(i)].group for i in chosen}
    for _, groups in sorted(groups_of.items()):
        # A class with fewer groups than folds may have fallen on one side whole.
        if not groups & held_out:
            held_out.add(min(groups))
        elif groups <= held_out:
            held_out.remove(min(groups))
    return [i for i, s in enumerate(samples) if s.group in held_out]


def _check_splits(samples: Sequence[Sample]) -> None:
    side: dict[str, str] = {}
    for sample in samples:
        if side.setdefault(sample.group, sample.split) != sample.split:
            raise DataError(
                f"Group '{sample.group}' is in both {side[sample.group]} and {sample.split}, so "
                "the result would be too good. Move all its samples to one side."
            )
    labels = {s.label for s in samples}
    for split in SPLITS:
        missing = labels - {s.label for s in samples if s.split == split}
        if missing:
            raise DataError(
                f"The split '{split}' has no sample of {', '.join(sorted(missing))}. Every "
                "split needs every class. Add samples."
            )


def check_kind(samples: Iterable[Sample], *, poses: bool) -> None:
    """Refuse pictures and clips where poses are wanted, and the other way about.

    Args:
        samples: Of one dataset.
        poses: Whether sequences of pose sets are wanted.

    Raises:
        DataError: for the first sample of the other kind.
    """
    other = next((s for s in samples if s.is_pose != poses), None)
    if other is None:
        return
    shown = display_path(other.path)
    if poses:
        raise DataError(
            f"A model of poses learns from sequences of keypoints, FILE.npz#N. Received {shown}. "
            "Make them of your clips with har-train poses."
        )
    raise DataError(
        f"Expected pictures or clips, for there is to be something to look at. Received {shown}, "
        "which holds keypoints. Give pictures or clips; har-train fit learns from keypoints with "
        "--head-input pose,motion."
    )


def default_num_frames(samples: Iterable[Sample]) -> int:
    """16 where there is any clip, 1 for stills alone."""
    return 1 if all(s.is_still for s in samples) else 16


def count_table(samples: Iterable[Sample], splits: Sequence[str] = SPLITS) -> str:
    """Lay out how many samples each class has on each side."""
    counts = Counter((s.label, s.split) for s in samples)
    labels = sorted({label for label, _ in counts})
    rows = ((label, *(counts[label, split] for split in splits)) for label in labels)
    return text_table(rows, ("class", *splits))
