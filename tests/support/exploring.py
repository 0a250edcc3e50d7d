"""Datasets of made-up photos, and what an exploration finds in them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from har_edge.sources.files import VideoSource
from har_train.explore.explore import Exploration, ExploreConfig, explore


def photo(path: Path, seed: int, **options: object) -> Path:
    """Write smooth coloured noise, as unlike as two photos; equal seeds give equal pixels."""
    noise = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = Image.fromarray(noise).resize((200, 150), Image.Resampling.BICUBIC)
    picture.save(path, **options)  # type: ignore[arg-type]
    return path


def photos(root: Path, *folders: str, count: int = 4, seed: int = 0) -> Path:
    """Fill folders with photos, no two alike in all of them."""
    for number, folder in enumerate(folders):
        for i in range(count):
            photo(root / folder / f"{folder.replace('/', '-')}{i}.png", seed + 1000 * number + i)
    return root


def look(data: Path, **options: object) -> Exploration:
    return explore(ExploreConfig(str(data), **{"min_samples": 1, **options}))  # type: ignore[arg-type]


def kinds_of(found: Exploration) -> dict[str, int]:
    return {kind: count for kind, count in found.counts.items() if count}


def only(found: Exploration) -> tuple[str, str, str, str, str]:
    """The one finding there is, as findings.csv has it."""
    (f,) = found.findings
    return f.kind, f.split, found.shown(f.path), found.shown(f.other_path), f.detail


def resaved(source: Path, target: Path) -> Path:
    """Save a picture again as a website might: smaller by a little, at a low quality."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with Image.open(source) as picture:
        picture.resize((184, 138)).save(target, quality=40)
    return target


class Unstated(VideoSource):
    """A file that does not state its length."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.duration_s, self.num_frames, self.frame_rate_hz = None, 0, 0.0
