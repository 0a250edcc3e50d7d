"""Encoding a large archive in many processes: on this machine, or on a Ray cluster.

Samples are handed out in chunks. A worker needs nothing but paths: the encoder lies in a file in
the cache, the samples are read from where they are, and what a worker has encoded lies in the
cache under the name that this process would have given it. Processes and Ray differ in the
executor alone. The features are those that one process computes, but for rounding (some 1e-6 of
their size): the frames that share a batch are others.
"""

from __future__ import annotations

import contextlib
import functools
import multiprocessing
import os
import platform
import signal
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, Future, ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Protocol, TypeVar

from har_edge.arrays import FloatArray
from har_edge.datasets import Sample
from har_edge.errors import DataError, OutputError
from har_edge.paths import display_path
from har_train.features.cache import (
    BATCH_FRAMES,
    CachedSample,
    Fill,
    Target,
    cache_not_written,
    fill_folder,
)
from har_train.model.network import import_keras
from har_train.model.types import KerasModel
from har_train.watch import Say, Tick, uncounted

T = TypeVar("T")
# Clips handed out at once: few, so that progress is seen and the last worker ends soon.
CLIPS_AT_ONCE = 4


class Executor(Protocol):
    """What runs functions elsewhere."""

    def submit(self, function: Callable[..., T], /, *arguments: object) -> Future[T]:
        """Run a function elsewhere; `BrokenExecutor` says that whatever ran it is gone."""


@contextlib.contextmanager
def open_processes(count: int, say: Say) -> Iterator[Fill]:
    """Start worker processes on this machine; they end with the block, whatever ends it.

    Args:
        count: Processes, which share the cores.
        say: Takes a line for the user.
    """
    context = multiprocessing.get_context("spawn")  # TensorFlow does not survive a fork
    theirs, ours = context.Pipe(duplex=False)
    executor = ProcessPoolExecutor(count, context, _end_with, (theirs,))
    try:
        yield Workers(executor, count, max(1, (os.cpu_count() or 1) // count), say).fill
        executor.shutdown()
    finally:
        ours.close()
        executor.shutdown(cancel_futures=True)
        theirs.close()


def _end_with(starter: Connection) -> None:
    """End this worker as soon as the process that started it closes its pipe, or is gone."""

    def watch() -> None:
        with contextlib.suppress(EOFError):
            starter.recv()  # nothing is ever sent
        os._exit(1)

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that started us
    threading.Thread(target=watch, daemon=True).start()


@dataclass(frozen=True)
class Workers:
    """Processes that encode; its `fill` takes the place of `har_train.features.cache.fill_folder`.

    Attributes:
        executor: Runs the chunks.
        count: Processes.
        threads: Of each of them.
        say: Takes a line for the user.
        nodes: Names of the machines, or Ray nodes, that have encoded something.
    """

    executor: Executor
    count: int
    threads: int
    say: Say
    nodes: set[str] = field(default_factory=set)

    def fill(
        self,
        samples: Sequence[Sample],
        encoder: KerasModel | None,
        target: Target,
        *,
        progress: Tick,
        skipped: Say,
    ) -> list[CachedSample]:
        """Encode samples; this process does what is left over when workers were killed.

        Args:
            samples, encoder, target, progress, skipped: As in `fill_folder`.

        Raises:
            DataError: if a worker cannot see the data or the cache.
            OutputError: if the cache cannot be written.
        """
        chunks = _cut(samples, self.count)
        found: dict[int, list[CachedSample]] = {}
        with _handed_over(encoder, target.folder) as handed:
            job = _Job(replace(target, folder=target.folder.absolute()), handed.absolute(),
                       encoder is not None, self.threads, Path.cwd())  # fmt: skip
            for i, done in self._run(job, chunks):
                found[i] = done.encoded
                for message in done.skipped:
                    skipped(message)
                progress(len(chunks[i]))
        left = [i for i in range(len(chunks)) if i not in found]
        if left:
            self.say(
                "A worker process was killed, perhaps for want of memory. Its samples are encoded "
                "without it. Fewer workers need less memory."
            )
        for i in left:
            found[i] = fill_folder(chunks[i], encoder, target, progress=progress, skipped=skipped)
        return [item for i in range(len(chunks)) for item in found[i]]

    def _run(self, job: _Job, chunks: Sequence[Sequence[Sample]]) -> Iterator[tuple[int, _Done]]:
        """Run chunks as workers are free; leave out those whose worker was killed."""
        numbers: dict[Future[_Done], int] = {}
        with contextlib.suppress(BrokenExecutor):
            for i, chunk in enumerate(chunks):
                numbers[self.executor.submit(_work, job, chunk)] = i
        for future in as_completed(numbers):
            try:
                done = future.result()
            except BrokenExecutor:
                continue
            self.nodes.add(done.node)
            if done.failure:
                raise OutputError(done.failure)
            # A file that is gone for everybody is skipped like any unreadable one.
            unseen = [path for path in done.unseen if path.exists()]
            if unseen:
                raise DataError(
                    f"{display_path(unseen[0])} should be seen by every worker. Node {done.node} "
                    "does not see it. Put the data and --cache where all nodes share a path."
                )
            yield numbers[future], done


@dataclass(frozen=True)
class _Job:
    """What all chunks of a call share.

    Attributes:
        target: Where encodings go and how they are made.
        handed: Folder with the encoder.
        has_encoder: False where the frames themselves are kept.
        threads: Of a worker.
        base: Folder that relative paths start from.
    """

    target: Target
    handed: Path
    has_encoder: bool
    threads: int
    base: Path


@dataclass(frozen=True)
class _Done:
    """What became of a chunk.

    Attributes:
        node: Name of the machine or Ray node.
        encoded: The samples that could be decoded.
        skipped: Messages on the others.
        unseen: Files that cannot be seen there.
        failure: Why the cache could not be written there, or "".
    """

    node: str
    encoded: list[CachedSample] = field(default_factory=list)
    skipped: Sequence[str] = ()
    unseen: Sequence[Path] = ()
    failure: str = ""


def _cut(samples: Sequence[Sample], workers: int) -> list[Sequence[Sample]]:
    """Cut samples into chunks; those of stills fill batches."""
    most = BATCH_FRAMES if all(s.is_still for s in samples) else CLIPS_AT_ONCE
    size = max(1, min(most, -(-len(samples) // workers)))
    return [samples[i : i + size] for i in range(0, len(samples), size)]


@contextlib.contextmanager
def _handed_over(encoder: KerasModel | None, folder: Path) -> Iterator[Path]:
    """Save the encoder where workers see it: in the cache, for as long as the block lasts."""
    try:
        with tempfile.TemporaryDirectory(prefix="workers-", dir=folder) as handed:
            if encoder is not None:
                encoder.save(Path(handed) / "encoder.keras")
            yield Path(handed)
    except OSError as error:
        raise cache_not_written(folder, error) from error


def _work(job: _Job, samples: Sequence[Sample]) -> _Done:
    """Encode a chunk: this runs in the worker."""
    node, whole = _node(), {replace(s, path=job.base / s.path): s for s in samples}
    unseen = [path for path in (job.handed, *(s.path for s in whole)) if not path.exists()]
    if job.handed in unseen:
        return _Done(node, unseen=unseen)
    # Before TensorFlow is first used, which is when it reads them.
    for name in ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS"):
        os.environ[name] = str(job.threads)
    messages: list[str] = []
    try:
        encoded = fill_folder(
            list(whole),
            _HandedEncoder(job.handed / "encoder.keras") if job.has_encoder else None,
            job.target,
            progress=uncounted,
            skipped=messages.append,
            threads=job.threads,
        )
    except OutputError as error:
        return _Done(node, failure=str(error))
    return _Done(node, [replace(c, sample=whole[c.sample]) for c in encoded], messages, unseen)


def _node() -> str:
    """Name the machine, or the Ray node: a machine may have several of them."""
    ray = sys.modules.get("ray")
    if ray is None or not ray.is_initialized():
        return platform.node()
    return f"{platform.node()} ({ray.get_runtime_context().get_node_id()})"


class _HandedEncoder:
    """The encoder in a file, which is loaded when there is something to encode."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def predict_on_batch(self, x: FloatArray) -> FloatArray:
        return _load(self._path).predict_on_batch(x)


@functools.lru_cache(maxsize=1)
def _load(path: Path) -> KerasModel:
    model: KerasModel = import_keras().models.load_model(path, compile=False)
    return model
