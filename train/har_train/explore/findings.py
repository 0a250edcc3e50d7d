"""What can be wrong with a dataset, each defect under a name of its own."""

from __future__ import annotations

import math
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from har_edge.datasets import SPLITS, Problem, Sample
from har_edge.frames.sampling import FrameSampler
from har_edge.paths import display_path
from har_train.explore.lookalikes import find_lookalikes
from har_train.explore.scan import FileFacts

# Kinds, in the order of reports, and what each one means.
KINDS = {
    "unreadable": "files that cannot be decoded, rows and names that cannot be used",
    "leakage": "the same picture, clip or group on two sides of a split",
    "conflict": "the same content under different labels",
    "duplicates": "the same picture or clip more than once in a split",
    "constant-labels": "splits whose labels are all one class",
    "few": "classes with too few samples",
    "short": "clips shorter than the model's window",
    "case": "names that differ only in case, blanks or Unicode form",
}
# Name of the only split of a dataset that names none.
UNDIVIDED = "all"


@dataclass(frozen=True)
class Finding:
    """One defect.

    Attributes:
        kind: A key of `KINDS`.
        split: Where; two splits are joined by a slash.
        detail: In words.
        path: The file, if it is about one.
        other_path: The file that it clashes with.
    """

    kind: str
    split: str
    detail: str
    path: Path | None = None
    other_path: Path | None = None


def split_order(split: str) -> int:
    """Number a split: train, val, test, then all others."""
    return SPLITS.index(split) if split in SPLITS else len(SPLITS)


def find_unreadable(
    problems: Iterable[Problem], unreadable: Iterable[tuple[Sample, str]]
) -> Iterator[Finding]:
    """Report rows and names that cannot be used, and files that could not be decoded."""
    for problem in problems:
        if problem.kind != "empty":
            yield Finding("unreadable", problem.split, problem.message, problem.path)
    for sample, message in unreadable:
        yield Finding("unreadable", sample.split, message, sample.path)


def find_copies(facts: Sequence[FileFacts]) -> Iterator[Finding]:
    """Report files with the same bytes: duplicates, leakage and conflicts.

    Spans of one video that do not overlap are different samples, but not on two sides of a split.
    """
    by_content: dict[str, list[Sample]] = defaultdict(list)
    for item in facts:
        by_content[item.sha256].append(item.sample)
    for copies in by_content.values():
        yield from _clashes(copies)
        yield from _conflicts(copies)


def _clashes(copies: Sequence[Sample]) -> Iterator[Finding]:
    """Report duplicates and leakage among samples of the same bytes."""
    firsts: list[Sample] = []  # of each side and span one, which is enough to compare with
    for sample in copies:
        for split in dict.fromkeys(s.split for s in firsts):
            members = [s for s in firsts if s.split == split]
            shared = [s for s in members if _overlap(s, sample)]
            if shared or split != sample.split:
                first = (shared or members)[0]
                yield _clash(first, sample, _identity(first, sample))
        if all(_side(s) != _side(sample) for s in firsts):
            firsts.append(sample)


def _conflicts(copies: Sequence[Sample]) -> Iterator[Finding]:
    """Report samples of the same bytes under different labels, once for each label and span."""
    firsts: dict[tuple[str, float, float], Sample] = {}
    for sample in copies:
        key = (sample.label, *sample.span)
        if key in firsts:
            continue
        others = (s for s in firsts.values() if s.label != sample.label and _overlap(s, sample))
        if other := next(others, None):
            detail = _identity(other, sample)
            yield Finding("conflict", _sides(other, sample), detail, other.path, sample.path)
        firsts[key] = sample


def _side(sample: Sample) -> tuple[str, float, float]:
    return (sample.split, *sample.span)


def _identity(first: Sample, second: Sample) -> str:
    """Say what two samples of the same bytes have in common."""
    if first.span == second.span:
        words = "identical content"
    else:
        parts = "overlapping parts" if _overlap(first, second) else "parts"
        words = f"{parts} of one video, {_span(first)} and {_span(second)}"
    return f"{words}{_labels(first, second)}"


def _span(sample: Sample) -> str:
    end = f"{sample.end_s:g} s" if math.isfinite(sample.end_s) else "its end"
    return f"{sample.start_s:g} s to {end}"


def _overlap(first: Sample, second: Sample) -> bool:
    """Whether two samples of one file show the same frames."""
    return first.start_s < second.end_s and second.start_s < first.end_s


def find_near_copies(facts: Sequence[FileFacts]) -> Iterator[Finding]:
    """Report files that look alike without having the same bytes."""
    for clips in (False, True):
        # One of several exact copies on a side is enough, the others are reported as such.
        once = {(f.sha256, *_side(f.sample)): f for f in reversed(facts) if f.is_clip == clips}
        items = sorted(once.values(), key=_fact_order)
        if not items:
            continue
        numbers: dict[Hashable, int] = {}
        pairs = find_lookalikes(
            np.stack([f.hashes for f in items]),
            np.stack([f.thumbnails for f in items]),
            np.array([split_order(f.sample.split) for f in items], dtype=np.intp),
            np.array([numbers.setdefault(f.sample.group, len(numbers)) for f in items], np.intp),
        )
        for pair in pairs:
            first, second = items[pair.first], items[pair.second]
            if first.sha256 != second.sha256:
                detail = (
                    f"near-duplicate, {pair.distance_bits} of 64 hash bits differ"
                    f"{_labels(first.sample, second.sample)}"
                )
                yield _clash(first.sample, second.sample, detail)


def _fact_order(item: FileFacts) -> tuple[int, Path, float]:
    return split_order(item.sample.split), item.sample.path, item.sample.start_s


def _clash(first: Sample, second: Sample, detail: str) -> Finding:
    kind = "duplicates" if first.split == second.split else "leakage"
    return Finding(kind, _sides(first, second), detail, first.path, second.path)


def _sides(first: Sample, second: Sample) -> str:
    return "/".join(dict.fromkeys((first.split, second.split)))


def _labels(first: Sample, second: Sample) -> str:
    return f"; labels '{first.label}' and '{second.label}'" if first.label != second.label else ""


def find_split_groups(samples: Iterable[Sample]) -> Iterator[Finding]:
    """Report groups that are on both sides of a split."""
    groups: dict[str, dict[str, list[Sample]]] = defaultdict(lambda: defaultdict(list))
    for sample in samples:
        groups[sample.group][sample.split].append(sample)
    for group, by_split in groups.items():
        # A group that is one file, listed twice, is reported as identical content.
        if len({s.path for members in by_split.values() for s in members}) < 2:
            continue
        (split, members), *others = by_split.items()
        for other_split, other_members in others:
            detail = (
                f"group '{display_path(group)}' has {len(members)} in {split} and "
                f"{len(other_members)} in {other_split}"
            )
            sides = f"{split}/{other_split}"
            yield Finding("leakage", sides, detail, members[0].path, other_members[0].path)


def find_few(
    samples: Iterable[Sample], problems: Iterable[Problem], min_samples: int
) -> Iterator[Finding]:
    """Report classes with fewer than `min_samples` samples, empty ones included."""
    counts: dict[str, Counter[str]] = {p.label: Counter() for p in problems if p.kind == "empty"}
    for sample in samples:
        counts.setdefault(sample.label, Counter())[sample.split] += 1
    for label, by_split in sorted(counts.items()):
        total = sum(by_split.values())
        if total < min_samples:
            parts = ", ".join(f"{split} {count}" for split, count in by_split.items())
            detail = f"class '{label}' has {total} of at least {min_samples} samples"
            yield Finding("few", "/".join(by_split), f"{detail} ({parts})" if parts else detail)


def find_constant_labels(samples: Iterable[Sample]) -> Iterator[Finding]:
    """Report splits whose labels are all one class: nothing can be learnt or measured there."""
    by_split: dict[str, Counter[str]] = defaultdict(Counter)
    for sample in samples:
        by_split[sample.split][sample.label] += 1
    for split, labels in by_split.items():
        if len(labels) == 1:
            label, count = next(iter(labels.items()))
            detail = (
                f"the only label of '{split}' is '{label}'"
                if count == 1
                else f"all {count} labels of '{split}' are '{label}'"
            )
            yield Finding("constant-labels", split, detail)


def find_short(
    facts: Iterable[FileFacts], num_frames: int, frame_rate_hz: float
) -> Iterator[Finding]:
    """Report clips that do not fill one window of `num_frames` frames."""
    for item in facts:
        if not item.is_clip:
            continue
        sampler = FrameSampler(frame_rate_hz)
        for i in range(item.num_frames):
            sampler.takes(i / item.frame_rate_hz)
            if sampler.taken >= num_frames:
                break
        else:
            detail = (
                f"{sampler.taken} of {num_frames} frames at {frame_rate_hz:g} Hz: "
                f"{item.duration_s:.2f} s at {item.frame_rate_hz:.4g} Hz"
            )
            if item.sample.is_span:
                detail += f", from {_span(item.sample)}"
            yield Finding("short", item.sample.split, detail, item.sample.path)


def find_case(samples: Sequence[Sample], problems: Iterable[Problem]) -> Iterator[Finding]:
    """Report class and file names that some file systems and readers take for one."""
    classes: dict[str, dict[str, Path | None]] = defaultdict(dict)
    for sample in samples:
        classes[_fold(sample.label)].setdefault(sample.label, sample.path)
    for problem in problems:
        if problem.kind == "empty":
            classes[_fold(problem.label)].setdefault(problem.label, problem.path)
    for names in classes.values():
        (name, path), *others = names.items()
        for other, other_path in others:
            detail = f"classes {name!r} and {other!r} differ only in case, blanks or Unicode form"
            yield Finding("case", "", detail, path, other_path)
    files: dict[tuple[Path, str], dict[Path, Sample]] = defaultdict(dict)
    for sample in samples:
        key = sample.path.parent, _fold(sample.path.name)
        files[key].setdefault(sample.path, sample)
    for same in files.values():
        first, *rest = same.values()
        for second in rest:
            detail = "file names differ only in case, blanks or Unicode form"
            yield Finding("case", _sides(first, second), detail, first.path, second.path)


def _fold(name: str) -> str:
    stem, dot, suffix = unicodedata.normalize("NFC", name).casefold().rpartition(".")
    return f"{stem.strip()}{dot}{suffix.strip()}"
