"""Which file, runtime and number of threads to take, in one sentence with its reason."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from har_benchmarks.results.results import Report, measured
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


def recommend(report: Report, limits: Constraints = Constraints()) -> list[dict[str, Any]]:
    """Choose a case of each model.

    Without a limit of its own, a loss of accuracy of more than one point rules a variant out if
    its interval holds no zero; with one, the estimate counts.

    Returns:
        For each model: `model`, `case` (its key, None if none keeps to the limits), `sentence`,
        `limits`.
    """
    cases = measured(report)
    models = dict.fromkeys(case["model"] for case in cases)
    return [_choose(m, [c for c in cases if c["model"] == m], limits) for m in models]


def _choose(model: str, cases: Sequence[Mapping[str, Any]], limits: Constraints) -> dict[str, Any]:
    left = [case for case in cases if not _violations(case, limits)]
    found: dict[str, Any] = {"model": model, "limits": asdict(limits)}
    if not left:
        nearest = min(cases, key=lambda c: (len(_violations(c, limits)), c["summary"]["p50_ms"]))
        broken = " and ".join(_violations(nearest, limits))
        sentence = f"Nothing keeps to the limits: nearest is {_name(nearest)}, but it {broken}."
        return {**found, "case": None, "sentence": sentence}
    fastest = min(case["summary"]["p50_ms"] for case in left)
    close = [c for c in left if c["summary"]["p50_ms"] <= fastest * (1 + SAME_SPEED)]
    best = min(
        close,
        key=lambda c: (c["num_threads"], c["size_bytes"], c["summary"]["p50_ms"]),
    )
    sentence = f"{_name(best)}: {_merits(best)}{_beside(best, cases, limits)}."
    return {**found, "case": best["key"], "sentence": sentence}


def _violations(case: Mapping[str, Any], limits: Constraints) -> list[str]:
    summary = case["summary"]
    broken = []
    if limits.max_latency_ms is not None and summary["p50_ms"] > limits.max_latency_ms:
        broken.append(f"takes {milliseconds(summary['p50_ms'])}")
    memory = summary["peak_memory_bytes"]
    if limits.max_memory_mb is not None and (memory or 0) > limits.max_memory_mb * 1e6:
        broken.append(f"needs {megabytes(memory)}")
    drop = summary.get("drop_points")
    allowed = limits.max_accuracy_drop
    if drop is None:
        # Who asks for a limit on accuracy wants it measured.
        if allowed is not None and case["variant"] not in ("float32", "onnx"):
            broken.append("was not judged on data (give --data)")
    elif drop > allowed if allowed is not None else _surely_loses(summary):
        broken.append(f"loses {drop:.1f} points")
    return broken


def _surely_loses(summary: Mapping[str, Any]) -> bool:
    """Whether more than a point is lost, and not by the chance of which files were tried."""
    low = summary.get("drop_low_points")
    return summary["drop_points"] > DEFAULT_MAX_DROP_POINTS and low is not None and low > 0


def _name(case: Mapping[str, Any]) -> str:
    threads = case["num_threads"]
    return f"{case['variant']} on {case['backend']}, {threads} thread{'s' * (threads > 1)}"


def _merits(case: Mapping[str, Any]) -> str:
    summary = case["summary"]
    text = f"{milliseconds(summary['p50_ms'])} p50, {megabytes(summary['size_bytes'])} file"
    drop = summary.get("drop_points")
    if drop is not None:
        ends = interval(summary.get("drop_low_points"), summary.get("drop_high_points"))
        return f"{text}, {points(-drop)}{f' ({ends})' if ends else ''} against float32"
    if summary.get("accuracy") is not None:
        return f"{text}, {summary['accuracy']:.1%} right"
    return f"{text}, accuracy not measured here"


def _beside(
    best: Mapping[str, Any],
    cases: Sequence[Mapping[str, Any]],
    limits: Constraints,
) -> str:
    """Say what the other variants would have brought, at the same number of threads."""
    said = []
    speed = best["summary"]["p50_ms"]
    others = _fastest_by_variant(c for c in cases if c["num_threads"] == best["num_threads"])
    reference = others.get("float32") or others.get("onnx")
    if reference and reference["key"] != best["key"]:
        ratio = reference["summary"]["p50_ms"] / speed
        said.append(f"{reference['variant']} takes {ratio:.1f} times as long")
        half = others.get("float16")
        if half and half["key"] != best["key"]:
            same = abs(half["summary"]["p50_ms"] / reference["summary"]["p50_ms"] - 1)
            if same <= SAME_SPEED:
                said.append(f"float16 buys nothing here but a file of {_size(half)}")
    broken = {name: _violations(case, limits) for name, case in others.items()}
    out = [f"{name} {' and '.join(why)}" for name, why in sorted(broken.items()) if why]
    if out:
        said.append(f"out: {', '.join(out)}")
    return "; " + "; ".join(said) if said else ""


def _size(case: Mapping[str, Any]) -> str:
    return megabytes(case["summary"]["size_bytes"])


def _fastest_by_variant(cases: Any) -> dict[str, Mapping[str, Any]]:
    found: dict[str, Mapping[str, Any]] = {}
    for case in sorted(cases, key=lambda c: -c["summary"]["p50_ms"]):
        found[case["variant"]] = case
    return found
