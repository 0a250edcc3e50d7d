"""The one table of a report: typed rows, computed once, that everything shown is laid out from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from typing import cast

from har_benchmarks.results.document import (
    CaseRecord,
    MachineRecord,
    PeersRecord,
    Problem,
    Recommendation,
    Report,
    Summary,
    Sustained,
)
from har_benchmarks.stats import median
from har_benchmarks.tasks.protocol import Op, TimingRound


@dataclass(frozen=True)
class Figures:
    """What a measured case costs and how accurate it is; names give the unit, None is unknown.

    Attributes:
        p50_ms, p90_ms, p95_ms, p99_ms, min_ms, stdev_ms: Of a step: one frame in, one answer out.
        runs: Number of steps.
        frames_per_second: Steps a second.
        round_spread: Between the quartiles of the rounds' medians, over their median.
        encode_p50_ms, classify_p50_ms, clip_p50_ms: Of one signature, and of a whole clip anew.
        streaming_gain: Whole clip over step.
        load_ms, import_ms, first_ms: Before the first answer.
        peak_memory_bytes, memory_before_bytes: Of the process, and before the model was loaded.
        size_bytes: Of the file.
        end_to_end_p50_ms, end_to_end_p95_ms, end_to_end_frames_per_second: From file to action.
        accuracy, top5_accuracy, agreement: Shares, 0..1.
        drop_points, drop_low_points, drop_high_points: Lost against float32, with its interval.
    """

    p50_ms: float
    p90_ms: float
    p95_ms: float
    p99_ms: float
    min_ms: float
    stdev_ms: float
    runs: float
    frames_per_second: float
    round_spread: float
    encode_p50_ms: float | None = None
    classify_p50_ms: float | None = None
    clip_p50_ms: float | None = None
    streaming_gain: float | None = None
    load_ms: float | None = None
    import_ms: float | None = None
    first_ms: float | None = None
    peak_memory_bytes: float | None = None
    memory_before_bytes: float | None = None
    size_bytes: float | None = None
    end_to_end_p50_ms: float | None = None
    end_to_end_p95_ms: float | None = None
    end_to_end_frames_per_second: float | None = None
    accuracy: float | None = None
    top5_accuracy: float | None = None
    agreement: float | None = None
    drop_points: float | None = None
    drop_low_points: float | None = None
    drop_high_points: float | None = None

    @classmethod
    def of(cls, summary: Summary) -> Figures:
        """Take the figures that are shown from a case's summary."""
        names = {field.name for field in fields(cls)}
        known = {name: value for name, value in summary.items() if name in names}
        return cls(**cast("dict[str, float]", known))


@dataclass(frozen=True)
class CaseRow:
    """A case, measured or not.

    Attributes:
        key: Its name, as `clips-int8/litert/2`.
        model, variant, file, size_bytes, sha256: The model file.
        backend, backend_version, num_threads: What ran it.
        status: `ok`, `failed` or `skipped`.
        reason: Why, if it is not ok.
        summary: All figures that there are, by name.
        ops: What its operators take, the most expensive first.
        no_profile: Why nobody knows what they take, or "".
        no_accuracy: Why nobody knows what it is worth, or None.
    """

    key: str
    model: str
    variant: str
    file: str
    size_bytes: int
    sha256: str
    backend: str
    backend_version: str | None
    num_threads: int
    status: str
    reason: str
    summary: Summary
    ops: tuple[Op, ...]
    no_profile: str
    no_accuracy: str | None


@dataclass(frozen=True)
class Row(CaseRow):
    """A case that was measured.

    Attributes:
        figures: Its figures.
        rounds: The raw samples, a process each.
    """

    figures: Figures
    rounds: tuple[TimingRound, ...]

    @cached_property
    def round_medians_ms(self) -> dict[int, float]:
        """Number of each round to its median step."""
        return {r["round"]: median(r["step_ms"]) for r in self.rounds}

    @cached_property
    def steps_ms(self) -> list[float]:
        """The steps of all rounds."""
        return [ms for r in self.rounds for ms in r["step_ms"]]


@dataclass(frozen=True)
class Table:
    """A report, ready to be shown and judged.

    Attributes:
        release: Version of har-edge that measured.
        machine: Facts of the machine when the run began.
        cases: Every case, in the order of the report.
        problems: What makes the figures doubtful.
        recommendations: What to take of each model.
        sustained: The run without a pause, if there was one.
        peers: What else was run on the same frames, if anything.
    """

    release: str
    machine: MachineRecord
    cases: tuple[CaseRow, ...]
    problems: tuple[Problem, ...] = ()
    recommendations: tuple[Recommendation, ...] = ()
    sustained: Sustained | None = None
    peers: PeersRecord | None = None

    @classmethod
    def of(cls, report: Report) -> Table:
        """Read a report's document."""
        return cls(
            release=report["har_edge"],
            machine=report["machine"],
            cases=tuple(_case(record) for record in report["cases"]),
            problems=tuple(report.get("problems", ())),
            recommendations=tuple(report.get("recommendations", ())),
            sustained=report.get("sustained"),
            peers=report.get("peers"),
        )

    @cached_property
    def rows(self) -> tuple[Row, ...]:
        """The cases that were measured."""
        return tuple(case for case in self.cases if isinstance(case, Row))

    @cached_property
    def by_key(self) -> Mapping[str, Row]:
        """The measured cases by their keys."""
        return {row.key: row for row in self.rows}


def _case(record: CaseRecord) -> CaseRow:
    profile = record.get("profile") or {}
    ops = tuple(sorted(profile.get("ops", ()), key=lambda op: -op["ms"]))
    case = CaseRow(
        key=record["key"],
        model=record["model"],
        variant=record["variant"],
        file=record["file"],
        size_bytes=record["size_bytes"],
        sha256=record["sha256"],
        backend=record["backend"],
        backend_version=record["backend_version"],
        num_threads=record["num_threads"],
        status=record["status"],
        reason=record["reason"],
        summary=record["summary"],
        ops=ops,
        no_profile="" if ops else profile.get("reason", ""),
        no_accuracy=record.get("accuracy_reason"),
    )
    if case.status != "ok":
        return case
    return Row(**vars(case), figures=Figures.of(record["summary"]), rounds=tuple(record["rounds"]))
