"""Run one job in a worker process, and make sure that it ends."""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

from har_benchmarks.tasks.protocol import Event
from har_edge.errors import HarError
from har_edge.machine.facts import machine_state

WORKER = (sys.executable, "-m", "har_benchmarks.execute.worker")
LAST_WORDS = 300  # characters of a dead worker's stderr that are worth keeping

OnEvent = Callable[[Event], None]
Result = dict[str, object]  # one of the records of `har_benchmarks.tasks.protocol`


class JobError(HarError):
    """A worker crashed, hung or could not do its job; the rest of a run continues without it."""


@dataclass(frozen=True)
class Environment:
    """What else went on while a job ran.

    Attributes:
        other_cores: Processor time of all other programs, in cores, mean over the job.
        stolen_cores: Time that a hypervisor gave to other machines, in cores.
        state: `har_edge.machine.facts.machine_state` when the job ended.
    """

    other_cores: float | None
    stolen_cores: float | None
    state: Mapping[str, object]

    def to_record(self) -> dict[str, object]:
        """Turn into plain values."""
        found = {"other_cores": self.other_cores, "stolen_cores": self.stolen_cores}
        return {**found, **self.state}


def run_job(
    job: Mapping[str, object],
    *,
    command: Sequence[str] = WORKER,
    timeout_s: float = 120.0,
    on_event: OnEvent = lambda event: None,
) -> tuple[Result, Environment]:
    """Start a worker, give it a job and wait for the result.

    Args:
        job: What the worker is to do, plain values.
        command: Starts the worker.
        timeout_s: Seconds without a sign of life after which it is killed.
        on_event: Takes what the worker says meanwhile.

    Returns:
        The result and what else went on.

    Raises:
        JobError: if there is no result, with the reason.
    """
    watch = _Watch()
    with tempfile.TemporaryFile() as errors, _process(command, errors) as process:
        said = _Listener(process, timeout_s, on_event)
        try:
            assert process.stdin is not None
            with contextlib.suppress(BrokenPipeError):  # it died; its end says why
                process.stdin.write(json.dumps(job).encode())
                process.stdin.close()
            said.listen()
            code = process.wait(timeout=timeout_s)
        except subprocess.TimeoutExpired:
            raise JobError(
                f"It gave no sign of life for {timeout_s:g} s while {said.stage}, and was stopped."
            ) from None
        if said.error:
            raise JobError(said.error)
        if said.result is None:
            raise JobError(f"It {_how_it_ended(code)} while {said.stage}. {_tail(errors)}".strip())
        return said.result, watch.stop()


@contextlib.contextmanager
def _process(command: Sequence[str], errors: IO[bytes]) -> Iterator[subprocess.Popen[bytes]]:
    """A worker in a group of its own, so that all it started ends with it."""
    process = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=errors,
        start_new_session=True,
    )
    try:
        with process:
            try:
                yield process
            finally:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
    finally:
        process.wait()


class _Listener:
    """Reads what a worker says, line by line, and knows what it was doing last."""

    def __init__(
        self, process: subprocess.Popen[bytes], timeout_s: float, on_event: OnEvent
    ) -> None:
        assert process.stdout is not None
        self._pipe = process.stdout
        self._command, self._timeout_s, self._on_event = process.args, timeout_s, on_event
        self.stage = "starting"
        self.result: Result | None = None
        self.error = ""

    def listen(self) -> None:
        """Read to the end of the pipe.

        Raises:
            subprocess.TimeoutExpired: if nothing comes for too long.
        """
        rest = b""
        with selectors.DefaultSelector() as selector:
            selector.register(self._pipe, selectors.EVENT_READ)
            while True:
                if not selector.select(self._timeout_s):
                    raise subprocess.TimeoutExpired(self._command, self._timeout_s)
                chunk = os.read(self._pipe.fileno(), 1 << 16)
                if not chunk:
                    return
                *lines, rest = (rest + chunk).split(b"\n")
                for line in lines:
                    self._take(cast("Event", json.loads(line)))

    def _take(self, event: Event) -> None:
        if event["event"] == "stage":
            self.stage = event["name"]
        elif event["event"] == "result":
            self.result = event["result"]
        elif event["event"] == "error":
            self.error = event["message"]
        self._on_event(event)


def _how_it_ended(code: int) -> str:
    if code < 0:
        name = signal.Signals(-code).name
        hint = " (the system may have run out of memory)" if name == "SIGKILL" else ""
        return f"was ended by {name}{hint}"
    return f"ended with exit code {code}"


def _tail(errors: IO[bytes]) -> str:
    """The last line that a process wrote to standard error."""
    errors.seek(0)
    lines = errors.read().decode("utf-8", "replace").strip().splitlines()
    return f"Its last output: {lines[-1][-LAST_WORDS:]}" if lines else ""


class _Watch:
    """Compares the processors' time with that of our own processes."""

    def __init__(self) -> None:
        self._started = time.perf_counter()
        self._machine, self._own = _processor_times(), _own_time_s()

    def stop(self) -> Environment:
        wall_s = time.perf_counter() - self._started
        now = _processor_times()
        if self._machine is None or now is None or wall_s <= 0:
            return Environment(None, None, machine_state())
        busy_s, stolen_s = (
            after - before for after, before in zip(now, self._machine, strict=True)
        )
        others_s = busy_s - (_own_time_s() - self._own)
        return Environment(
            round(max(0.0, others_s) / wall_s, 3), round(stolen_s / wall_s, 3), machine_state()
        )


def _processor_times() -> tuple[float, float] | None:
    """Seconds that all cores worked, and that a hypervisor took, since the start of the machine.

    Source: Linux, proc(5), /proc/stat: user nice system idle iowait irq softirq steal.
    """
    try:
        first = Path("/proc/stat").read_text(encoding="ascii").splitlines()[0]
        user, nice, system, _, _, irq, softirq, stolen = map(int, first.split()[1:9])
    except (OSError, ValueError, IndexError):
        return None
    tick = os.sysconf("SC_CLK_TCK")
    return (user + nice + system + irq + softirq) / tick, stolen / tick


def _own_time_s() -> float:
    """Processor time of this process and of its children that ended."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system
