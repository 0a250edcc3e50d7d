"""Datasets: folders of classes or a table, split so that no group is on two sides."""

from __future__ import annotations

import csv
import math
import os
import re
import warnings
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import numpy as np

from har_edge.errors import DataError
from har_edge.frames.preprocess import VIDEO_SUFFIXES
from har_edge.paths import display_path
from har_edge.sources.names import is_media
from har_edge.table import text_table

SPLITS = ("train", "val", "test")
MANIFEST_COLUMNS = {"path", "label", "group", "split", "start_s", "end_s"}
# The 15-class HAR stills are published as two tables beside folders full of pictures.
PUBLISHED_TRAIN, PUBLISHED_TEST = "Training_set.csv", "Testing_set.csv"
# UCF101 names its clips v_Class_gNN_cNN: clips of one g come from one video.
UCF_NAME = re.compile(r"(.+_g\d+)_c\d+$")


@dataclass(frozen=True)
class Sample:
    """One labelled still or clip.

    Attributes:
        path: The file.
        label: Its class.
        group: Samples of one group (subject, source video) stay on one side of a split.
        split: `train`, `val`, `test`, or "" while undecided.
        start_s, end_s: The labelled span of a longer video, in seconds from its first frame.
    """

    path: Path
    label: str
    group: str
    split: str = ""
    start_s: float = 0.0
    end_s: float = math.inf

    @property
    def is_still(self) -> bool:
        """Whether it is a picture."""
        return self.path.suffix.lower() not in VIDEO_SUFFIXES

    @property
    def span(self) -> tuple[float, float]:
        """Its start and end in seconds."""
        return self.start_s, self.end_s

    @property
    def is_span(self) -> bool:
        """Whether it is a part of a video that the data names, rather than a whole file."""
        return self.span != (0.0, math.inf)


@dataclass(frozen=True)
class Problem:
    """Something in a dataset that cannot be used.

    Attributes:
        kind: `empty` for a class without samples, `row` for a line of a table, `name` for a file
            or class folder whose name no table or label file can hold.
        path: The folder, or the file that the line names.
        label: The class, where it is known.
        split: As in `Sample`.
        message: For the user.
    """

    kind: Literal["empty", "row", "name"]
    path: Path
    label: str
    split: str
    message: str


@dataclass(frozen=True)
class Listing:
    """All that a dataset names, whether or not a model can be trained on it.

    Attributes:
        samples: What can be used, in the dataset's order.
        problems: What cannot.
        set_aside: Labelled samples that training leaves alone: a published test table's,
            whose labels may be dummies.
    """

    samples: list[Sample] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    set_aside: list[Sample] = field(default_factory=list)


def load_dataset(data: str | os.PathLike[str], root: str | os.PathLike[str] = "") -> list[Sample]:
    """Read a dataset that a model can be trained on.

    Args:
        data, root: See `list_dataset`.

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
            f"{display_path(data)} should hold at least 2 classes with pictures or clips. "
            f"Received {sorted(labels) or 'none'}. Expected a folder for each class."
        )
    return listing.samples


def list_dataset(data: str | os.PathLike[str], root: str | os.PathLike[str] = "") -> Listing:
    """List what a dataset names, with its problems beside it.

    Four layouts are known: `DATA/<class>/*`, `DATA/{train,val,test}/<class>/*`, a CSV
    manifest, and `DATA/Training_set.csv` (filename, label) beside pictures in `DATA/train`.

    Args:
        data: Folder or `.csv` file with the columns path, label and optionally group, split,
            start_s, end_s.
        root: Folder that a manifest's paths start from; default is the manifest's own.

    Raises:
        DataError: if there is no such dataset, or a table cannot be read as one.
    """
    path = Path(data)
    if path.is_file():
        return _list_manifest(path, Path(root) if root else path.parent)
    if not path.is_dir():
        raise DataError(f"There is no dataset {display_path(path)}. Check the path.")
    return _list_published(path) if _is_published(path) else _list_folders(path)


def _list_folders(root: Path) -> Listing:
    splits = [name for name in SPLITS if (root / name).is_dir()]
    parents = [(root / name, name) for name in splits] if "train" in splits else [(root, "")]
    listing = Listing()
    for parent, split in parents:
        for folder in sorted(p for p in parent.iterdir() if p.is_dir()):
            files = sorted(p for p in folder.rglob("*") if is_media(p))
            unfit = _unfit_names(folder, files)
            if unfit:
                listing.problems.extend(_name_problem(p, folder.name, split) for p in sorted(unfit))
                files = [] if folder in unfit else [p for p in files if p not in unfit]
            elif not files:
                message = (
                    f"The class folder {display_path(folder)} holds no picture and no clip. "
                    "Fill it or remove it."
                )
                listing.problems.append(Problem("empty", folder, folder.name, split, message))
            listing.samples.extend(Sample(p, folder.name, group_of(p), split) for p in files)
    return listing


def _unfit_names(folder: Path, files: Iterable[Path]) -> set[Path]:
    """Find names that a run's tables could not hold, now rather than after training."""

    def is_utf8(name: str | os.PathLike[str]) -> bool:
        return display_path(name) == os.fspath(name)

    if not is_utf8(folder.name) or len(folder.name.splitlines()) != 1:
        return {folder}
    return {p for p in files if not is_utf8(p.relative_to(folder))}


def _name_problem(path: Path, label: str, split: str) -> Problem:
    name = "\\n".join(display_path(path).splitlines())
    message = (
        f"Expected names in UTF-8, and of one line for a class. Received '{name}', as files from "
        "old archives may be called. Rename it."
    )
    return Problem("name", path, display_path(label), split, message)


def _list_manifest(path: Path, root: Path) -> Listing:
    columns, rows = _read_table(path)
    if not {"path", "label"} <= columns <= MANIFEST_COLUMNS:
        raise DataError(
            f"The manifest {display_path(path)} should have the columns path,label and may "
            f"have group,split,start_s,end_s. Received {','.join(sorted(columns)) or 'no header'}."
        )
    listing = Listing()
    for line, row in enumerate(rows, start=2):
        file_path, split = root / (row["path"] or ""), row.get("split") or ""
        label = row["label"] or ""
        if fault := _row_fault(row, file_path):
            message = f"{display_path(path)}, line {line}: {fault}"
            listing.problems.append(Problem("row", file_path, label, split, message))
            continue
        group = row.get("group") or group_of(file_path)
        try:
            span = _span(row, file_path, f"{display_path(path)}, line {line}")
        except DataError as error:
            listing.problems.append(Problem("row", file_path, label, split, str(error)))
            continue
        listing.samples.append(Sample(file_path, label, group, split, *span))
    return listing


def _row_fault(row: Mapping[str, str | None], file_path: Path) -> str:
    """Say what is wrong with a manifest's row; "" if nothing is."""
    # A row that is too short leaves None in its last cells, one too long a key of None.
    whole = None not in row and all(row[key] for key in ("path", "label"))
    if not whole or len((row["label"] or "").splitlines()) != 1:
        cells = ", ".join(repr(cell) for cell in row.values() if cell is not None)
        return (
            "expected a path, a label of one line, and no more cells than columns. Received "
            f"{cells or 'none'}."
        )
    if row.get("split") not in (None, "", *SPLITS):
        return f"expected a split of {', '.join(SPLITS)} or none. Received {row['split']!r}."
    if not file_path.is_file():
        return f"there is no file {display_path(file_path)}. Check the path and --root."
    return ""


def _read_table(path: Path) -> tuple[set[str], list[dict[str, str | None]]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            return set(reader.fieldnames or ()), list(reader)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"The manifest {display_path(path)} cannot be read: {error}.") from error


def _is_published(root: Path) -> bool:
    """Whether a table beside `train` names the classes, rather than folders in it."""
    pictures = root / "train"
    tables = (root / PUBLISHED_TRAIN).is_file() and pictures.is_dir()
    return tables and not any(p.is_dir() for p in pictures.iterdir())


def _list_published(root: Path) -> Listing:
    listing = _list_published_table(root / PUBLISHED_TRAIN, root / "train", "")
    table = root / PUBLISHED_TEST
    # The test table is published without labels; copies that have some may have made them up.
    if table.is_file() and "label" in _read_table(table)[0]:
        test = _list_published_table(table, root / "test", "test")
        listing.set_aside.extend(test.samples)
    return listing


def _list_published_table(path: Path, folder: Path, split: str) -> Listing:
    columns, rows = _read_table(path)
    if not {"filename", "label"} <= columns:
        raise DataError(
            f"{display_path(path)} should have the columns filename,label. "
            f"Received {','.join(sorted(columns)) or 'no header'}."
        )
    listing = Listing()
    for line, row in enumerate(rows, start=2):
        name, label = row["filename"] or "", row["label"] or ""
        file_path = folder / name
        if name and len(label.splitlines()) == 1 and (split or file_path.is_file()):
            listing.samples.append(Sample(file_path, label, group_of(file_path), split))
            continue
        message = (
            f"{display_path(path)}, line {line}: expected the name of a file in "
            f"{display_path(folder)} and a label. Received {row}. Correct or remove the line."
        )
        listing.problems.append(Problem("row", file_path, label, split, message))
    return listing


def _span(row: Mapping[str, str | None], file_path: Path, where: str) -> tuple[float, float]:
    """Read a row's span; an empty cell means the video's own start or end."""
    texts = (row.get("start_s") or "0", row.get("end_s") or "inf")
    try:
        start_s, end_s = (float(text) for text in texts)
    except ValueError:
        start_s, end_s = math.nan, math.nan
    whole = (start_s, end_s) == (0.0, math.inf)
    if not 0 <= start_s < end_s or start_s == math.inf:
        raise DataError(
            f"{where}: start_s and end_s should be seconds, 0 <= start_s < end_s, or empty. "
            f"Received {', '.join(texts)}. Correct the row."
        )
    if file_path.suffix.lower() not in VIDEO_SUFFIXES and not whole:
        raise DataError(
            f"{where}: only a video has a span. Received start_s {texts[0]}, end_s {texts[1]} for "
            f"the picture {display_path(file_path)}. Leave both cells empty."
        )
    return start_s, end_s


def group_of(path: Path) -> str:
    """Guess a sample's group: UCF101's source video, else the file alone."""
    match = UCF_NAME.match(path.stem)
    return match.group(1) if match else str(path)


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
            f"{split}. Add samples from other sources, or name the splits yourself "
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
                f"Group '{sample.group}' stands in both {side[sample.group]} and {sample.split}: "
                "the result would flatter. Move all its samples to one side."
            )
    labels = {s.label for s in samples}
    for split in SPLITS:
        missing = labels - {s.label for s in samples if s.split == split}
        if missing:
            raise DataError(
                f"The split '{split}' has no sample of {', '.join(sorted(missing))}. "
                "Every class is needed on every side."
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
