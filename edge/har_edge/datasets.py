"""Datasets: folders of classes or a table, their parts, and what is wrong with them.

Training, calibration, evaluation and benchmarks read their data here, so that what one of them
takes the others take, too. Nothing is decoded; see `har_edge.media` for how files are known.
"""

from __future__ import annotations

import csv
import math
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from har_edge.errors import DataError
from har_edge.media import Skipped, find_media, is_video, without_clutter
from har_edge.paths import display_path
from har_edge.sample_paths import SET_SUFFIX, file_of, group_of

SPLITS = ("train", "val", "test")
# Where a dataset is split, models are judged on the first of these that it has.
JUDGED_SPLITS = ("test", "val")
MANIFEST_COLUMNS = {"path", "label", "group", "split", "start_s", "end_s"}
# The 15-class HAR stills are published as two tables beside folders full of pictures.
PUBLISHED_TRAIN, PUBLISHED_TEST = "Training_set.csv", "Testing_set.csv"
# One line of a table; cells are missing where it is too short.
Row = Mapping[str, str | None]


@dataclass(frozen=True)
class Sample:
    """One labelled still, clip or sequence of keypoints.

    Attributes:
        path: The file; `FILE.npz#N` for the N-th sequence of a pose set, from 0.
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
        return not self.is_pose and not is_video(self.path)

    @property
    def is_pose(self) -> bool:
        """Whether it is a sequence of keypoints."""
        return file_of(self.path) != self.path

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
        splits: Splits that have a folder, whether or not anything lies there.
        skipped: Files in the classes' folders that are neither pictures nor videos, and folders
            that hold no data: hidden ones, trash, what programs leave behind.
    """

    samples: list[Sample] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    set_aside: list[Sample] = field(default_factory=list)
    splits: tuple[str, ...] = ()
    skipped: Skipped = field(default_factory=Skipped, compare=False)

    def parts(self) -> dict[str, Listing]:
        """Sort samples and problems by split; what is not split at all is the one part `all`.

        Where anything has a split, samples without are for training. A problem whose split is
        none of `SPLITS` may belong to any part, and stands in each.

        Returns:
            Parts by name, in the order of `SPLITS`.

        Example:
            >>> samples = [Sample(Path(f"{i}.mp4"), "falling", str(i)) for i in range(3)]
            >>> list(Listing(samples).parts())
            ['all']
            >>> held_out = Sample(Path("3.mp4"), "falling", "3", split="test")
            >>> parts = Listing([*samples, held_out]).parts()
            >>> [(name, len(part.samples)) for name, part in parts.items()]
            [('train', 3), ('test', 1)]
        """
        named = {*self.splits, *(s.split for s in self.samples), *(p.split for p in self.problems)}
        if not named & {*SPLITS}:
            return {"all": self}
        if "" in named:
            named.add("train")
        return {split: self._part(split) for split in SPLITS if split in named}

    def _part(self, split: str) -> Listing:
        def belongs(given: str) -> bool:
            return (given or "train") == split or given not in ("", *SPLITS)

        return Listing(
            [s for s in self.samples if belongs(s.split)],
            [p for p in self.problems if belongs(p.split)],
        )

    def training(self) -> Listing:
        """The part to learn from, or everything if it is not split."""
        parts = self.parts()
        return parts.get("all") or parts.get("train") or Listing()

    def judged(self) -> Listing:
        """The part to judge a model on: `test`, else `val`, else everything."""
        parts = self.parts()
        return next((parts[name] for name in JUDGED_SPLITS if name in parts), self)

    def usable(self) -> list[Sample]:
        """Give the samples, if nothing that the data names is unusable.

        Raises:
            DataError: for the first line or name that is; a class without samples is none.
        """
        for problem in self.problems:
            if problem.kind != "empty":
                raise DataError(problem.message)
        return self.samples


def list_dataset(data: str | os.PathLike[str], root: str | os.PathLike[str] = "") -> Listing:
    """List the samples of a dataset, and its problems.

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
        raise DataError(f"There is no dataset at {display_path(path)}. Check the path.")
    return _list_published(path) if _is_published(path) else _list_folders(path)


def _list_folders(root: Path) -> Listing:
    splits = [name for name in SPLITS if (root / name).is_dir()]
    if "train" not in splits:
        splits = []
    parents = [(root / name, name) for name in splits] or [(root, "")]
    listing = Listing(splits=tuple(splits))
    for parent, split in parents:
        named = [p.name for p in parent.iterdir() if p.is_dir()]
        for name in sorted(without_clutter(named, listing.skipped)):
            folder = parent / name
            files = find_media(folder, listing.skipped)
            unfit = _unfit_names(folder, files)
            if unfit:
                listing.problems.extend(_name_problem(p, folder.name, split) for p in sorted(unfit))
                files = [] if folder in unfit else [p for p in files if p not in unfit]
            elif not files:
                message = (
                    f"The class folder {display_path(folder)} should contain pictures or clips. "
                    "Received none. Fill it or remove it."
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
        f"Names should be UTF-8, and a class should be a single line. Received '{name}', as can "
        "happen with files from old archives. Rename it."
    )
    return Problem("name", path, display_path(label), split, message)


def _list_manifest(path: Path, root: Path) -> Listing:
    columns, rows = _read_table(path)
    if not {"path", "label"} <= columns <= MANIFEST_COLUMNS:
        raise DataError(
            f"The manifest {display_path(path)} should have the columns path,label and "
            "optionally group,split,start_s,end_s. Received "
            f"{','.join(sorted(columns)) or 'no header'}. Correct the header."
        )
    return _list_rows(rows, path, root)


def list_predictions(path: Path, root: Path) -> Listing:
    """List the files of a run's `predictions.csv`, which has a line for each of their windows.

    Args:
        path: The table.
        root: Folder that its paths start from.

    Raises:
        DataError: if it cannot be read as one.
    """
    columns, rows = _read_table(path)
    if not {"path", "label", "first_frame"} <= columns:
        raise DataError(
            f"{display_path(path)} should have the columns path,label,first_frame. Received "
            f"{','.join(sorted(columns)) or 'no header'}. Train again."
        )
    listing = _list_rows(rows, path, root)
    return Listing(list(dict.fromkeys(listing.samples)), listing.problems)


def _list_rows(rows: Iterable[tuple[int, Row]], table: Path, root: Path) -> Listing:
    listing = Listing()
    for line, row in rows:
        where = f"{display_path(table)}, line {line}"
        file_path, split = root / (row["path"] or ""), row.get("split") or ""
        label = row["label"] or ""
        try:
            _check_row(row, file_path, where)
            span = _span(row, file_path, where)
        except DataError as error:
            listing.problems.append(Problem("row", file_path, label, split, str(error)))
            continue
        group = row.get("group") or group_of(file_path)
        listing.samples.append(Sample(file_path, label, group, split, *span))
    return listing


def _check_row(row: Row, file_path: Path, where: str) -> None:
    # A row that is too short leaves None in its last cells, one too long a key of None.
    whole = None not in row and all(row[key] for key in ("path", "label"))
    if not whole or len((row["label"] or "").splitlines()) != 1:
        cells = ", ".join(repr(cell) for cell in row.values() if cell is not None)
        raise DataError(
            f"{where}: expected a path, a single-line label, and no more cells than columns. "
            f"Received {cells or 'none'}. Correct the row."
        )
    if row.get("split") not in (None, "", *SPLITS):
        raise DataError(
            f"{where}: split should be {', '.join(SPLITS)} or empty. Received {row['split']!r}. "
            "Correct the row."
        )
    if not (file := file_of(file_path)).is_file():
        raise DataError(
            f"{where}: there is no file {display_path(file)}. Check the path and --root."
        )
    if file_path.suffix.lower() == SET_SUFFIX:
        raise DataError(
            f"{where}: expected FILE.npz#N, the number of a sequence in the file, from 0. Received "
            f"{display_path(file_path.name)}. Add the number."
        )


def _read_table(path: Path) -> tuple[set[str], list[tuple[int, Row]]]:
    """Read a table's columns and its rows, each with the number of its (last) line."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            return set(reader.fieldnames or ()), [(reader.line_num, row) for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(
            f"The manifest {display_path(path)} cannot be read: {error}. Save it as "
            "a UTF-8 CSV file."
        ) from error


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
            f"{display_path(path)} should have the columns filename,label. Received "
            f"{','.join(sorted(columns)) or 'no header'}. Correct the header."
        )
    listing = Listing()
    for line, row in rows:
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


def _span(row: Row, file_path: Path, where: str) -> tuple[float, float]:
    """Read a row's span; an empty cell means the video's own start or end."""
    texts = (row.get("start_s") or "0", row.get("end_s") or "inf")
    try:
        start_s, end_s = (float(text) for text in texts)
    except ValueError:
        start_s, end_s = math.nan, math.nan
    if not 0 <= start_s < end_s or start_s == math.inf:
        raise DataError(
            f"{where}: start_s and end_s should be seconds, 0 <= start_s < end_s, or empty. "
            f"Received {', '.join(texts)}. Correct the row."
        )
    if (start_s, end_s) != (0.0, math.inf) and not is_video(file_path):
        raise DataError(
            f"{where}: only a video can have start_s and end_s. Received {texts[0]} and "
            f"{texts[1]} for {display_path(file_path)}. Leave both cells empty."
        )
    return start_s, end_s


def thin_out(samples: Sequence[Sample], most: int) -> list[Sample]:
    """Keep so many samples, class by class in turn, each class's spread over its list.

    Example:
        >>> samples = [Sample(Path(f"{i}.mp4"), label, "") for label in "ab" for i in range(6)]
        >>> [f"{s.label}/{s.path}" for s in thin_out(samples, most=4)]
        ['a/0.mp4', 'a/3.mp4', 'b/0.mp4', 'b/3.mp4']

    Args:
        samples: Of any classes.
        most: How many to keep at most, at least 1.
    """
    by_label: dict[str, list[Sample]] = {}
    for sample in samples:
        by_label.setdefault(sample.label, []).append(sample)
    share = max(1, most // max(1, len(by_label)))
    kept: list[Sample] = []
    for same in by_label.values():
        count = min(share, len(same))
        kept += [same[i * len(same) // count] for i in range(count)]
    return kept[:most]
