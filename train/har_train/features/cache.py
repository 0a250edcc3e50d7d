"""Backbone features of whole datasets: each frame is encoded once, ever.

The cache holds one small file a sample, keyed by the file's content, the span, the
preprocessing, the view and the encoder's weights: renaming files, changing splits or training
another head costs nothing, and any other change makes new entries.
"""

from __future__ import annotations

import hashlib
import io
import itertools
import json
import os
import re
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from har_edge.arrays import Pixels
from har_edge.datasets import Sample
from har_edge.errors import OutputError, SourceError
from har_edge.files import make_folder, open_whole
from har_edge.model.spec import ClipSpec
from har_edge.paths import cache_folder, display_path
from har_edge.sources.clips import load_frames
from har_train.dataset.stills import load_still_as_clip
from har_train.features.augment import Augmentation, Augmenter, path_draws
from har_train.model.network import weights_digest
from har_train.model.types import Array, KerasModel, Predicts
from har_train.watch import Say, Tick, silent, uncounted

BATCH_FRAMES = 32
# Decoded clips that may wait for the encoder; bounds memory, whatever the dataset's size.
LOOK_AHEAD = 16
# Of a .npy file of version 1.0, as np.save writes it for arrays like ours.
NPY_HEADER = re.compile(
    rb"\x93NUMPY\x01\x00(?P<length>..)\{'descr': '(?P<dtype>[^']+)', "
    rb"'fortran_order': False, 'shape': \((?P<shape>[\d, ]+)\)",
    re.DOTALL,
)


@dataclass(frozen=True)
class View:
    """How samples are seen: as they are, or augmented.

    Attributes:
        number: 0 for the samples as they are, from 1 for augmented ones.
        augmentation: What happens to views from 1.
        path_frames: Frames of the crop path that a still becomes; 0 leaves it one frame.
    """

    number: int = 0
    augmentation: Augmentation = field(default_factory=Augmentation)
    path_frames: int = 0

    def settings(self, *, still: bool) -> dict[str, object]:
        """Everything that this view does to a sample; empty if nothing."""
        found: dict[str, object] = {}
        if self.number:
            found = {"view": self.number, **asdict(self.augmentation)}
        if still and self.path_frames:
            seed = self.augmentation.seed
            found |= {"view": self.number, "path_frames": self.path_frames, "seed": seed}
        return found


@dataclass(frozen=True)
class Rendering:
    """What is encoded of a sample, and how it is kept.

    Attributes:
        clip: Preprocessing.
        view: How the sample is seen.
        half: Whether entries are float16 instead of float32.
    """

    clip: ClipSpec
    view: View = View()
    half: bool = False


@dataclass(frozen=True)
class CachedSample:
    """A sample whose encoding lies in the cache.

    Attributes:
        sample: The sample.
        sha256: Hash of its file's content, with the span where it has one.
        path: Cache entry, (N, ...).
        count: Frames in it, N.
    """

    sample: Sample
    sha256: str
    path: Path
    count: int

    def load(self) -> Array:
        """Map the entry, (N, ...); nothing is read before it is asked for."""
        return _map_entry(self.path)


@dataclass(frozen=True)
class EncodedSample:
    """A sample with the features of all its frames, (N, D) float32, and its content's hash."""

    sample: Sample
    features: NDArray[np.float32]
    sha256: str


class Fill(Protocol):
    """Whatever brings samples into one folder of the cache: see `fill_folder`."""

    def __call__(
        self,
        samples: Sequence[Sample],
        encoder: KerasModel | None,
        target: Target,
        *,
        progress: Tick,
        skipped: Say,
    ) -> list[CachedSample]: ...


@dataclass(frozen=True)
class Target:
    """Where encodings go and how they are made: all but the encoder.

    Attributes:
        folder: Of the cache, named by the encoder's weights and the preprocessing.
        rendering: What is encoded.
    """

    folder: Path
    rendering: Rendering


def default_cache() -> Path:
    """Folder of the feature cache, see `har_edge.paths.cache_folder`."""
    return cache_folder() / "features"


def encode_dataset(
    samples: Sequence[Sample],
    encoder: KerasModel,
    rendering: Rendering,
    *,
    cache: Path,
    progress: Tick = uncounted,
    skipped: Say = silent,
    fill: Fill | None = None,
) -> list[EncodedSample]:
    """Encode all samples into memory, from the cache where it has them.

    Args:
        samples: What to encode.
        encoder: Keras model, (N, H, W, 3) -> (N, D).
        rendering: What is encoded of them.
        cache: Folder of the cache.
        progress: Called with 1 for every sample that is done.
        skipped: Called with a message for every file that cannot be decoded.
        fill: What does the work: `fill_folder`, or worker processes (`har_train.features.workers`).

    Returns:
        The samples that could be decoded, in the order given.

    Raises:
        OutputError: if the cache cannot be written.
    """
    cached = cache_dataset(
        samples, encoder, rendering, cache=cache, progress=progress, skipped=skipped, fill=fill
    )
    return [EncodedSample(c.sample, np.load(c.path, allow_pickle=False), c.sha256) for c in cached]


def cache_dataset(
    samples: Sequence[Sample],
    encoder: KerasModel | None,
    rendering: Rendering,
    *,
    cache: Path,
    progress: Tick = uncounted,
    skipped: Say = silent,
    fill: Fill | None = None,
) -> list[CachedSample]:
    """Encode all samples into the cache; memory does not grow with their number.

    Args:
        samples, encoder, rendering, cache, progress, skipped, fill: As in `encode_dataset`, but
            the encoder may give maps, (N, h, w, d), or be None: then the frames themselves are
            kept.

    Returns:
        The samples that could be decoded, in the order given.

    Raises:
        OutputError: if the cache cannot be written.
    """
    target = Target(cache / _cache_key(encoder, rendering), rendering)
    try:
        make_folder(target.folder, private=True)
    except OSError as error:
        raise cache_not_written(target.folder, error) from error
    return (fill or fill_folder)(samples, encoder, target, progress=progress, skipped=skipped)


def fill_folder(
    samples: Sequence[Sample],
    encoder: Predicts | None,
    target: Target,
    *,
    progress: Tick,
    skipped: Say,
    threads: int = 0,
) -> list[CachedSample]:
    """Encode samples in this process, while other threads decode ahead.

    Args:
        samples, encoder, progress, skipped: As in `cache_dataset`.
        target: Where and how; the folder exists.
        threads: That decode; 0 for as many as there are cores.

    Raises:
        OutputError: if the folder cannot be written.
    """
    rendering = target.rendering
    store = _Store(target.folder, rendering)
    results: dict[int, CachedSample] = {}
    waiting: list[tuple[int, Entry, Pixels]] = []

    def encode_waiting() -> None:
        if not waiting:
            return
        encoded = _encode(encoder, np.concatenate([frames for *_, frames in waiting]))
        ends = np.cumsum([len(frames) for *_, frames in waiting])[:-1]
        for (i, entry, _), part in zip(waiting, np.split(encoded, ends), strict=True):
            store.save(entry.path, part.astype(np.float16) if rendering.half else part)
            results[i] = CachedSample(samples[i], entry.digest, entry.path, len(part))
        waiting.clear()

    with ThreadPoolExecutor(max_workers=threads or os.cpu_count() or 1) as pool:
        for i, loading in enumerate(_ahead(pool, samples, store)):
            progress(1)
            try:
                entry, frames = loading.result()
            except SourceError as error:
                skipped(str(error))
                continue
            if frames is None:
                results[i] = CachedSample(samples[i], entry.digest, entry.path, entry.count)
                continue
            waiting.append((i, entry, store.draw(frames, entry.digest)))
            # Stills fill a batch together; a clip is one or more batches by itself.
            if sum(len(frames) for *_, frames in waiting) >= BATCH_FRAMES:
                encode_waiting()
    encode_waiting()
    return [results[i] for i in sorted(results)]


@dataclass(frozen=True)
class Entry:
    """Where a sample's encoding belongs, and how many frames lie there already."""

    digest: str
    path: Path
    count: int = 0


class _Store:
    """One folder of the cache, and how the samples of one view come into it."""

    def __init__(self, folder: Path, rendering: Rendering) -> None:
        self._folder, self._clip, self._view = folder, rendering.clip, rendering.view
        view = rendering.view
        self._augmenter = Augmenter(view.augmentation) if view.number else None

    def load(self, sample: Sample) -> Loaded:
        """Find a sample's entry, or else decode its frames."""
        try:
            digest = hashlib.sha256(sample.path.read_bytes()).hexdigest()
        except OSError as error:
            raise SourceError(f"{sample.path} cannot be read: {error.strerror}.") from error
        if sample.is_span:
            digest += f"-{sample.start_s:g}-{sample.end_s:g}"
        settings = self._view.settings(still=sample.is_still)
        suffix = f"-{_short_hash(settings)}" if settings else ""
        path = self._folder / f"{digest}{suffix}.npy"
        try:
            return Entry(digest, path, len(_map_entry(path))), None
        except (OSError, ValueError):  # not there yet, or cut short: made again
            return Entry(digest, path), self._decode(sample, digest)

    def _decode(self, sample: Sample, digest: str) -> Pixels:
        view = self._view
        if sample.is_still and view.path_frames:
            clip = replace(self._clip, num_frames=view.path_frames)
            draws = path_draws(view.augmentation.seed, digest, view.number)
            return load_still_as_clip(sample.path, clip, draws)
        return load_frames(sample.path, self._clip, start_s=sample.start_s, end_s=sample.end_s)

    def draw(self, frames: Pixels, digest: str) -> Pixels:
        """Augment decoded frames, if this view is augmented."""
        if self._augmenter is None:
            return frames
        return self._augmenter(frames, digest, self._view.number)

    def save(self, path: Path, encoded: Array) -> None:
        """Write an entry so that no reader ever sees half of it."""
        # Not straight to the file: NumPy would tell of a full disk without saying that it is full.
        content = io.BytesIO()
        np.save(content, encoded)
        try:
            with open_whole(path, private=True, sync=False) as file:
                file.write(content.getbuffer())
        except OSError as error:
            raise cache_not_written(self._folder, error) from error


Loaded = tuple[Entry, "Pixels | None"]


def _map_entry(path: Path) -> Array:
    """Map an entry from disk.

    Raises:
        OSError: if it cannot be opened.
        ValueError: if it is not an entry, or cut short.
    """
    # Not by np.load: it parses the header with `ast`, and in CPython 3.11 two threads that do
    # so may meet "SystemError: AST constructor recursion depth mismatch" (gh-106905).
    with path.open("rb") as file:
        start = file.read(128)
    header = NPY_HEADER.match(start)
    if not header:
        raise ValueError(f"{path} is not an entry of the cache.")
    shape = tuple(int(n) for n in header["shape"].split(b",") if n.strip())
    offset = 10 + int.from_bytes(header["length"], "little")
    try:
        dtype = np.dtype(header["dtype"].decode())
    except TypeError as error:
        raise ValueError(f"{path} is not an entry of the cache.") from error
    # Mapped objects would be pointers that the file chose.
    if dtype.kind not in "uif":
        raise ValueError(f"{path} is not an entry of the cache: it holds {dtype}.")
    return np.memmap(path, dtype, "r", offset, shape)


def cache_not_written(folder: Path, error: OSError) -> OutputError:
    """Say that the cache cannot be written, and why."""
    return OutputError(
        f"The feature cache {display_path(folder)} cannot be written: {error.strerror}. "
        "Make room, or give another --cache."
    )


def _ahead(
    pool: ThreadPoolExecutor, samples: Sequence[Sample], store: _Store
) -> Iterator[Future[Loaded]]:
    """Load samples in order on other threads, a few ahead of the encoder."""
    jobs = (pool.submit(store.load, sample) for sample in samples)
    pending = deque(itertools.islice(jobs, LOOK_AHEAD))
    while pending:
        yield pending.popleft()
        pending.extend(itertools.islice(jobs, 1))


def _encode(encoder: Predicts | None, frames: Pixels) -> Array:
    """Encode frames, (N, H, W, 3) uint8, in batches: (N, D) or (N, h, w, d) float32."""
    if encoder is None:
        return frames
    batches = range(0, len(frames), BATCH_FRAMES)
    parts = [
        encoder.predict_on_batch(frames[i : i + BATCH_FRAMES].astype(np.float32)) for i in batches
    ]
    return np.concatenate([np.asarray(part, dtype=np.float32) for part in parts])


def _cache_key(encoder: KerasModel | None, rendering: Rendering) -> str:
    preprocessing = {k: v for k, v in asdict(rendering.clip).items() if k != "num_frames"}
    settings: list[object] = [preprocessing, weights_digest(encoder) if encoder else "frames"]
    if rendering.half:  # maps: the same weights can be cut out of the backbone in one way only
        settings.append("float16")
    return _short_hash(settings)


def _short_hash(settings: object) -> str:
    text = json.dumps(settings, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:24]
