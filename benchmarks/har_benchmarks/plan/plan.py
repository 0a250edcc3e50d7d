"""The plan of a run and its journal: what is to be done, and what was."""

from __future__ import annotations

import json
import os
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, TypedDict, cast

from har_benchmarks.plan.cases import Case
from har_benchmarks.plan.data import Item
from har_benchmarks.tasks.protocol import EndToEndRound, ItemRow, Job, TimingRound
from har_edge.errors import DataError, OutputError
from har_edge.model.runtimes import ONNX_RUNTIME
from har_edge.paths import display_path

JOURNAL_NAME = "journal.jsonl"
JOURNAL_VERSION = 1


@dataclass(frozen=True)
class Settings:
    """How a run measures.

    Attributes:
        rounds: Rounds, in each of which every case is measured once in a fresh process.
        num_runs: Calls of each kind in a round.
        max_secs: Seconds that all calls of a case may take in a round.
        warmup_runs: Calls before, which are kept apart.
        timeout_s: Seconds without a sign of life after which a case is given up.
        video: File to run from decoding to action in each round, or "".
        profile_ops: Whether to profile operators.
        sustained_min: Minutes to run the fastest case without a pause; 0 for none.
        seed: Of the order of the cases in each round.
    """

    rounds: int = 10
    num_runs: int = 30
    max_secs: float = 10.0
    warmup_runs: int = 10
    timeout_s: float = 120.0
    video: str = ""
    profile_ops: bool = False
    sustained_min: float = 0.0
    seed: int = 0


@dataclass(frozen=True)
class Task:
    """One job of a plan: what is done to which case, in which round."""

    name: str
    case: Case
    round: int = 0

    @property
    def key(self) -> str:
        """Its name in the journal."""
        return f"{self.name} {self.case.key} {self.round}"


@dataclass(frozen=True)
class Plan:
    """All that a run does.

    Attributes:
        cases: What is measured.
        settings: How.
        items: Labelled files to judge models on; none for no accuracy.
        data: What they are called in the report.
    """

    cases: tuple[Case, ...]
    settings: Settings = Settings()
    items: tuple[Item, ...] = ()
    data: str = ""

    def tasks(self) -> Iterator[Task]:
        """List the jobs in order; those of a round in an order of its own.

        Accuracy does not depend on the number of threads: one case of each file and runtime
        answers, that with the most threads. So for profiles, which onnxruntime alone gives.
        """
        cases = [case for case in self.cases if not case.skipped]
        for number in range(self.settings.rounds):
            shuffled = list(cases)
            random.Random(f"{self.settings.seed} {number}").shuffle(shuffled)
            for case in shuffled:
                yield Task("timing", case, number)
                if self.settings.video:
                    yield Task("end_to_end", case, number)
        most = {(c.facts.file, c.backend): c for c in sorted(cases, key=lambda c: c.num_threads)}
        if self.settings.profile_ops:
            onnx = [case for case in most.values() if case.backend == ONNX_RUNTIME]
            yield from (Task("profile", case) for case in onnx)
        if self.items:
            yield from (Task("accuracy", case) for case in most.values())

    def job(self, task: Task) -> Job:
        """What the worker of a task is told."""
        settings = self.settings
        job: Job = {
            "task": task.name,
            "model": task.case.facts.path,
            "backend": task.case.backend,
            "num_threads": task.case.num_threads,
            "num_runs": settings.num_runs,
            "warmup_runs": settings.warmup_runs,
            "max_secs": settings.max_secs,
        }
        if task.name == "end_to_end":
            job["video"] = settings.video
        elif task.name == "sustained":
            job["minutes"] = settings.sustained_min
        elif task.name == "accuracy":
            job["items"] = [_item_record(item) for item in self.items]
        return job

    def to_record(self) -> dict[str, Any]:
        """Turn into plain values that JSON can hold."""
        return {
            "cases": [case.to_record() for case in self.cases],
            "settings": asdict(self.settings),
            "items": [_item_record(item) for item in self.items],
            "data": self.data,
        }

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Plan:
        """Read what `to_record` gave."""
        items = [
            Item(path, label, group, start_s, float("inf") if end_s is None else end_s)
            for path, label, group, start_s, end_s in record["items"]
        ]
        cases = tuple(Case.from_record(case) for case in record["cases"])
        return cls(cases, Settings(**record["settings"]), tuple(items), record["data"])


def _item_record(item: Item) -> ItemRow:
    end_s = None if item.end_s == float("inf") else item.end_s  # JSON knows no infinity
    return (item.path, item.label, item.group, item.start_s, end_s)


class Entry(TypedDict, total=False):
    """What came of a task: `result` and `environment`, or `error`."""

    task: str
    result: dict[str, object]
    environment: dict[str, object]
    error: str


@dataclass
class Journal:
    """What was done so far, on disk: one JSON object a line, each written at once.

    Attributes:
        path: The file.
        plan: What is to be done; in its first line.
        machine: Facts of the machine when the run began; there too.
        entries: By the key of a task, what came of it.
    """

    path: Path
    plan: Plan
    machine: Mapping[str, object]
    entries: dict[str, Entry] = field(default_factory=dict)

    @classmethod
    def create(cls, folder: Path, plan: Plan, machine: Mapping[str, object]) -> Journal:
        """Start a journal in a new folder.

        Raises:
            OutputError: if the folder holds one already or cannot be written.
        """
        path = folder / JOURNAL_NAME
        shown = display_path(folder)
        if path.exists():
            raise OutputError(
                f"{shown} holds a run already. Give another --out, or go on with it: "
                f"har-bench run --resume {shown}"
            )
        try:
            folder.mkdir(parents=True, exist_ok=True)
            first = {
                "journal_version": JOURNAL_VERSION,
                "machine": machine,
                "plan": plan.to_record(),
            }
            path.write_text(json.dumps(first) + "\n", encoding="utf-8")
        except OSError as error:
            raise OutputError(
                f"{shown} cannot be written: {error.strerror}. Give another --out."
            ) from error
        return cls(path, plan, machine)

    @classmethod
    def load(cls, folder: Path) -> Journal:
        """Read the journal of a run that was stopped.

        A last line that was cut short by the stop is dropped.

        Raises:
            DataError: if there is none or another release wrote it.
        """
        path = folder / JOURNAL_NAME
        shown = display_path(folder)
        try:
            content = path.read_bytes()
        except OSError as error:
            raise DataError(
                f"{shown} holds no run that could go on ({error.strerror}). Give the folder that "
                "har-bench run wrote to."
            ) from error
        whole = content[: content.rfind(b"\n") + 1]
        try:
            first, *rest = (json.loads(line) for line in whole.splitlines())
            if first["journal_version"] != JOURNAL_VERSION:
                raise ValueError(f"version {first['journal_version']}")
            journal = cls(path, Plan.from_record(first["plan"]), first["machine"])
            journal.entries = {entry["task"]: entry for entry in rest}
        except (ValueError, KeyError, TypeError) as error:
            raise DataError(
                f"{display_path(path)} is no journal that this release can go on with: {error}. "
                "Start a new run."
            ) from error
        if len(whole) < len(content):
            os.truncate(path, len(whole))
        return journal

    def add(self, task: Task, outcome: Entry) -> None:
        """Say what came of a task."""
        entry: Entry = {"task": task.key, **outcome}
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(entry) + "\n")
        self.entries[task.key] = entry

    def timings(self, case: Case) -> list[TimingRound]:
        """The rounds of a case that went well, in order."""
        return cast("list[TimingRound]", self._results("timing", case))

    def videos(self, case: Case) -> list[EndToEndRound]:
        """The rounds from file to action that went well, in order."""
        return cast("list[EndToEndRound]", self._results("end_to_end", case))

    def _results(self, name: str, case: Case) -> list[dict[str, object]]:
        found: list[dict[str, object]] = []
        for number in range(self.plan.settings.rounds):
            entry = self.entries.get(Task(name, case, number).key)
            if entry and "result" in entry:
                found.append({"round": number, **entry["result"], "machine": entry["environment"]})
        return found

    def errors(self, case: Case) -> list[str]:
        """Why measuring this case failed, if it did."""
        keys = [Task("timing", case, n).key for n in range(self.plan.settings.rounds)]
        return [self.entries[k]["error"] for k in keys if "error" in self.entries.get(k, {})]


def pending(journal: Journal, tasks: Sequence[Task]) -> list[Task]:
    """Tasks that were not tried yet, without those of cases that failed."""
    return [t for t in tasks if t.key not in journal.entries and not journal.errors(t.case)]
