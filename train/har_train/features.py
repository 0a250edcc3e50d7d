"""Backbone features of whole datasets: each frame is encoded once, ever.

The cache holds one small file a sample, keyed by the file's content, the preprocessing and
the encoder's weights: renaming files, changing splits or training another head costs
nothing, and any other change makes new entries.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from har_edge.clips import load_frames
from har_edge.errors import OutputError, SourceError
from har_edge.preprocess import Pixels, display_path
from har_edge.spec import ClipSpec
from har_train.data import Sample
from har_train.model import weights_digest

BATCH_FRAMES = 32
# Decoded clips that may wait for the encoder; bounds memory, whatever the dataset's size.
LOOK_AHEAD = 16


@dataclass(frozen=True)
class EncodedSample:
    """A sample with the features of all its frames, (N, D) float32, and its content's hash."""

    sample: Sample
    features: NDArray[np.float32]
    sha256: str


def default_cache() -> Path:
    """Folder of the feature cache: HAR_CACHE_DIR, else XDG_CACHE_HOME, else ~/.cache."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(os.environ.get("HAR_CACHE_DIR") or Path(base) / "har-edge") / "features"


def encode_dataset(
    samples: Sequence[Sample],
    encoder: Any,
    clip: ClipSpec,
    *,
    cache: Path,
    progress: Callable[[int], object] = lambda done: None,
    skipped: Callable[[str], object] = lambda message: None,
) -> list[EncodedSample]:
    """Encode all samples, from the cache where it has them.

    Args:
        samples: What to encode.
        encoder: Keras model, (N, H, W, 3) -> (N, D).
        clip: Preprocessing.
        cache: Folder of the cache.
        progress: Called with 1 for every sample that is done.
        skipped: Called with a message for every file that cannot be decoded.

    Returns:
        The samples that could be decoded, in the order given.
    """
    folder = cache / _cache_key(encoder, clip)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"The feature cache {display_path(folder)} cannot be made: {error.strerror}. "
            "Give another --cache."
        ) from error
    results: dict[int, EncodedSample] = {}
    waiting: list[tuple[int, str, Pixels]] = []

    def encode_waiting() -> None:
        if not waiting:
            return
        features = _encode(encoder, np.concatenate([frames for *_, frames in waiting]))
        ends = np.cumsum([len(frames) for *_, frames in waiting])[:-1]
        for (i, digest, _), part in zip(waiting, np.split(features, ends), strict=True):
            _save(folder / f"{digest}.npy", part)
            results[i] = EncodedSample(samples[i], part, digest)
        waiting.clear()

    with ThreadPoolExecutor(max_workers=os.cpu_count() or 1) as pool:
        for i, loading in enumerate(_ahead(pool, samples, folder, clip)):
            progress(1)
            try:
                digest, features, frames = loading.result()
            except SourceError as error:
                skipped(str(error))
                continue
            if features is not None:
                results[i] = EncodedSample(samples[i], features, digest)
            elif frames is not None:
                waiting.append((i, digest, frames))
                # Stills fill a batch together; a clip is one or more batches by itself.
                if sum(len(frames) for *_, frames in waiting) >= BATCH_FRAMES:
                    encode_waiting()
    encode_waiting()
    return [results[i] for i in sorted(results)]


Loaded = tuple[str, "NDArray[np.float32] | None", "Pixels | None"]


def _ahead(
    pool: ThreadPoolExecutor, samples: Sequence[Sample], folder: Path, clip: ClipSpec
) -> Iterator[Future[Loaded]]:
    """Load samples in order on other threads, a few ahead of the encoder."""
    jobs = (pool.submit(_load, sample.path, folder, clip) for sample in samples)
    pending = deque(itertools.islice(jobs, LOOK_AHEAD))
    while pending:
        yield pending.popleft()
        pending.extend(itertools.islice(jobs, 1))


def _load(path: Path, folder: Path, clip: ClipSpec) -> Loaded:
    """Give a sample's hash with its cached features, or else with its frames."""
    try:
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise SourceError(f"{path} cannot be read: {error.strerror}.") from error
    try:
        features: NDArray[np.float32] = np.load(folder / f"{digest}.npy", allow_pickle=False)
        return digest, features, None
    except (OSError, ValueError, EOFError):  # not there yet, or cut short: made again
        return digest, None, load_frames(path, clip)


def _encode(encoder: Any, frames: Pixels) -> NDArray[np.float32]:
    """Encode frames, (N, H, W, 3) uint8, in batches: (N, D) float32."""
    batches = range(0, len(frames), BATCH_FRAMES)
    parts = [
        encoder.predict_on_batch(frames[i : i + BATCH_FRAMES].astype(np.float32)) for i in batches
    ]
    return np.concatenate([np.asarray(part, dtype=np.float32) for part in parts])


def _save(path: Path, features: NDArray[np.float32]) -> None:
    """Write a cache entry so that no reader ever sees half of it."""
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
    with partial.open("wb") as file:
        np.save(file, features)
    partial.replace(path)


def _cache_key(encoder: Any, clip: ClipSpec) -> str:
    preprocessing = {k: v for k, v in asdict(clip).items() if k != "num_frames"}
    text = json.dumps([preprocessing, weights_digest(encoder)], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:24]
