"""Labelled files to judge models on: a folder of classes, a manifest or a run folder's split."""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from har_edge.errors import DataError
from har_edge.kinds import is_media
from har_edge.paths import display_path

# Where a dataset is split, models are judged on the first of these that it has.
JUDGED_SPLITS = ("test", "val")
RUN_SPLIT = "split.csv"  # the manifest in a run folder


@dataclass(frozen=True)
class Item:
    """One labelled still or clip.

    Attributes:
        path: The file.
        label: Its class.
        group: Items of one group (subject, source video) are no independent evidence.
        start_s, end_s: The labelled span, in seconds from the first frame.
    """

    path: str
    label: str
    group: str
    start_s: float = 0.0
    end_s: float = math.inf


def load_items(data: str, root: str = "", max_files: int = 0) -> list[Item]:
    """List the labelled files of a dataset's test part, or all if it is not split.

    The layouts mean what they mean in training: `DATA/<class>/*`,
    `DATA/{train,val,test}/<class>/*`, a CSV manifest with the columns path, label and
    optionally group, split, start_s, end_s, or a run folder with such a table in it.

    Args:
        data: Folder or `.csv` file.
        root: Folder that a manifest's paths start from; default is its own.
        max_files: Most files to take, evenly of all classes; 0 for all.

    Raises:
        DataError: if there is no such dataset or a row of it is wrong.
    """
    path = Path(data)
    table = path / RUN_SPLIT if (path / RUN_SPLIT).is_file() else path
    if table.is_file():
        items = _read_manifest(table, Path(root) if root else table.parent)
    elif path.is_dir():
        items = _read_folders(path)
    else:
        raise DataError(f"There is no dataset {display_path(path)}. Check the path.")
    if not items:
        raise DataError(
            f"{display_path(path)} should hold a folder of pictures or clips for each class, or "
            "be a manifest with the columns path,label. Received no labelled file. Check the path."
        )
    return _thin_out(items, max_files) if max_files else items


def _read_folders(root: Path) -> list[Item]:
    split = next((name for name in JUDGED_SPLITS if (root / name).is_dir()), "")
    base = root / split if split and (root / "train").is_dir() else root
    return [
        Item(str(file), folder.name, str(file))
        for folder in sorted(p for p in base.iterdir() if p.is_dir())
        for file in sorted(p for p in folder.rglob("*") if is_media(p))
    ]


def _read_manifest(table: Path, root: Path) -> list[Item]:
    try:
        with table.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            columns, rows = set(reader.fieldnames or ()), list(reader)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"The manifest {display_path(table)} cannot be read: {error}.") from error
    if not {"path", "label"} <= columns:
        raise DataError(
            f"The manifest {display_path(table)} should have the columns path,label and may have "
            f"group,split,start_s,end_s. Received {','.join(sorted(columns)) or 'no header'}."
        )
    splits = {row.get("split") or "" for row in rows}
    split = next((name for name in JUDGED_SPLITS if name in splits), None)
    return [
        _item(row, root, f"{display_path(table)}, line {line}")
        for line, row in enumerate(rows, start=2)
        if split is None or (row.get("split") or "") == split
    ]


def _item(row: dict[str, str | None], root: Path, where: str) -> Item:
    path, label = root / (row.get("path") or ""), row.get("label") or ""
    if not label or not path.is_file():
        raise DataError(
            f"{where}: expected an existing file and a label. Received {row}, looked in "
            f"{display_path(root)}. Correct the row, or give --root."
        )
    try:
        start_s, end_s = float(row.get("start_s") or 0), float(row.get("end_s") or "inf")
    except ValueError:
        start_s, end_s = math.nan, math.nan
    if not 0 <= start_s < end_s:
        raise DataError(
            f"{where}: start_s and end_s should be seconds, 0 <= start_s < end_s, or empty. "
            f"Received {row.get('start_s')}, {row.get('end_s')}. Correct the row."
        )
    return Item(str(path), label, row.get("group") or str(path), start_s, end_s)


def _thin_out(items: Sequence[Item], most: int) -> list[Item]:
    """Keep so many items, class by class in turn, each class's spread over its list."""
    by_label: dict[str, list[Item]] = {}
    for item in items:
        by_label.setdefault(item.label, []).append(item)
    share = max(1, most // len(by_label))
    kept: list[Item] = []
    for same in by_label.values():
        count = min(share, len(same))
        kept += [same[i * len(same) // count] for i in range(count)]
    return kept[:most]


def check_labels(items: Sequence[Item], labels: Sequence[str], model: str) -> None:
    """Compare the classes of the data with those that a model answers.

    Raises:
        DataError: if the data has others.
    """
    unknown = sorted({item.label for item in items} - set(labels))
    if unknown:
        raise DataError(
            f"The data has classes that {model} does not know: {', '.join(unknown)}. Expected "
            f"some of {', '.join(labels)}. Measure models with their own data, one run each."
        )
