"""Whether two decoders give the same tensors, frame by frame; of `har-bench experiment decode`."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path

import numpy as np

from har_edge.commands.harness import note
from har_edge.errors import DataError, SourceError
from har_edge.frames.preprocess import resize_frame
from har_edge.media import find_media, is_video
from har_edge.model.spec import ClipSpec
from har_edge.paths import display_path
from har_edge.progress import Progress
from har_edge.sources.videos.base import Picture

# A result is kept this often, so that what was stopped can go on.
KEEP_EVERY = 10
# Decoders round times on their own.
SAME_TIME_S = 1e-6

Pictures = Callable[[Path], Generator[Picture, None, None]]


@dataclass
class Comparison:
    """What was found so far.

    Attributes:
        frames: File, below the folder -> how many frames the new decoder gave.
        differ: File -> in what the decoders differ, one sentence.
    """

    frames: dict[str, int] = field(default_factory=dict)
    differ: dict[str, str] = field(default_factory=dict)

    @classmethod
    def resume(cls, path: str | os.PathLike[str], folder: Path) -> Comparison:
        """Read what an earlier comparison of a folder left; nothing if there is none.

        Raises:
            DataError: if the file is no such result.
        """
        if not Path(path).exists():
            return cls()
        try:
            found = json.loads(Path(path).read_text("utf-8"))
            if found["folder"] != folder.name:
                raise KeyError
            return cls(dict(found["compared"]), dict(found["differ"]))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise DataError(
                f"{display_path(path)} should be what a comparison of {folder.name} left. It is "
                "not. Name another file with -o, or leave out --resume."
            ) from error

    def facts(self, folder: Path, files: int) -> dict[str, object]:
        """Plain values; `files` is how many there are in all."""
        return {
            "folder": folder.name,
            "files": files,
            "files_compared": len(self.frames),
            "frames": sum(self.frames.values()),
            "differ": self.differ,
            "compared": self.frames,
        }


def compare(
    folder: Path,
    clip: ClipSpec,
    decoders: tuple[Pictures, Pictures],
    found: Comparison,
    *,
    max_files: int | None,
    keep: Callable[[dict[str, object]], None],
) -> dict[str, object]:
    """Compare each frame of the videos below a folder.

    Args:
        folder: Where they lie.
        clip: Size and resize rule of the tensors.
        decoders: The old one and the new one; each opens a file and gives all of its pictures.
        found: What was compared before, and is not again; gets what is found now.
        max_files: How many files to compare at most.
        keep: Takes the facts now and then.

    Returns:
        The facts.
    """
    files = [path for path in find_media(folder) if is_video(path)]
    left = [path for path in files if str(path.relative_to(folder)) not in found.frames]
    with Progress(len(left[:max_files]), "Comparing") as tick:
        for number, path in enumerate(left[:max_files], 1):
            name = str(path.relative_to(folder))
            found.frames[name], difference = compare_file(path, clip, decoders)
            if difference:
                found.differ[name] = difference
            if number % KEEP_EVERY == 0:
                keep(found.facts(folder, len(files)))
            tick()
    facts = found.facts(folder, len(files))
    note(
        f"{len(found.frames)} of {len(files)} files, {facts['frames']} frames, "
        f"{len(found.differ)} files differ"
    )
    return facts


def compare_file(
    path: Path, clip: ClipSpec, decoders: tuple[Pictures, Pictures]
) -> tuple[int, str]:
    """Compare each frame of a video.

    Returns:
        How many the new decoder gave, and in what both differ: "" if in nothing.
    """
    old, new = (_Counted(decoder(path)) for decoder in decoders)
    seen = _Differences()
    with closing(old), closing(new):
        for before, after in zip_longest(old, new):
            if before is not None and after is not None:
                seen.add(before, after, clip)
    errors = [f"{name}: {each.error}" for name, each in (("old", old), ("new", new)) if each.error]
    counts = f"{new.count} frames in place of {old.count}" if new.count != old.count else ""
    return new.count, "; ".join(filter(None, [*errors, counts, str(seen)]))


class _Counted:
    """Pictures of a video; an error ends them, and is kept."""

    def __init__(self, pictures: Generator[Picture, None, None]) -> None:
        self._pictures = pictures
        self.count, self.error = 0, ""

    def __iter__(self) -> _Counted:
        return self

    def __next__(self) -> Picture:
        try:
            picture = next(self._pictures)
        except SourceError as error:
            self.error = str(error)
            raise StopIteration from None
        self.count += 1
        return picture

    def close(self) -> None:
        """Close the file."""
        self._pictures.close()


@dataclass
class _Differences:
    """In what pairs of frames differ."""

    pairs: int = 0
    first: int | None = None
    pixels: int = 0
    times: int = 0
    largest: int = 0
    largest_mean: float = 0.0
    largest_s: float = 0.0

    def add(self, old: Picture, new: Picture, clip: ClipSpec) -> None:
        """Compare a pair."""
        apart = np.abs(
            resize_frame(old.pixels, clip).astype(np.int16) - resize_frame(new.pixels, clip)
        )
        apart_s = abs(old.timestamp_s - new.timestamp_s)
        if (apart.any() or apart_s > SAME_TIME_S) and self.first is None:
            self.first = self.pairs
        self.pairs += 1
        self.pixels += bool(apart.any())
        self.times += apart_s > SAME_TIME_S
        self.largest = max(self.largest, int(apart.max()))
        self.largest_mean = max(self.largest_mean, float(apart.mean()))
        self.largest_s = max(self.largest_s, apart_s)

    def __str__(self) -> str:
        """A sentence, or ""."""
        if self.first is None:
            return ""
        parts = []
        if self.pixels:
            parts.append(
                f"pixels of {self.pixels}, by {self.largest} of 255 at most, "
                f"{self.largest_mean:.2f} on average in the worst frame"
            )
        if self.times:
            parts.append(f"times of {self.times}, by {self.largest_s * 1e3:.1f} ms at most")
        return f"from frame {self.first} on, of {self.pairs} pairs: {'; '.join(parts)}"
