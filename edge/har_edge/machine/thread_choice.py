"""How many threads suit a model on this machine: measured once, then remembered.

More threads are not always faster: small networks, busy machines and boards that throttle end
up slower with all cores. The choice is the fewest threads whose median is within 5 % of the
best, since each one takes a core from decoding and adds heat.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np

from har_edge.counted import counted
from har_edge.errors import OutputError
from har_edge.files import write_whole
from har_edge.machine.facts import machine_facts
from har_edge.model.file import ModelFile, read_model_file, resolve_model
from har_edge.model.loaded import load_networks
from har_edge.model.runtimes import Backend
from har_edge.model.tensors import Array
from har_edge.paths import cache_folder

CACHE_NAME = "threads.json"
# Wall-clock time for all measured calls; loading comes on top.
BUDGET_S = 1.0
MIN_ROUNDS, MAX_ROUNDS = 3, 100
# Load average a core above which a measurement says more of other programs than of the model.
BUSY_LOAD = 0.5
GOOD_ENOUGH = 1.05
# Beyond eight, gains on networks of this size are unknown and loading costs memory.
MAX_THREADS = 8


@dataclass(frozen=True)
class ThreadChoice:
    """A number of threads and why.

    Attributes:
        num_threads: The choice.
        median_ms: Number of threads, as text, to the median time of a frame's network.
        measured: Whether it was measured now; else it was remembered.
        busy: Whether other programs kept the machine busy meanwhile; then it is not remembered.
    """

    num_threads: int
    median_ms: dict[str, float]
    measured: bool
    busy: bool = False

    def format(self) -> str:
        """Say in a line what was chosen and why."""
        times = ", ".join(f"{n}: {ms:.1f} ms" for n, ms in self.median_ms.items())
        how = "measured now" if self.measured else "measured before"
        how += ", on a busy machine, so not remembered" if self.busy else ""
        return f"{counted(self.num_threads, 'thread')} ({how}; a frame by threads: {times})"


def choose_num_threads(
    model: str | os.PathLike[str] | None = None,
    *,
    backend: str = "auto",
    cache: Path | None = None,
    again: bool = False,
) -> ThreadChoice:
    """Find the number of threads for a model, from the cache if it was measured before.

    Args:
        model: As for `load_model`.
        backend: As for `load_model`.
        cache: File to remember the choice in; default `threads.json` in the cache folder. One
            that is damaged counts as empty, one that cannot be written is left.
        again: Measure even if the cache has it.

    Raises:
        ModelFileError: if the model is missing, damaged or not one of ours.
        BackendError: if no runtime is there or it refuses the model.
    """
    path = cache_folder() / CACHE_NAME if cache is None else cache
    file = read_model_file(resolve_model(model))
    first = load_networks(file, backend=backend, num_threads=1)
    key = _key(file, first)
    known = _load(path)
    if not again and key in known:
        return known[key]
    cores = len(os.sched_getaffinity(0))
    busy = os.getloadavg()[0] > BUSY_LOAD * cores
    counts = range(1, min(MAX_THREADS, cores) + 1)
    backends = {
        n: first if n == 1 else load_networks(file, backend=backend, num_threads=n) for n in counts
    }
    median_ms = measure(backends, file)
    by_number = {str(n): ms for n, ms in median_ms.items()}
    choice = ThreadChoice(fewest_good(median_ms), by_number, measured=True, busy=busy)
    if not busy:
        _save(path, {**known, key: choice})
    return choice


def measure(backends: Mapping[int, Backend], file: ModelFile) -> dict[int, float]:
    """Time `encode`, or `classify` of a model without it, in all backends.

    They take turns, so that a slow moment hits all alike.

    Args:
        backends: Number of threads to a backend that holds the model of `file`.
        file: Says what it takes.

    Returns:
        Number of threads to median in ms, to 1 µs.
    """
    spec, random = file.spec, np.random.default_rng(0)
    if spec.encodes:
        given: Array = random.integers(0, 256, (1, *spec.clip.frame_shape), np.uint8)
    else:
        given = random.random((1, spec.clip.num_frames, spec.row_size), np.float32)
    samples: dict[int, list[float]] = {n: [] for n in backends}
    deadline_s = time.perf_counter() + BUDGET_S
    for round_ in range(MAX_ROUNDS):
        for n, loaded in backends.items():
            # The first call finds cold caches, and threads of the one before that still spin.
            call = loaded.encode if spec.encodes else loaded.classify
            call(given)
            started = time.perf_counter()
            call(given)
            samples[n].append((time.perf_counter() - started) * 1e3)
        if round_ + 1 >= MIN_ROUNDS and time.perf_counter() > deadline_s:
            break
    return {n: round(median(times), 3) for n, times in samples.items()}


def fewest_good(median_ms: dict[int, float]) -> int:
    """The smallest number of threads whose median is within 5 % of the best."""
    limit = min(median_ms.values()) * GOOD_ENOUGH
    return min(n for n, ms in median_ms.items() if ms <= limit)


def _key(file: ModelFile, backend: Backend) -> str:
    facts = machine_facts()
    machine = f"{facts['board'] or facts['cpu']}, {facts['cores_usable']} cores"
    model = f"{file.spec.name} {file.spec.model_sha256[:16]}"
    return f"{machine}; {backend.name} {backend.version}; {model}"


def _load(path: Path) -> dict[str, ThreadChoice]:
    """Read all choices that are whole; what is not is measured again."""
    try:
        entries = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    known = {}
    for key, entry in entries.items() if isinstance(entries, dict) else ():
        with contextlib.suppress(TypeError, ValueError, KeyError, AttributeError):
            median_ms = {str(int(n)): float(ms) for n, ms in entry["median_ms"].items()}
            number = int(entry["num_threads"])
            if str(number) in median_ms:
                known[key] = ThreadChoice(number, median_ms, measured=False)
    return known


def _save(path: Path, choices: dict[str, ThreadChoice]) -> None:
    entries = {
        key: {"num_threads": choice.num_threads, "median_ms": choice.median_ms}
        for key, choice in choices.items()
    }
    # A cache that cannot be written costs a second at the next start, and nothing else.
    with contextlib.suppress(OutputError):
        text = json.dumps(entries, indent=2) + "\n"
        write_whole(path, text, private=True, parents=True, sync=False)
