"""Labelled files to judge models on: a folder of classes, a manifest or a run folder's split."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from har_edge.datasets import thin_out
from har_edge.errors import DataError
from har_edge.paths import display_path
from har_edge.pose_paths import sequence_of
from har_edge.recognition.track_samples import is_track, passed_over
from har_edge.run_folder import list_data
from har_edge.say import Say


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


def load_items(
    data: str, root: str = "", max_files: int = 0, say: Say = lambda line: None
) -> list[Item]:
    """List the labelled files of a dataset's test part, or all if it is not split.

    Args:
        data: A dataset as for training, or a run folder for its own data as it was split.
        root: Folder that the paths of a manifest or run start from; default is the manifest's
            own, or where the run was trained from.
        max_files: Most files to take, evenly of all classes; 0 for all.
        say: Takes a line about what is passed over: skeletons of pose sets, which no video shows.

    Raises:
        DataError: if there is no such data or a part of it cannot be used.
    """
    samples = list_data(data, root).judged().usable()
    if count := passed_over(s.path for s in samples):
        say(f"Skeletons in the data are passed over: {count}")
        samples = [s for s in samples if sequence_of(s.path) is None or is_track(s.path)]
    if not samples:
        raise DataError(
            f"{display_path(data)} should contain a folder of pictures or clips for each class, "
            "or be a manifest with the columns path,label. Received no labelled file. Check "
            "the path."
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
            f"The data should only have classes that {model} knows ({', '.join(labels)}). "
            f"Received others: {', '.join(unknown)}. Measure each model with its own data, in a "
            "run of its own."
        )
