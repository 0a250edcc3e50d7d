"""Load and run damaged model files, each in a fork; prints what came of them as JSON.

python -m tests.support.try_mutants SEED NUMBER FOLDER
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import sys
from collections import Counter
from pathlib import Path

import numpy as np

from har_edge.errors import HarError
from har_edge.model.loaded import load_model
from har_edge.model.runtimes import available_backends
from tests.support.mutants import mutants

RUNS, REFUSED, NOT_FINITE, BARE = 0, 3, 4, 5
WORDS = {RUNS: "runs", REFUSED: "refused", NOT_FINITE: "not finite", BARE: "bare"}
LIMIT_S, LIMIT_BYTES = 10, 2 << 30
KEPT = 5  # of the files that crash, for a closer look


def main() -> None:
    seed, number, folder = int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])
    available_backends()  # imported before the forks, not in each
    found: Counter[str] = Counter()
    bare: list[str] = []
    crashed: list[str] = []
    for count, path in enumerate(mutants(seed, number, folder)):
        child = os.fork()
        if child == 0:
            _child(path, folder / "said")
        status = os.waitpid(child, 0)[1]
        if os.WIFSIGNALED(status):
            found["crashes"] += 1
            if len(crashed) < KEPT and path.suffix == ".tflite":
                kept = folder / f"crash-{count}.tflite"
                shutil.copy(path, kept)
                crashed.append(str(kept))
            continue
        code = os.WEXITSTATUS(status)
        found[WORDS.get(code, f"exit code {code}")] += 1
        if code not in (RUNS, REFUSED):
            bare.append(f"{count}: {(folder / 'said').read_text()}")
    sys.stdout.write(json.dumps({"found": found, "bare": bare, "crashed": crashed}))


def _child(path: Path, said: Path) -> None:
    code = BARE
    try:
        signal.alarm(LIMIT_S)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_DATA, (LIMIT_BYTES, LIMIT_BYTES))
        for stream in (1, 2):
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream)
        code = _load_and_run(path)
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
    pixels = np.random.default_rng(0).integers(0, 256, clip.frame_shape, np.uint8)
    features = model.encode(pixels)
    probabilities = model.classify(np.repeat(features[np.newaxis], clip.num_frames, axis=0))
    json.dumps([model.spec.to_json().encode().decode(), *probabilities.tolist()], allow_nan=False)
    finite = np.isfinite(features).all() and np.isfinite(probabilities).all()
    return RUNS if finite else NOT_FINITE


if __name__ == "__main__":
    main()
