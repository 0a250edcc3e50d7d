"""A model file's first run, in a process of its own: a runtime may crash or hang on its network.

Runtimes trust the networks that they are given. A damaged or hostile one ends the process that
loads it, without a word, or keeps it busy for good. So a file that did not come with this package
is loaded and run once in a child; what went well is remembered by checksum in the cache folder.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.metadata
import os
import resource
import subprocess
import sys
from pathlib import Path

import numpy as np

from har_edge.children import child_environment, end_with_parent, say_signal
from har_edge.errors import BackendError, HarError, OutputError
from har_edge.files import write_whole
from har_edge.model.file import (
    BUNDLED_FOLDER,
    ModelFile,
    model_parts,
    read_model_file,
    resolve_model,
)
from har_edge.model.loaded import load_model
from har_edge.model.runtimes import ONNX_RUNTIME, TFLITE_RUNTIMES
from har_edge.paths import cache_folder, display_path

# A Raspberry Pi Zero 2 needs a tenth of it for the largest bundled model.
LIMIT_S = 30.0
# Memory that the child may take beside this many times the file; ours take 150 MB in all.
LIMIT_BYTES, LIMIT_TIMES = 1 << 30, 16
REFUSED = 3  # the child's exit code for an error of ours, whose message it prints


def try_model(
    model: str | os.PathLike[str] | None, *, backend: str = "auto", limit_s: float = LIMIT_S
) -> None:
    """Load and run a model once in a child process, unless it is bundled or was tried before.

    Args:
        model, backend: As for `load_model`.
        limit_s: Time that the child may take.

    Raises:
        ModelFileError: if the file is missing, damaged or not one of ours.
        BackendError: if the runtime refuses it, crashes or hangs on it.
    """
    path = resolve_model(model)
    if path.resolve().parent in (BUNDLED_FOLDER, BUNDLED_FOLDER / "golden"):
        return
    file = read_model_file(path)
    mark = cache_folder() / "tried" / _checksum(file, backend)
    if mark.is_file():
        return
    _try(path, backend, limit_s)
    # Without a place to remember it in, the next start takes longer, and nothing else.
    with contextlib.suppress(OutputError):
        write_whole(mark, b"", private=True, parents=True, sync=False)


def _checksum(file: ModelFile, backend: str) -> str:
    """Name all that the outcome hangs on: the networks, the spec and the versions installed."""
    digest = hashlib.sha256()
    distributions = (
        (ONNX_RUNTIME,) if len(file.networks) == 2 else (d for _, d in TFLITE_RUNTIMES.values())
    )
    for name in ("har-edge", "numpy", *distributions):
        try:
            version = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            version = "-"
        digest.update(f"{name} {version}\n".encode())
    digest.update(f"{backend}\n{file.spec.to_json()}".encode())
    for network in file.networks:
        digest.update(hashlib.sha256(network).digest())
    return digest.hexdigest()


def _try(path: Path, backend: str, limit_s: float) -> None:
    shown = display_path(path)
    advice = "The file is damaged or made to do harm. Use another one."
    command = [sys.executable, "-m", "har_edge.model.trial", os.fspath(path), backend]
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            # Threads of numpy's would reserve memory of their own, which counts as taken.
            env={**child_environment(), "OPENBLAS_NUM_THREADS": "1"},
            timeout=limit_s,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise BackendError(
            f"{shown} should load and answer within {limit_s:g} s. It does not. {advice}"
        ) from None
    except OSError as error:
        raise BackendError(
            f"{shown} cannot be tried in a process of its own: {error.strerror}. Make room for one."
        ) from error
    if done.returncode < 0:
        raise BackendError(
            f"{shown} should load and answer. The runtime crashes on it "
            f"({say_signal(-done.returncode)}). {advice}"
        )
    said = (done.stdout if done.returncode == REFUSED else done.stderr).decode(errors="replace")
    if done.returncode == REFUSED:
        raise BackendError(said.strip())
    if done.returncode:
        last = said.strip().rsplit("\n", 1)[-1] or f"exit code {done.returncode}"
        raise BackendError(f"{shown} should load and answer. Received: {last}. {advice}")


def main() -> None:
    """Load a file and run it once on zeros; the child's part."""
    end_with_parent()
    path, backend = sys.argv[1:]
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    file_bytes = sum(part.stat().st_size for part in model_parts(Path(path)))
    limit = LIMIT_BYTES + LIMIT_TIMES * file_bytes
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    # If it takes all memory, this process shall be the one that is ended.
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000", "ascii")
    # Runtimes print to where the answer goes.
    answer = os.dup(1)
    os.dup2(2, 1)
    try:
        model = load_model(path, backend=backend)
        clip = model.spec.clip
        features = model.encode(np.zeros(clip.frame_shape, np.uint8))
        model.classify(np.repeat(features[np.newaxis], clip.num_frames, axis=0))
    except HarError as error:
        with os.fdopen(answer, "wb") as stream:
            stream.write(str(error).encode(errors="backslashreplace"))
        os._exit(REFUSED)
    except MemoryError:
        sys.exit(f"it takes more than {limit >> 20} MB of memory")
    # Not by the interpreter's own end, in which native libraries wait for their threads.
    os._exit(0)


if __name__ == "__main__":
    main()
