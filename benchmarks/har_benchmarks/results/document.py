"""What a benchmark leaves behind: one versioned JSON document with the raw samples in it."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TypedDict, cast

from har_benchmarks.tasks.protocol import Answers, EndToEndRound, Op, State, Throttling, TimingRound
from har_edge.errors import DataError
from har_edge.paths import display_path

SCHEMA_VERSION = 1
REPORT_NAME = "report.json"
# A list of numbers as `json.dumps` lays it out, one a line; a string never holds a bare newline.
NUMBERS = re.compile(r"\[\n\s*-?\d[-+.\deE,\s]*\]")

Summary = dict[str, "float | None"]  # figures of a case; names tell the unit


class MachineRecord(TypedDict, total=False):
    """What `har_edge.machine.facts.machine_facts` says; what a machine does not tell is None."""

    date: str
    board: str | None
    cpu: str | None
    architecture: str | None
    cores: int | None
    cores_usable: int | None
    governor: str | None
    memory_bytes: int | None
    frequency_mhz: float | None
    temperature_c: float | None
    throttling: Throttling | None
    load_1min: float | None
    os: str | None
    kernel: str | None
    python: str | None
    packages: dict[str, str]
    git_revision: str | None


class ProfileRecord(TypedDict, total=False):
    """What the operators of a case take, or the reason why nobody knows."""

    ops: list[Op]
    reason: str


class MeasuredCase(TypedDict):
    """One case: what it is, its `status` (ok, failed or skipped), figures and raw rounds."""

    key: str
    file: str
    model: str
    variant: str
    labels: list[str]
    num_frames: int
    frame_rate_hz: float
    size_bytes: int
    sha256: str
    backend: str
    backend_version: str | None
    num_threads: int
    status: str
    reason: str
    summary: Summary
    rounds: list[TimingRound]
    end_to_end: list[EndToEndRound]
    profile: ProfileRecord | None


class CaseRecord(MeasuredCase, total=False):
    """And what it answered on labelled files, or why it did not."""

    answers: Answers
    accuracy_reason: str


class Sample(TypedDict):
    """How fast a case was at one moment of a run without a pause."""

    at_s: float
    p50_ms: float
    runs: int
    temperature_c: float | None


class Sustained(TypedDict):
    """A run of one case without a pause."""

    case: str
    runs: int
    samples: list[Sample]


class Problem(TypedDict):
    """What makes figures doubtful: what was seen, and what to do."""

    kind: str
    detail: str
    advice: str


class Recommendation(TypedDict):
    """What to take of a model, by the key of its case; None if nothing keeps to the limits."""

    model: str
    limits: dict[str, float | None]
    case: str | None
    sentence: str


class PeerResult(TypedDict):
    """What `har_benchmarks.peers.worker` answers."""

    version: str
    load_ms: float
    start_ms: float
    step_ms: list[float]
    answers: list[str | None]
    peak_memory_bytes: int | None


class PeerRound(PeerResult):
    """One run of a peer."""

    machine: State


class PeerSummary(TypedDict):
    """Figures of a peer."""

    p50_ms: float
    p95_ms: float
    frames_per_second: float
    start_ms: float
    load_ms: float
    peak_memory_bytes: int | None
    same_answers: float | None


class PeerRecord(TypedDict):
    """One peer with one file: its `status` (ok or skipped), figures and raw rounds."""

    peer: str
    name: str
    does: str
    file: str
    status: str
    reason: str
    version: str
    summary: PeerSummary  # empty if it did not run
    rounds: list[PeerRound]


class PeersRecord(TypedDict):
    """What the peers did with the frames of a video."""

    video: str
    frames: int
    height: int
    width: int
    num_threads: int
    model: str
    sha256: str
    machine: MachineRecord
    peers: list[PeerRecord]


class DataFacts(TypedDict):
    """What models were judged on."""

    name: str
    files: int


class BareReport(TypedDict):
    """What was measured."""

    schema_version: int
    har_edge: str
    machine: MachineRecord
    settings: dict[str, object]
    data: DataFacts | None
    cases: list[CaseRecord]
    sustained: Sustained | None


class Report(BareReport, total=False):
    """And what was made of it."""

    problems: list[Problem]
    recommendations: list[Recommendation]
    peers: PeersRecord


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
            f"There is no report at {shown} ({error.strerror}). Give a file or folder written "
            "by har-bench run; continue an unfinished run with har-bench run --resume."
        ) from error
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"{shown} is not a report. Expected the {REPORT_NAME} that har-bench run wrote."
        ) from error
    if version != SCHEMA_VERSION:
        raise DataError(
            f"{shown} should have schema version {SCHEMA_VERSION}. Received {version!r}. Measure "
            "again with this release, or read it with the one that wrote it."
        )
    return cast("Report", report)
