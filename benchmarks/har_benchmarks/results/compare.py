"""Is the new run slower than the old one, or does it only look so?"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from har_benchmarks.results.table import Row, Table
from har_benchmarks.stats import Interval, needed_rounds, paired_ratio

# What two runs of the same thing differ by on a calm machine, whatever their rounds say: their
# processes get other memory, the machine has another day. Measured: see README, "Compare".
RUN_TO_RUN = 0.02
SAME_MACHINE = ("board", "cpu", "cores_usable", "governor", "kernel", "python")

# The verdict where no difference could be shown.
TOO_FEW = "too few rounds"


@dataclass(frozen=True)
class Comparison:
    """One case in two runs.

    Attributes:
        key: The case.
        base_ms, new_ms: Median step of each run.
        ratio: New over base, from the medians of the rounds in pairs.
        low, high: Its interval.
        rounds: Pairs of rounds.
        verdict: `slower` or `faster` where the difference is real, `same` where it may be noise,
            `too few rounds` where no difference could be shown.
        regression: Whether it is slower, really, and by more than was allowed.
        same_file: Whether both runs measured the same network.
        base_memory_bytes, new_memory_bytes: Peak memory.
        base_accuracy, new_accuracy: Share answered rightly, or None.
    """

    key: str
    base_ms: float
    new_ms: float
    ratio: float
    low: float
    high: float
    rounds: int
    verdict: str
    regression: bool
    same_file: bool
    base_memory_bytes: float | None
    new_memory_bytes: float | None
    base_accuracy: float | None
    new_accuracy: float | None

    def to_record(self) -> dict[str, object]:
        """Turn into plain values; an endless interval has no ends."""
        record: dict[str, object] = asdict(self)
        if not math.isfinite(self.high):
            record["low"] = record["high"] = None
        return record


def compare(
    base: Table,
    new: Table,
    *,
    threshold: float = 0.05,
    level: float = 0.95,
    margin: float = RUN_TO_RUN,
) -> list[Comparison]:
    """Compare the cases that two reports share.

    A case is slower or faster if the whole interval of its ratio lies beyond 1 by more than the
    margin. The level holds for all cases together: each has its share of the error (Bonferroni),
    so that many cases raise no more false alarms than one.

    Args:
        base, new: The tables of two reports.
        threshold: Slow-down that is no regression yet, 0.05 for 5 %.
        level: Confidence over all cases.
        margin: Difference of two runs of the same thing that is no news.

    Returns:
        A row for each shared case, in the order of `base`.
    """
    pairs = [(row, new.by_key[row.key]) for row in base.rows if row.key in new.by_key]
    each = 1 - (1 - level) / max(1, len(pairs))
    return [_compare(a, b, threshold, each, margin) for a, b in pairs]


def _compare(base: Row, new: Row, threshold: float, level: float, margin: float) -> Comparison:
    first, second = base.round_medians_ms, new.round_medians_ms
    shared = sorted(first.keys() & second.keys())
    ratio = paired_ratio([first[n] for n in shared], [second[n] for n in shared], level=level)
    verdict = _verdict(ratio, len(shared), level, margin)
    old, now = base.figures, new.figures
    return Comparison(
        key=base.key,
        base_ms=old.p50_ms,
        new_ms=now.p50_ms,
        ratio=ratio.value,
        low=ratio.low,
        high=ratio.high,
        rounds=len(shared),
        verdict=verdict,
        regression=verdict == "slower" and ratio.value > 1 + threshold,
        same_file=base.sha256 == new.sha256,
        base_memory_bytes=old.peak_memory_bytes,
        new_memory_bytes=now.peak_memory_bytes,
        base_accuracy=old.accuracy,
        new_accuracy=now.accuracy,
    )


def _verdict(ratio: Interval, rounds: int, level: float, margin: float) -> str:
    if rounds < needed_rounds(level):
        return TOO_FEW
    if not ratio.excludes(1 / (1 + margin), 1 + margin):
        return "same"
    return "slower" if ratio.value > 1 else "faster"


def cautions(base: Table, new: Table, rows: Sequence[Comparison], level: float) -> list[str]:
    """List what makes a comparison say less than it seems."""
    first: Mapping[str, object] = base.machine
    second: Mapping[str, object] = new.machine
    found = [
        f"{key} differs: {first.get(key)} and {second.get(key)}. This may explain differences; "
        "compare runs of the same machine."
        for key in SAME_MACHINE
        if first.get(key) != second.get(key)
    ]
    packages = [table.machine.get("packages", {}) for table in (base, new)]
    for name in sorted(packages[0].keys() | packages[1].keys()):
        versions = [p.get(name, "none") for p in packages]
        if versions[0] != versions[1]:
            found.append(f"{name} differs: {versions[0]} and {versions[1]}.")
    changed = [row.key for row in rows if not row.same_file]
    if changed:
        found.append(f"The model file differs in {', '.join(changed)}.")
    only = base.by_key.keys() ^ new.by_key.keys()
    if only:
        found.append(f"Only in one of the runs: {', '.join(sorted(only))}.")
    if any(row.verdict == TOO_FEW for row in rows):
        each = 1 - (1 - level) / len(rows)
        found.append(
            f"{len(rows)} cases at {level:.0%} need {needed_rounds(each)} rounds in both runs. "
            f"Received {min(row.rounds for row in rows)}. Measure with more --rounds."
        )
    for name, table in (("base", base), ("new", new)):
        found += [f"In the {name} run: {p['detail']}" for p in table.problems]
    return found
