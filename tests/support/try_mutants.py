"""Load and run damaged files, each in a fork; prints what came of them as JSON.

python -m tests.support.try_mutants models|audits|taught SEED NUMBER FOLDER
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from har_edge.errors import HarError
from har_edge.model.loaded import load_model
from har_edge.model.runtimes import available_backends
from har_edge.model.trial import LIMIT_BYTES
from tests.support.mutants import GOLDEN, mutants
from tests.support.taught_mutants import taught_mutants

RUNS, REFUSED, NOT_FINITE, BARE = 0, 3, 4, 5
WORDS = {RUNS: "runs", REFUSED: "refused", NOT_FINITE: "not finite", BARE: "bare"}
# Time on a core, and on the clock: others may keep the cores.
LIMIT_S, CLOCK_LIMIT_S = 10, 120
# Does with a file what a user does: RUNS, or NOT_FINITE.
Work = Callable[[Path], int]
KEPT = 5  # of the files that crash, for a closer look


def main() -> None:
    kind, seed, number, folder = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4])
    files, work = WORK[kind](seed, number, folder)
    found: Counter[str] = Counter()
    bare: list[str] = []
    crashed: list[str] = []
    for count, path in enumerate(files):
        child = os.fork()
        if child == 0:
            _child(path, folder / "said", work)
        status = os.waitpid(child, 0)[1]
        if os.WIFSIGNALED(status):
            hangs = os.WTERMSIG(status) in (signal.SIGPROF, signal.SIGALRM)
            found["hangs" if hangs else "crashes"] += 1
            if len(crashed) < KEPT and path.suffix == ".tflite":
                kept = folder / f"crash-{count}.tflite"
                shutil.copy(path, kept)
                crashed.append(str(kept))
            continue
        code = os.WEXITSTATUS(status)
        found[WORDS.get(code, f"exit code {code}")] += 1
        if code not in (RUNS, REFUSED):
            bare.append(f"{count}: {(folder / 'said').read_text()}")
    peak_mb = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    result = {"found": found, "bare": bare, "crashed": crashed, "peak_mb": round(peak_mb)}
    sys.stdout.write(json.dumps(result))


def _models(seed: int, number: int, folder: Path) -> tuple[Iterator[Path], Work]:
    available_backends()  # imported before the forks, not in each
    return mutants(seed, number, folder), _load_and_run


def _audits(seed: int, number: int, folder: Path) -> tuple[Iterator[Path], Work]:
    from har_convert.auditing.apart import take_apart

    available_backends()

    def look(path: Path) -> int:
        json.loads(take_apart(path), parse_constant=_refuse_constant)
        return RUNS

    return mutants(seed, number, folder), look


def _taught(seed: int, number: int, folder: Path) -> tuple[Iterator[Path], Work]:
    from har_edge.recognition.taught import TaughtModel
    from har_edge.recognition.taught_file import read_taught

    model = load_model(GOLDEN / "tiny-float32.tflite")
    clip = model.spec.clip
    pixels = np.random.default_rng(0).integers(0, 256, clip.frame_shape, np.uint8)
    window = np.repeat(model.encode(pixels)[np.newaxis], clip.num_frames, axis=0)

    def classify(path: Path) -> int:
        taught = read_taught(model, path)
        if not taught.names:
            return RUNS
        probabilities = TaughtModel(model, taught).classify(window)
        json.dumps([*taught.names, *probabilities.tolist()], allow_nan=False).encode()
        return RUNS if np.isfinite(probabilities).all() else NOT_FINITE

    return taught_mutants(seed, number, model, folder / "taught.npz"), classify


WORK: dict[str, Callable[[int, int, Path], tuple[Iterator[Path], Work]]] = {
    "models": _models,
    "audits": _audits,
    "taught": _taught,
}


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} in JSON")


def _child(path: Path, said: Path, work: Work) -> None:
    code = BARE
    try:
        signal.setitimer(signal.ITIMER_PROF, LIMIT_S)
        signal.alarm(CLOCK_LIMIT_S)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_DATA, (LIMIT_BYTES, LIMIT_BYTES))
        for stream in (1, 2):
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream)
        code = work(path)
    except HarError:
        code = REFUSED
    except MemoryError:  # the child of `har_edge.model.trial` says so in its message
        code = REFUSED
    except BaseException as error:
        said.write_text(f"{type(error).__name__}: {error}", "utf-8", "backslashreplace")
    finally:
        os._exit(code)


def _load_and_run(path: Path) -> int:
    model = load_model(path)
    clip = model.spec.clip
    random = np.random.default_rng(0)
    if model.spec.encodes:
        features = model.encode(random.integers(0, 256, clip.frame_shape, np.uint8))
    else:
        features = random.random(model.spec.row_size, np.float32)
    probabilities = model.classify(np.repeat(features[np.newaxis], clip.num_frames, axis=0))
    json.dumps([model.spec.to_json().encode().decode(), *probabilities.tolist()], allow_nan=False)
    finite = np.isfinite(features).all() and np.isfinite(probabilities).all()
    return RUNS if finite else NOT_FINITE


if __name__ == "__main__":
    main()
