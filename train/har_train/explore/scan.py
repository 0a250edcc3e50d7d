"""What each file of a dataset is like, found by reading it once."""

from __future__ import annotations

import hashlib
import math
import os
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from har_edge.arrays import Pixels
from har_edge.datasets import Sample
from har_edge.errors import SourceError
from har_edge.frames.decode import load_image
from har_edge.frames.sampling import TOLERANCE_S, FrameSampler
from har_edge.sources.clips import empty_span
from har_edge.sources.files import VideoSource

# Side in pixels of the smallest picture that hashes are made from, and of a thumbnail.
HASHED_PX = 128
THUMBNAIL_PX = 16
READ_BYTES = 1 << 20


@dataclass(frozen=True)
class FileFacts:
    """What one readable file is like.

    Attributes:
        sample: The file, with its label and split.
        sha256: Of its content, hexadecimal.
        width, height: In pixels, as stored or, for pictures, as shown.
        brightness: Mean over all looked-at pixels, 0 black to 255 white.
        hashes: Perceptual hash of each looked-at frame, (F, 64), bool; F is 1 for a still
            and 3 for a clip.
        thumbnails: The same frames, (F, THUMBNAIL_PX, THUMBNAIL_PX, 3), uint8.
        num_frames: Frames in a clip, or in the span of it that the sample is; 1 for a still.
        frame_rate_hz: Of a clip, 0 for a still.
    """

    sample: Sample
    sha256: str
    width: int
    height: int
    brightness: float
    hashes: NDArray[np.bool_]
    thumbnails: Pixels
    num_frames: int = 1
    frame_rate_hz: float = 0.0

    @property
    def is_clip(self) -> bool:
        """Whether the file is a clip rather than a still."""
        return self.frame_rate_hz > 0

    @property
    def duration_s(self) -> float:
        """Length of a clip, or of the sample's span of it; 0 for a still."""
        return self.num_frames / self.frame_rate_hz if self.is_clip else 0.0


@dataclass(frozen=True)
class Scan:
    """All files of a dataset: the facts of the readable ones, the errors of the others."""

    facts: list[FileFacts] = field(default_factory=list)
    unreadable: list[tuple[Sample, str]] = field(default_factory=list)


def scan_files(
    samples: Sequence[Sample],
    *,
    thorough: bool = False,
    progress: Callable[[int], object] = lambda done: None,
) -> Scan:
    """Read all files on all cores.

    Args:
        samples: What to read. Stills are decoded in full.
        thorough: Whether every frame of a clip is decoded, rather than three.
        progress: Called with 1 for every file that is done.
    """
    scan = Scan()
    with warnings.catch_warnings(), ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        # Pillow warns of odd metadata that no pixel depends on.
        warnings.simplefilter("ignore", UserWarning)
        jobs = [pool.submit(read_facts, sample, thorough=thorough) for sample in samples]
        try:
            for sample, job in zip(samples, jobs, strict=True):
                try:
                    scan.facts.append(job.result())
                except SourceError as error:
                    scan.unreadable.append((sample, str(error)))
                progress(1)
        except BaseException:
            # An interrupted user does not wait for thousands of files.
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return scan


def read_facts(sample: Sample, *, thorough: bool = False) -> FileFacts:
    """Read one file.

    Raises:
        SourceError: if it cannot be decoded.
    """
    digest = _sha256(sample.path)
    if sample.is_still:
        return _describe(sample, digest, [load_image(sample.path, smallest=HASHED_PX)])
    source = VideoSource(sample.path)
    if thorough and source.duration_s is not None:
        for _ in source.frames(FrameSampler(1.0)):
            pass
    return _describe(sample, digest, *_look(source, sample))


def small_picture(sample: Sample, side: int) -> Pixels:
    """Give a picture of a sample for people: a still itself, the middle frame of a clip or span.

    Returns:
        RGB pixels, (H, W, 3), uint8; the longer side has `side` pixels.

    Raises:
        SourceError: if it cannot be decoded.
    """
    from PIL import Image, ImageOps

    if sample.is_still:
        frame = load_image(sample.path, smallest=side)
    else:
        frame = _look(VideoSource(sample.path), sample)[0][1]
    return np.asarray(ImageOps.contain(Image.fromarray(frame), (side, side)), dtype=np.uint8)


def _look(source: VideoSource, sample: Sample) -> tuple[list[Pixels], int, float]:
    """Give three frames of a sample's span, its number of frames and its rate."""
    if source.duration_s is None:
        return _look_in_passing(source, sample)
    rate = source.frame_rate_hz
    if not sample.is_span:
        return source.look(), source.num_frames, rate
    start_s, end_s = _rounded_span(sample)
    first = math.ceil(start_s * rate)
    # The end is exclusive.
    last = math.ceil(min(end_s * rate, source.num_frames)) - 1
    if first > last:
        raise empty_span(sample.path, sample.start_s, sample.end_s)
    try:
        return source.look(first, last), last - first + 1, rate
    except SourceError:
        # Stated counts may be a little too high, and a span at the end shorter than it seems.
        return _look_in_passing(source, sample)


def _look_in_passing(source: VideoSource, sample: Sample) -> tuple[list[Pixels], int, float]:
    """Give the same of a file of unstated length."""
    looks: list[Pixels] = []
    count, wanted, rate = 0, 1, 1.0
    start_s, end_s = _rounded_span(sample)
    for frame in source.frames(FrameSampler(1e6)):
        if frame.timestamp_s > 0:
            rate = frame.index / frame.timestamp_s
        if not start_s <= frame.timestamp_s < end_s:
            continue
        looks = [*looks[:2], frame.pixels] if looks else [frame.pixels] * 3
        count += 1
        if count == wanted:
            # The last power of two lies in the second half, whatever the length.
            looks[1], wanted = frame.pixels, 2 * wanted
    if not looks:
        raise empty_span(sample.path, sample.start_s, sample.end_s)
    return looks, count, rate


def _rounded_span(sample: Sample) -> tuple[float, float]:
    """Start and end, as exact as times of frames are."""
    return max(0.0, sample.start_s - TOLERANCE_S), sample.end_s - TOLERANCE_S


def _describe(
    sample: Sample,
    digest: str,
    frames: Sequence[Pixels],
    num_frames: int = 1,
    frame_rate_hz: float = 0.0,
) -> FileFacts:
    import imagehash
    from PIL import Image

    images = [Image.fromarray(frame) for frame in frames]
    small = [image.resize((THUMBNAIL_PX, THUMBNAIL_PX), Image.Resampling.BOX) for image in images]
    thumbnails = np.stack([np.asarray(image, dtype=np.uint8) for image in small])
    width, height = images[0].size if frame_rate_hz else _stored_size(sample.path)
    return FileFacts(
        sample=sample,
        sha256=digest,
        width=width,
        height=height,
        brightness=float(thumbnails.mean()),
        hashes=np.stack([imagehash.phash(image).hash.ravel() for image in images]),
        thumbnails=thumbnails,
        num_frames=num_frames,
        frame_rate_hz=frame_rate_hz,
    )


def _stored_size(path: Path) -> tuple[int, int]:
    """Width and height of a picture as it is shown: it may have been decoded smaller."""
    from PIL import Image

    with Image.open(path) as image:
        # Orientations 5 to 8 of EXIF (tag 0x0112) lie on their side.
        turned = image.getexif().get(0x0112, 1) >= 5
        return (image.height, image.width) if turned else (image.width, image.height)


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while block := file.read(READ_BYTES):
                digest.update(block)
    except OSError as error:
        raise SourceError(f"{path} cannot be read: {error.strerror}. Check the path.") from error
    return digest.hexdigest()
