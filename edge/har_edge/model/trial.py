"""A model file's first run, in a process of its own: a runtime may crash or hang on its network.

Runtimes trust the networks that they are given. A damaged or hostile one ends the process that
loads it, without a word, or keeps it busy for good. So a file that did not come with this package
is loaded and run once in a child; what went well is remembered by checksum in the cache folder.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from har_edge.children import answer_parent, ask_child
from har_edge.errors import BackendError, OutputError
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
    if not _is_bundled(path):
        try_file(read_model_file(path), backend=backend, limit_s=limit_s)


def try_file(file: ModelFile, *, backend: str = "auto", limit_s: float = LIMIT_S) -> None:
    """Do what `try_model` does, with a file that was read."""
    if _is_bundled(file.path):
        return
    checksum = _checksum(file, backend)
    try_once(__name__, [os.fspath(file.path), backend], checksum, file.path, limit_s=limit_s)


def _is_bundled(path: Path) -> bool:
    return path.resolve().parent in (BUNDLED_FOLDER, BUNDLED_FOLDER / "golden")


def try_once(
    module: str,
    arguments: Sequence[str],
    checksum: str,
    path: Path,
    *,
    limit_s: float = LIMIT_S,
) -> None:
    """Have a child try a file, unless it did before with the same outcome.

    Args:
        module: Its main function calls `answer_parent`.
        arguments: Of its command line.
        checksum: Names all that the outcome hangs on.
        path: The file, for messages.
        limit_s: Time that the child may take.

    Raises:
        BackendError: if the child refuses the file, crashes or hangs on it.
    """
    mark = cache_folder() / "tried" / checksum
    if mark.is_file():
        return
    ask_child(module, arguments, BackendError, shown=display_path(path), limit_s=limit_s)
    # Without a place to remember it in, the next start takes longer, and nothing else.
    with contextlib.suppress(OutputError):
        write_whole(mark, b"", private=True, parents=True, sync=False)


def _checksum(file: ModelFile, backend: str) -> str:
    """Name all that the outcome hangs on: the networks, the spec and the versions installed."""
    runtimes = [ONNX_RUNTIME] if file.is_onnx else [d for _, d in TFLITE_RUNTIMES.values()]
    return outcome_of(f"{backend}\n{file.spec.to_json()}", file.networks, runtimes)


def outcome_of(settings: str, networks: Sequence[bytes], runtimes: Sequence[str]) -> str:
    """Name what a trial's outcome hangs on.

    Args:
        settings: How the networks are run.
        networks: Their bytes.
        runtimes: Packages, any of which may run them.
    """
    import importlib.metadata  # takes time to load, and bundled files are not tried

    digest = hashlib.sha256()
    for name in ("har-edge", "numpy", *runtimes):
        try:
            version = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            version = "-"
        digest.update(f"{name} {version}\n".encode())
    digest.update(settings.encode())
    for network in networks:
        digest.update(hashlib.sha256(network).digest())
    return digest.hexdigest()


def main() -> None:
    """Load a file and run it once on zeros; the child's part."""
    path, backend = sys.argv[1:]
    parts = [part for part in model_parts(Path(path)) if part.is_file()]
    file_bytes = sum(part.stat().st_size for part in parts)
    answer_parent(lambda: _run_once(path, backend), LIMIT_BYTES + LIMIT_TIMES * file_bytes)


def _run_once(path: str, backend: str) -> bytes:
    model = load_model(path, backend=backend)
    clip = model.spec.clip
    row = np.zeros(model.spec.row_size, np.float32)
    if model.spec.encodes:
        row = np.resize(model.encode(np.zeros(clip.frame_shape, np.uint8)), row.shape)
    model.classify(np.repeat(row[np.newaxis], clip.num_frames, axis=0))
    return b""


if __name__ == "__main__":
    main()
