"""Which file, runtime and number of threads to take, in one sentence with its reason."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass

from har_benchmarks.results.document import Recommendation
from har_benchmarks.results.table import Figures, Row, Table
from har_benchmarks.results.text import interval, megabytes, milliseconds, points

# Cases this close in latency count as equally fast: then fewer threads, then the smaller file wins.
SAME_SPEED = 0.05
DEFAULT_MAX_DROP_POINTS = 1.0


@dataclass(frozen=True)
class Constraints:
    """What a choice must keep to; None for no limit.

    Attributes:
        max_latency_ms: Of the median step.
        max_accuracy_drop: Points lost against float32, the estimate.
        max_memory_mb: Peak of the process, in 10^6 bytes.
    """

    max_latency_ms: float | None = None
    max_accuracy_drop: float | None = None
    max_memory_mb: float | None = None


def recommend(table: Table, limits: Constraints = Constraints()) -> list[Recommendation]:
    """Choose a case of each model.

    Without a limit of its own, a loss of accuracy of more than one point rules a variant out if
    its interval holds no zero; with one, the estimate counts.

    Returns:
        For each model: `model`, `case` (its key, None if none keeps to the limits), `sentence`,
        `limits`.
    """
    models = dict.fromkeys(row.model for row in table.rows)
    return [_choose(m, [row for row in table.rows if row.model == m], limits) for m in models]


def _choose(model: str, cases: Sequence[Row], limits: Constraints) -> Recommendation:
    left = [case for case in cases if not _violations(case, limits)]
    bounds = asdict(limits)
    if not left:
        nearest = min(cases, key=lambda c: (len(_violations(c, limits)), c.figures.p50_ms))
        broken = " and ".join(_violations(nearest, limits))
        sentence = f"No case meets the limits: {_name(nearest)} is closest, but it {broken}."
        return {"model": model, "limits": bounds, "case": None, "sentence": sentence}
    fastest = min(case.figures.p50_ms for case in left)
    close = [c for c in left if c.figures.p50_ms <= fastest * (1 + SAME_SPEED)]
    best = min(close, key=lambda c: (c.num_threads, c.size_bytes, c.figures.p50_ms))
    sentence = f"{_name(best)}: {_merits(best)}{_beside(best, cases, limits)}."
    return {"model": model, "limits": bounds, "case": best.key, "sentence": sentence}


def _violations(case: Row, limits: Constraints) -> list[str]:
    figures = case.figures
    broken = []
    if limits.max_latency_ms is not None and figures.p50_ms > limits.max_latency_ms:
        broken.append(f"takes {milliseconds(figures.p50_ms)}")
    memory = figures.peak_memory_bytes
    if limits.max_memory_mb is not None and (memory or 0) > limits.max_memory_mb * 1e6:
        broken.append(f"needs {megabytes(memory)}")
    drop = figures.drop_points
    allowed = limits.max_accuracy_drop
    if drop is None:
        # Who asks for a limit on accuracy wants it measured.
        if allowed is not None and case.variant not in ("float32", "onnx"):
            broken.append("was not measured on data (give --data)")
    elif drop > allowed if allowed is not None else _surely_loses(drop, figures):
        broken.append(f"loses {drop:.1f} points")
    return broken


def _surely_loses(drop: float, figures: Figures) -> bool:
    """Whether more than a point is lost, and not by the chance of which files were tried."""
    low = figures.drop_low_points
    return drop > DEFAULT_MAX_DROP_POINTS and low is not None and low > 0


def _name(case: Row) -> str:
    threads = case.num_threads
    return f"{case.variant} on {case.backend}, {threads} thread{'s' * (threads > 1)}"


def _merits(case: Row) -> str:
    figures = case.figures
    text = f"{milliseconds(figures.p50_ms)} p50, {megabytes(figures.size_bytes)} file"
    drop = figures.drop_points
    if drop is not None:
        ends = interval(figures.drop_low_points, figures.drop_high_points)
        return f"{text}, {points(-drop)}{f' ({ends})' if ends else ''} against float32"
    if figures.accuracy is not None:
        return f"{text}, {figures.accuracy:.1%} correct"
    return f"{text}, accuracy not measured here"


def _beside(best: Row, cases: Sequence[Row], limits: Constraints) -> str:
    """Say what the other variants would have brought, at the same number of threads."""
    said = []
    others = _fastest_by_variant(c for c in cases if c.num_threads == best.num_threads)
    reference = others.get("float32") or others.get("onnx")
    if reference and reference.key != best.key:
        ratio = reference.figures.p50_ms / best.figures.p50_ms
        said.append(f"{reference.variant} takes {ratio:.1f} times as long")
        half = others.get("float16")
        if half and half.key != best.key:
            same = abs(half.figures.p50_ms / reference.figures.p50_ms - 1)
            if same <= SAME_SPEED:
                size = megabytes(half.figures.size_bytes)
                said.append(f"float16 gains nothing here but a file of {size}")
    broken = {name: _violations(case, limits) for name, case in others.items()}
    out = [f"{name} {' and '.join(why)}" for name, why in sorted(broken.items()) if why]
    if out:
        said.append(f"out: {', '.join(out)}")
    return "; " + "; ".join(said) if said else ""


def _fastest_by_variant(cases: Iterable[Row]) -> dict[str, Row]:
    return {case.variant: case for case in sorted(cases, key=lambda c: -c.figures.p50_ms)}
