"""How well people are found: against a teacher's boxes, by size, beside other networks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from har_edge.arrays import FloatArray, Pixels
from har_edge.people.match import match_boxes
from har_edge.statistics import wilson_interval
from har_edge.table import text_table
from har_train.people.labels import Labelled, load_pictures
from har_train.people.network import NUM_KEYPOINTS
from har_train.people.targets import SEEN

SURE = 0.5  # score of a teacher's box that is to be found
MAYBE = 0.3  # score from which it excuses what is found there
# Share of the picture that a box covers: up to the first small, up to the second medium.
SIZES: Mapping[str, tuple[float, float]] = {
    "small": (0.0, 0.05),
    "medium": (0.05, 0.2),
    "large": (0.2, 1.01),
    "all": (0.0, 1.01),
}

# Picture (h, w, 3) -> people (M, 56), in fractions of the picture.
Finder = Callable[[Pixels], FloatArray]


@dataclass
class Counts:
    """What was counted of people of one size.

    Attributes:
        wanted: The teacher's sure boxes.
        hit: Those of them that were found.
        found: Boxes that were found.
        right: Those of them that the teacher has, too, sure or not.
        away: Mean distance of the keypoints of each hit from the teacher's, in longer sides of the
            box.
    """

    wanted: int = 0
    hit: int = 0
    found: int = 0
    right: int = 0
    away: list[float] = field(default_factory=list)

    @property
    def recall(self) -> float:
        """Share of the teacher's boxes that was found."""
        return self.hit / self.wanted if self.wanted else float("nan")

    @property
    def precision(self) -> float:
        """Share of what was found that the teacher has."""
        return self.right / self.found if self.found else float("nan")

    def as_dict(self) -> dict[str, float]:
        """All of it in plain numbers."""
        low, high = wilson_interval(self.recall, self.wanted) if self.wanted else (0.0, 1.0)
        return {
            "boxes": self.wanted,
            "recall": round(self.recall, 4),
            "recall_low": round(low, 4),
            "recall_high": round(high, 4),
            "found": self.found,
            "precision": round(self.precision, 4),
            "keypoint_distance": round(float(np.mean(self.away)) if self.away else float("nan"), 4),
        }


def count(
    counts: Mapping[str, Counts], wanted: FloatArray, found: FloatArray, threshold: float
) -> None:
    """Add one picture to the counts.

    Args:
        counts: One entry a size.
        wanted, found: People of the teacher and of the network, (., 56).
        threshold: Score from which a found one counts.
    """
    found = found[found[:, 0] >= threshold]
    found = found[np.argsort(-found[:, 0], kind="stable")]
    sure = wanted[wanted[:, 0] >= SURE]
    given = match_boxes(sure[:, 1:5], found[:, 1:5])
    known = match_boxes(wanted[wanted[:, 0] >= MAYBE][:, 1:5], found[:, 1:5])
    right = np.isin(np.arange(len(found)), known)
    sizes = [_areas(sure), _areas(found)]
    for name, (low, high) in SIZES.items():
        of_sure, of_found = ((low <= s) & (s < high) for s in sizes)
        row = counts[name]
        row.wanted += int(of_sure.sum())
        row.hit += int((of_sure & (given >= 0)).sum())
        row.found += int(of_found.sum())
        row.right += int((of_found & right).sum())
        for number in np.nonzero(of_sure & (given >= 0))[0]:
            away = keypoint_distance(sure[number], found[given[number]])
            if away is not None:
                row.away.append(away)


def keypoint_distance(teacher: FloatArray, found: FloatArray) -> float | None:
    """Mean distance of the keypoints that the teacher sees, in longer sides of the box."""
    first, second = (p[5:].reshape(NUM_KEYPOINTS, 3) for p in (teacher, found))
    seen = first[:, 2] >= SEEN
    side = float(max(teacher[3] - teacher[1], teacher[4] - teacher[2]))
    if not seen.any() or side <= 0 or not second[:, 2].any():
        return None
    return float(np.linalg.norm((first - second)[seen, :2], axis=1).mean() / side)


def _areas(people: FloatArray) -> FloatArray:
    return np.asarray(np.prod(people[:, 3:5] - people[:, 1:3], axis=1))


def judge(
    labelled: Iterable[Labelled],
    finders: Mapping[str, tuple[Finder, float]],
    tick: Callable[[int], object] = lambda done: None,
) -> dict[str, dict[str, Counts]]:
    """Run networks on labelled files and count what they find.

    Args:
        labelled: Files with the people that the teacher finds.
        finders: Networks and their thresholds by name.
        tick: Called with 1 for every file.

    Returns:
        Counts by network and by size.
    """
    results = {name: {size: Counts() for size in SIZES} for name in finders}
    for entry in labelled:
        for picture, wanted in zip(load_pictures(entry.sample), entry.people, strict=True):
            for name, (finder, threshold) in finders.items():
                count(results[name], wanted, finder(picture), threshold)
        tick(1)
    return results


def format_results(results: Mapping[str, Mapping[str, Counts]]) -> str:
    """Lay the counts out as a table."""
    rows = []
    for name, sizes in results.items():
        for size, counts in sizes.items():
            d = counts.as_dict()
            rows.append(
                (
                    name,
                    size,
                    f"{counts.wanted}",
                    f"{d['recall']:.3f} ({d['recall_low']:.3f} to {d['recall_high']:.3f})",
                    f"{d['precision']:.3f}",
                    f"{d['keypoint_distance']:.3f}",
                )
            )
    headers = ("network", "people", "boxes", "recall (95 %)", "precision", "keypoints off")
    return text_table(rows, headers, align="llrrrr")


def best_threshold(
    pairs: Sequence[tuple[FloatArray, FloatArray]], candidates: Sequence[float]
) -> float:
    """The threshold with the best balance of recall and precision (F1).

    Args:
        pairs: People of the teacher and of the network for some pictures.
        candidates: Thresholds to choose from.
    """
    best, highest = candidates[0], -1.0
    for threshold in candidates:
        counts = {size: Counts() for size in SIZES}
        for wanted, found in pairs:
            count(counts, wanted, found, threshold)
        row = counts["all"]
        if row.hit:
            balance = 2 * row.recall * row.precision / (row.recall + row.precision)
            if balance > highest:
                best, highest = threshold, balance
    return best
