"""What a benchmark leaves behind: one versioned JSON document with the raw samples in it.

Samples come first and figures are computed from them here, once; Markdown, CSV, page and plots only
lay out what stands in the document.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, cast

from har_benchmarks.plan.cases import Case
from har_benchmarks.plan.plan import Journal, Task
from har_benchmarks.stats import median, relative_spread, summarise
from har_benchmarks.tasks.accuracy import judge
from har_benchmarks.tasks.profile import NO_PROFILE
from har_benchmarks.tasks.protocol import Answers
from har_edge import __version__
from har_edge.errors import DataError
from har_edge.model.runtimes import ONNX_RUNTIME
from har_edge.paths import display_path

SCHEMA_VERSION = 1
REPORT_NAME = "report.json"
# A list of numbers as `json.dumps` lays it out, one a line; a string never holds a bare newline.
NUMBERS = re.compile(r"\[\n\s*-?\d[-+.\deE,\s]*\]")
# Parts of a frame's way from the file to the action.
END_TO_END_PARTS = ("decode_ms", "preprocess_ms", "encode_ms", "classify_ms")

Report = dict[str, Any]


def to_json(facts: Mapping[str, object]) -> str:
    """Serialise as readable JSON, with each list of numbers on one line."""
    text = json.dumps(facts, indent=2, ensure_ascii=False)
    return NUMBERS.sub(_on_one_line, text) + "\n"


def _on_one_line(match: re.Match[str]) -> str:
    return "[" + " ".join(match[0][1:-1].split()) + "]"


def file_facts(path: str | os.PathLike[str]) -> dict[str, object]:
    """Name a file so that others can tell whether theirs is the same; its folder is not told."""
    content = Path(path).read_bytes()
    return {
        "file": Path(path).name,
        "size_bytes": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
    }


def load_report(path: str | os.PathLike[str]) -> Report:
    """Read a report.

    Args:
        path: The JSON file, or the folder that holds it.

    Raises:
        DataError: if it is missing, no report, or of another schema version.
    """
    path = Path(path)
    path = path / REPORT_NAME if path.is_dir() else path
    shown = display_path(path)
    try:
        report = json.loads(path.read_text(encoding="utf-8"))
        version = report["schema_version"]
    except OSError as error:
        raise DataError(
            f"There is no report {shown} ({error.strerror}). Give what har-bench run wrote; an "
            "unfinished run goes on with har-bench run --resume."
        ) from error
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"{shown} is no report. Expected the {REPORT_NAME} that har-bench run wrote."
        ) from error
    if version != SCHEMA_VERSION:
        raise DataError(
            f"{shown} should have schema version {SCHEMA_VERSION}. Received {version!r}. Measure "
            "again with this release, or read it with the one that wrote it."
        )
    return dict(report)


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
        "machine": dict(journal.machine),
        "settings": settings,
        "data": {"name": plan.data, "files": len(plan.items)} if plan.items else None,
        "cases": [_case(journal, case) for case in plan.cases],
        "sustained": _sustained(journal),
    }
    _add_accuracy(report, journal)
    return report


def _case(journal: Journal, case: Case) -> dict[str, Any]:
    facts = {k: v for k, v in asdict(case.facts).items() if k != "path"}
    rounds = [] if case.skipped else journal.timings(case)
    errors = journal.errors(case)
    status = "skipped" if case.skipped else "failed" if errors or not rounds else "ok"
    runs = journal.videos(case)
    return {
        "key": case.key,
        **facts,
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


def _summary(
    case: Case, rounds: Sequence[Mapping[str, Any]], runs: Sequence[Mapping[str, Any]]
) -> dict[str, float | None]:
    """Figures of a case; names tell the unit."""
    steps = summarise(_all(rounds, "step_ms"))
    found: dict[str, float | None] = {
        **{f"{name}_ms": steps[name] for name in ("p50", "p90", "p95", "p99", "min", "stdev")},
        "runs": steps["count"],
        "frames_per_second": 1e3 / steps["mean"],
        "round_spread": relative_spread([median(r["step_ms"]) for r in rounds]),
        "encode_p50_ms": median(_all(rounds, "encode_ms")),
        "classify_p50_ms": median(_all(rounds, "classify_ms")),
        "load_ms": median([r["load_ms"] for r in rounds]),
        "import_ms": median([r["import_ms"] for r in rounds]),
        "first_ms": median([r["first_encode_ms"] + r["first_classify_ms"] for r in rounds]),
        "peak_memory_bytes": _largest(rounds, "peak_memory_bytes"),
        "memory_before_bytes": _largest(rounds, "memory_before_bytes"),
        "size_bytes": case.facts.size_bytes,
    }
    if "clip_ms" in rounds[0]:
        clip_ms = median(_all(rounds, "clip_ms"))
        found["clip_p50_ms"] = clip_ms
        found["streaming_gain"] = clip_ms / steps["p50"]
    if runs and runs[0]["latency_ms"]:
        latency = summarise(_all(runs, "latency_ms"))
        found["end_to_end_p50_ms"], found["end_to_end_p95_ms"] = latency["p50"], latency["p95"]
        for part in END_TO_END_PARTS:
            found[f"end_to_end_{part.removesuffix('_ms')}_p50_ms"] = median(_all(runs, part))
        found["end_to_end_frames_per_second"] = sum(r["frames"] for r in runs) / sum(
            r["wall_s"] for r in runs
        )
    return {key: _short(value) for key, value in found.items()}


def _all(rounds: Sequence[Mapping[str, Any]], name: str) -> list[float]:
    return [sample for r in rounds for sample in r[name]]


def _largest(rounds: Sequence[Mapping[str, Any]], name: str) -> float | None:
    return max((r[name] for r in rounds if r[name] is not None), default=None)


def _short(value: float | None) -> float | None:
    """Drop digits that no clock gives; the samples keep theirs."""
    return round(value, 4) if isinstance(value, float) else value


def _profile(journal: Journal, case: Case) -> dict[str, Any] | None:
    entry = journal.entries.get(Task("profile", case).key)
    if entry is None:
        asked = journal.plan.settings.profile_ops and case.backend != ONNX_RUNTIME
        return {"ops": [], "reason": NO_PROFILE.format(case.backend)} if asked else None
    return entry["result"] if "result" in entry else {"ops": [], "reason": entry["error"]}


def _sustained(journal: Journal) -> dict[str, Any] | None:
    for case in journal.plan.cases:
        entry = journal.entries.get(Task("sustained", case).key)
        if entry and "result" in entry:
            return {"case": case.key, **entry["result"]}
    return None


def _add_accuracy(report: Report, journal: Journal) -> None:
    """Add what each file is worth to all its cases, compared with float32 of the same model."""
    plan = journal.plan
    answers: dict[tuple[str, str, str], Answers] = {}
    errors: dict[tuple[str, str, str], str] = {}
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


def _reference(case: Case, answers: Mapping[tuple[str, str, str], Answers]) -> Answers | None:
    """Answers of float32, the TFLite file's before the ONNX pair's."""
    for variant in ("float32", "onnx"):
        for (model, other, _), found in answers.items():
            if (model, other) == (case.facts.model, variant):
                return found
    return None


def measured(report: Report) -> list[dict[str, Any]]:
    """The cases of a report that have figures."""
    return [case for case in report["cases"] if case["status"] == "ok"]
