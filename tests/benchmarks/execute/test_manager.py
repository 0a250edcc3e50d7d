"""Rounds, resuming, and cases that fail while the others go on."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from har_benchmarks.execute.manager import carry_out
from har_benchmarks.plan.plan import Journal, Plan, pending
from har_benchmarks.results.build import build_report
from har_edge.errors import DataError, OutputError
from tests.support.tiny import ASSETS, bad_worker, measure, tiny_plan


def silent(line: str) -> None:
    """Take lines and do nothing."""


@pytest.mark.parametrize("kind", ["crash", "hang", "leave", "refuse"])
def test_a_case_that_fails_is_marked_and_the_rest_completes(tmp_path: Path, kind: str) -> None:
    lines: list[str] = []
    plan = tiny_plan(variants=("float32", "float16", "int8"), timeout_s=3.0)
    journal = Journal.create(tmp_path / "run", plan, {})
    carry_out(journal, note=lines.append, command=bad_worker(kind, "float16"))
    cases = {case["variant"]: case for case in build_report(journal)["cases"]}
    assert {name: case["status"] for name, case in cases.items()} == {
        "float32": "ok", "float16": "failed", "int8": "ok",
    }  # fmt: skip
    words = {
        "crash": "SIGSEGV",
        "hang": "no sign of life",
        "leave": "gave up",
        "refuse": "refuses",
    }
    assert words[kind] in cases["float16"]["reason"]
    assert cases["float16"]["rounds"] == []  # tried once, not in every round
    assert [len(cases[v]["rounds"]) for v in ("float32", "int8")] == [2, 2]
    assert sum("tiny-float16/litert/1: measuring failed." in line for line in lines) == 1


def test_every_round_has_every_case_in_an_order_of_its_own() -> None:
    plan = tiny_plan(variants=("float32", "float16", "dynamic", "int8"), rounds=6)
    tasks = list(plan.tasks())
    rounds = [[t.case.key for t in tasks if t.round == number] for number in range(6)]
    assert all(sorted(r) == sorted(rounds[0]) for r in rounds)
    assert len({tuple(r) for r in rounds}) > 1
    assert [t.round for t in tasks] == sorted(t.round for t in tasks)
    assert tasks == list(Plan.from_record(json.loads(json.dumps(plan.to_record()))).tasks())


def test_a_run_goes_on_where_it_was_stopped(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    plan = tiny_plan(rounds=3)
    whole = measure(folder, plan)
    journal_path = folder / "journal.jsonl"
    lines = journal_path.read_text().splitlines(keepends=True)
    assert len(lines) == 1 + 6
    # Stopped in the middle of writing the fourth result.
    journal_path.write_text("".join(lines[:4]) + lines[4][:50])
    journal = Journal.load(folder)
    assert len(journal.entries) == 3
    assert len(pending(journal, list(plan.tasks()))) == 3
    carry_out(journal, note=silent)
    again = build_report(journal)
    assert [len(case["rounds"]) for case in again["cases"]] == [3, 3]
    kept = [line for line in journal_path.read_text().splitlines(keepends=True)][:4]
    assert kept == lines[:4]  # what was measured stays as it was
    assert [c["key"] for c in again["cases"]] == [c["key"] for c in whole["cases"]]
    carry_out(Journal.load(folder), note=silent, command=("false",))  # nothing left to do


def test_a_folder_with_a_run_is_not_overwritten(tmp_path: Path) -> None:
    Journal.create(tmp_path, tiny_plan(), {})
    with pytest.raises(OutputError, match="--resume"):
        Journal.create(tmp_path, tiny_plan(), {})


@pytest.mark.parametrize("content", ["", "{}\n", "[1]\n", '{"journal_version": 99}\n', "no json\n"])
def test_what_is_no_journal_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "journal.jsonl").write_text(content)
    with pytest.raises(DataError, match="a journal that this release can continue"):
        Journal.load(tmp_path)
    with pytest.raises(DataError, match="should contain a run to continue"):
        Journal.load(tmp_path / "elsewhere")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_command_is_stopped_by_a_signal_and_resumed(tmp_path: Path, number: int) -> None:
    pytest.importorskip("matplotlib")
    models = tmp_path / "models"
    models.mkdir()
    for variant in ("float32", "int8"):
        shutil.copy(ASSETS / f"tiny-{variant}.tflite", models)
    command = [sys.executable, "-m", "har_benchmarks", "run"]
    process = subprocess.Popen(
        [*command, "models", "--threads", "1", "--rounds", "6", "--num-runs", "3", "--out", "out"],
        cwd=tmp_path, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    journal = tmp_path / "out" / "journal.jsonl"
    ends = time.monotonic() + 60
    while not (journal.exists() and len(journal.read_text().splitlines()) > 3):
        assert time.monotonic() < ends
        time.sleep(0.02)
    os.kill(process.pid, number)
    said = process.communicate(timeout=30)[1]
    assert process.returncode == 128 + number
    assert "har-bench run --resume out" in said
    assert "Traceback" not in said
    done = len(journal.read_text().splitlines())
    assert done < 13
    assert not (tmp_path / "out" / "report.json").exists()
    again = subprocess.run(
        [*command, "--resume", "out"],
        cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert again.returncode == 0, again.stderr
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert [len(case["rounds"]) for case in report["cases"]] == [6, 6]
