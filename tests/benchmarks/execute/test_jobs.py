"""Workers that work, crash, hang, refuse and chatter; all end."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from har_benchmarks.execute.jobs import JobError, run_job
from tests.support.tiny import ASSETS, bad_worker

JOB = {
    "task": "timing",
    "model": str(ASSETS / "tiny-int8.tflite"),
    "backend": "litert",
    "num_threads": 1,
    "num_runs": 3,
    "warmup_runs": 2,
    "max_secs": 5.0,
}


def python(code: str) -> list[str]:
    return [sys.executable, "-c", f"import sys, json, time, os; {code}"]


def test_a_job_gives_its_result_and_what_else_went_on() -> None:
    events: list[Any] = []
    result, environment = run_job(JOB, on_event=events.append)
    assert len(result["step_ms"]) == 3
    assert [e["name"] for e in events if e["event"] == "stage"][-1] == "measuring"
    record = environment.to_record()
    assert record["load_1min"] is not None
    assert record["other_cores"] is None or 0 <= record["other_cores"] <= (os.cpu_count() or 1) + 1


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("crash", "It was ended by SIGSEGV while loading the model."),
        ("leave", "It ended with exit code 7 while loading the model. Its last output: a native"),
        ("refuse", "The runtime refuses this model."),
    ],
)
def test_a_worker_that_fails_is_told_with_its_reason(kind: str, reason: str) -> None:
    with pytest.raises(JobError) as error:
        run_job(JOB, command=bad_worker(kind, "int8"))
    assert str(error.value).startswith(reason)


def test_a_worker_that_hangs_is_ended_with_all_that_it_started() -> None:
    # The child would keep the pipe open; its number comes out as an event.
    code = (
        "import subprocess; child = subprocess.Popen(['sleep', '600']); "
        "print(json.dumps({'event': 'sample', 'pid': child.pid}), flush=True); time.sleep(600)"
    )
    events: list[Any] = []
    started = time.monotonic()
    with pytest.raises(JobError, match=r"no sign of life for 1 s while starting, and was stopped"):
        run_job({}, command=python(code), timeout_s=1.0, on_event=events.append)
    stat = Path(f"/proc/{events[0]['pid']}/stat")
    while runs(stat):
        assert time.monotonic() - started < 30
        time.sleep(0.01)


def runs(stat: Path) -> bool:
    """Whether a process lives, by its file in /proc: the third field is Z once it is dead."""
    try:
        return stat.read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_signs_of_life_keep_a_slow_job_alive() -> None:
    code = (
        "[(print(json.dumps({'event': 'progress'}), flush=True), time.sleep(0.4))"
        " for _ in range(5)]; print(json.dumps({'event': 'result', 'result': {}}))"
    )
    assert run_job({}, command=python(code), timeout_s=1.5)[0] == {}


def test_a_worker_that_reads_nothing_is_no_crash_of_ours() -> None:
    with pytest.raises(JobError, match="ended with exit code 3 while starting"):
        run_job({"x": "y" * 200_000}, command=python("sys.exit(3)"))


def test_other_programs_are_seen() -> None:
    code = "time.sleep(1); print(json.dumps({'event': 'result', 'result': {}}))"
    busy = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        environment = run_job({}, command=python(code))[1]
    finally:
        busy.kill()
        busy.wait()
    if environment.other_cores is None:
        pytest.skip("this system has no /proc/stat")
    assert environment.other_cores > 0.3
