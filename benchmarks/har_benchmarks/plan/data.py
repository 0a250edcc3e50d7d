"""Labelled files to judge models on: a folder of classes, a manifest or a run folder's split."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from har_edge.datasets import thin_out
from har_edge.errors import DataError
from har_edge.paths import display_path
from har_edge.run_folder import list_data


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

    Args:
        data: A dataset as for training, or a run folder for its own data as it was split.
        root: Folder that the paths of a manifest or run start from; default is the manifest's
            own, or where the run was trained from.
        max_files: Most files to take, evenly of all classes; 0 for all.

    Raises:
        DataError: if there is no such data or a part of it cannot be used.
    """
    samples = list_data(data, root).judged().usable()
    if not samples:
        raise DataError(
            f"{display_path(data)} should hold a folder of pictures or clips for each class, or "
            "be a manifest with the columns path,label. Received no labelled file. Check the path."
        )
    kept = thin_out(samples, max_files) if max_files else samples
    return [Item(str(s.path), s.label, s.group, s.start_s, s.end_s) for s in kept]


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
