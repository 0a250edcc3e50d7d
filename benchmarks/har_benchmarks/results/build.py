"""Put together what a run found: samples come first, and figures are computed from them here, once.

Table, Markdown, CSV, page and plots only lay out what stands in the document.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import cast

from har_benchmarks.plan.cases import Case
from har_benchmarks.plan.plan import Journal, Task
from har_benchmarks.results.document import (
    SCHEMA_VERSION,
    CaseRecord,
    MachineRecord,
    ProfileRecord,
    Report,
    Summary,
    Sustained,
)
from har_benchmarks.stats import median, relative_spread, summarise
from har_benchmarks.tasks.accuracy import judge
from har_benchmarks.tasks.profile import NO_PROFILE
from har_benchmarks.tasks.protocol import Answers, EndToEndRound, TimingRound
from har_edge import __version__
from har_edge.model.runtimes import ONNX_RUNTIME

CaseName = tuple[str, str, str]  # model, variant, runtime


def build_report(journal: Journal) -> Report:
    """Put together what a run found.

    Args:
        journal: The run; tasks that were not done are missing from the report.

    Returns:
        Plain values: `machine`, `settings`, and under `cases` what every case is, its `status`
        (ok, failed or skipped) with the `reason`, `summary` and the raw `rounds`.
    """
    plan = journal.plan
    settings = asdict(plan.settings)
    settings["video"] = Path(plan.settings.video).name
    report: Report = {
        "schema_version": SCHEMA_VERSION,
        "har_edge": __version__,
        "machine": cast("MachineRecord", dict(journal.machine)),
        "settings": settings,
        "data": {"name": plan.data, "files": len(plan.items)} if plan.items else None,
        "cases": [_case(journal, case) for case in plan.cases],
        "sustained": _sustained(journal),
    }
    _add_accuracy(report, journal)
    return report


def _case(journal: Journal, case: Case) -> CaseRecord:
    facts = case.facts
    rounds = [] if case.skipped else journal.timings(case)
    errors = journal.errors(case)
    status = "skipped" if case.skipped else "failed" if errors or not rounds else "ok"
    runs = journal.videos(case)
    return {
        "key": case.key,
        "file": facts.file,
        "model": facts.model,
        "variant": facts.variant,
        "labels": list(facts.labels),
        "num_frames": facts.num_frames,
        "frame_rate_hz": facts.frame_rate_hz,
        "size_bytes": facts.size_bytes,
        "sha256": facts.sha256,
        "backend": case.backend,
        "backend_version": rounds[0]["backend_version"] if rounds else None,
        "num_threads": case.num_threads,
        "status": status,
        "reason": case.skipped or (errors[0] if errors else "" if rounds else "Not measured."),
        "summary": _summary(case, rounds, runs) if rounds else {},
        "rounds": rounds,
        "end_to_end": runs,
        "profile": _profile(journal, case),
    }


def _summary(case: Case, rounds: Sequence[TimingRound], runs: Sequence[EndToEndRound]) -> Summary:
    """Figures of a case; names tell the unit."""
    steps = summarise(_pool(r["step_ms"] for r in rounds))
    found: Summary = {
        **{f"{name}_ms": steps[name] for name in ("p50", "p90", "p95", "p99", "min", "stdev")},
        "runs": steps["count"],
        "frames_per_second": 1e3 / steps["mean"],
        "round_spread": relative_spread([median(r["step_ms"]) for r in rounds]),
        "encode_p50_ms": median(_pool(r["encode_ms"] for r in rounds)),
        "classify_p50_ms": median(_pool(r["classify_ms"] for r in rounds)),
        "load_ms": median([r["load_ms"] for r in rounds]),
        "import_ms": median([r["import_ms"] for r in rounds]),
        "first_ms": median([r["first_encode_ms"] + r["first_classify_ms"] for r in rounds]),
        "peak_memory_bytes": _largest(r["peak_memory_bytes"] for r in rounds),
        "memory_before_bytes": _largest(r["memory_before_bytes"] for r in rounds),
        "size_bytes": case.facts.size_bytes,
    }
    if "clip_ms" in rounds[0]:
        clip_ms = median(_pool(r["clip_ms"] for r in rounds))
        found["clip_p50_ms"] = clip_ms
        found["streaming_gain"] = clip_ms / steps["p50"]
    if runs and runs[0]["latency_ms"]:
        found.update(_end_to_end(runs))
    return {key: _short(value) for key, value in found.items()}


def _end_to_end(runs: Sequence[EndToEndRound]) -> Summary:
    """Figures of a frame's way from the file to the action, and of its parts."""
    latency = summarise(_pool(r["latency_ms"] for r in runs))
    return {
        "end_to_end_p50_ms": latency["p50"],
        "end_to_end_p95_ms": latency["p95"],
        "end_to_end_decode_p50_ms": median(_pool(r["decode_ms"] for r in runs)),
        "end_to_end_preprocess_p50_ms": median(_pool(r["preprocess_ms"] for r in runs)),
        "end_to_end_encode_p50_ms": median(_pool(r["encode_ms"] for r in runs)),
        "end_to_end_classify_p50_ms": median(_pool(r["classify_ms"] for r in runs)),
        "end_to_end_frames_per_second": sum(r["frames"] for r in runs)
        / sum(r["wall_s"] for r in runs),
    }


def _pool(rounds: Iterable[list[float]]) -> list[float]:
    return [sample for samples in rounds for sample in samples]


def _largest(values: Iterable[int | None]) -> int | None:
    return max((value for value in values if value is not None), default=None)


def _short(value: float | None) -> float | None:
    """Drop digits that no clock gives; the samples keep theirs."""
    return round(value, 4) if isinstance(value, float) else value


def _profile(journal: Journal, case: Case) -> ProfileRecord | None:
    entry = journal.entries.get(Task("profile", case).key)
    if entry is None:
        asked = journal.plan.settings.profile_ops and case.backend != ONNX_RUNTIME
        return {"ops": [], "reason": NO_PROFILE.format(case.backend)} if asked else None
    if "result" in entry:
        return cast("ProfileRecord", entry["result"])
    return {"ops": [], "reason": entry["error"]}


def _sustained(journal: Journal) -> Sustained | None:
    for case in journal.plan.cases:
        entry = journal.entries.get(Task("sustained", case).key)
        if entry and "result" in entry:
            return cast("Sustained", {"case": case.key, **entry["result"]})
    return None


def _add_accuracy(report: Report, journal: Journal) -> None:
    """Add what each file is worth to all its cases, compared with float32 of the same model."""
    plan = journal.plan
    answers: dict[CaseName, Answers] = {}
    errors: dict[CaseName, str] = {}
    for case in plan.cases:
        entry = journal.entries.get(Task("accuracy", case).key)
        if entry and "result" in entry:
            answers[case.facts.model, case.facts.variant, case.backend] = cast(
                "Answers", entry["result"]
            )
        elif entry:
            errors[case.facts.model, case.facts.variant, case.backend] = entry["error"]
    groups = [item.group for item in plan.items]
    for case, row in zip(plan.cases, report["cases"], strict=True):
        name = (case.facts.model, case.facts.variant, case.backend)
        if name in answers:
            reference = _reference(case, answers)
            found = judge(answers[name], reference, groups)
            row["summary"].update({key: _short(value) for key, value in found.items()})
            row["answers"] = answers[name]
        elif name in errors:
            row["accuracy_reason"] = errors[name]


def _reference(case: Case, answers: Mapping[CaseName, Answers]) -> Answers | None:
    """Answers of float32, the TFLite file's before the ONNX pair's."""
    for variant in ("float32", "onnx"):
        for (model, other, _), found in answers.items():
            if (model, other) == (case.facts.model, variant):
                return found
    return None
