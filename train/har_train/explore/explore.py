"""Look at a dataset before training on it: what it holds, and what is wrong with it."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from har_edge.datasets import Sample, list_dataset
from har_edge.errors import DataError, GateError, OutputError
from har_edge.files import sweep
from har_edge.paths import display_path
from har_edge.run_folder import root_of
from har_edge.silence import doing
from har_train.config import WindowConfig
from har_train.dataset.samples import check_kind, default_num_frames
from har_train.explore import findings as checks
from har_train.explore.findings import KINDS, UNDIVIDED, Finding, split_order
from har_train.explore.scan import FileFacts, scan_files

# All that an exploration may leave behind.
OUTPUT_NAMES = (
    "class_distribution.png", "samples.jpg", "durations.png", "frame_rates.png",
    "resolutions.png", "brightness.png", "dataset_summary.txt", "findings.csv", "explore.html",
)  # fmt: skip


@dataclass(frozen=True)
class ExploreConfig:
    """What to look at, and for what.

    Attributes:
        data: Folder of classes, or a CSV manifest.
        root: Folder that a manifest's paths start from; "" for the manifest's own.
        num_frames: Frames in the model's window; 0 for what `fit` would take.
        frame_rate_hz: Frames sampled per second of a clip.
        min_samples: Fewest samples that a class should have.
        thorough: Whether clips are decoded in full.
    """

    data: str
    root: str = ""
    num_frames: int = 0
    frame_rate_hz: float = WindowConfig.frame_rate_hz
    min_samples: int = 10
    thorough: bool = False

    @property
    def base(self) -> Path:
        """Folder that paths are shown from."""
        return root_of(self.data, self.root)


@dataclass(frozen=True)
class Exploration:
    """What was found in a dataset.

    Attributes:
        config: What was asked for.
        samples: All labelled samples; where the data names no split, theirs is `all`.
        facts: Of the readable files, ordered by split, class and path.
        findings: Defects, ordered as in `KINDS`.
        skipped: What was passed over in the classes' folders, in words.
    """

    config: ExploreConfig
    samples: Sequence[Sample]
    facts: Sequence[FileFacts]
    findings: Sequence[Finding]
    skipped: str = ""

    @property
    def splits(self) -> list[str]:
        """Names of the splits, training first."""
        return sorted({s.split for s in self.samples}, key=split_order)

    @property
    def labels(self) -> list[str]:
        """Names of the classes that have samples."""
        return sorted({s.label for s in self.samples})

    @property
    def counts(self) -> dict[str, int]:
        """Findings of every kind, kinds without any included."""
        counter = Counter(f.kind for f in self.findings)
        return {kind: counter[kind] for kind in KINDS}

    def shown(self, path: Path | None) -> str:
        """Spell a path from the dataset's folder."""
        if path is None:
            return ""
        inside = path.is_relative_to(self.config.base)
        return display_path(path.relative_to(self.config.base) if inside else path)


def explore(
    config: ExploreConfig,
    *,
    progress: Callable[[int, int], Callable[[int], object]] | None = None,
) -> Exploration:
    """Read a whole dataset and look for defects.

    Args:
        config: What to look at.
        progress: Given the numbers of files and classes, returns a function that is called
            with 1 for every file that was read.

    Raises:
        DataError: if there is no dataset, or nothing in it.
    """
    with doing(f"Listing {display_path(config.data)}"):
        listing = list_dataset(config.data, config.root)
    if not listing.samples:
        found = listing.problems[0].message if listing.problems else "Received none."
        raise DataError(
            f"{display_path(config.data)} should contain pictures or clips in a folder for each "
            f"class, or be a manifest that lists some. {found}"
        )
    check_kind(listing.samples, poses=False)
    named = [*listing.samples, *listing.set_aside]
    # As in training: where some samples have a split, the others are for training.
    undecided = "train" if any(s.split for s in named) else UNDIVIDED
    samples = sorted((replace(s, split=s.split or undecided) for s in named), key=_order)
    problems = [replace(p, split=p.split or undecided) for p in listing.problems]
    # Pictures of a published test table are often left out of copies; training needs none.
    optional = {s.path for s in listing.set_aside if not s.path.is_file()}
    files = [s for s in samples if s.path not in optional]
    tick = progress(len(files), len({s.label for s in samples})) if progress else lambda done: None
    scan = scan_files(files, thorough=config.thorough, progress=tick)
    config = replace(config, num_frames=config.num_frames or default_num_frames(samples))
    with doing("Comparing files"):
        found_all = [
            *checks.find_unreadable(problems, scan.unreadable),
            *checks.find_split_groups(samples),
            *checks.find_copies(scan.facts),
            *checks.find_near_copies(scan.facts),
            *checks.find_constant_labels(samples),
            *checks.find_few(samples, problems, config.min_samples),
            *checks.find_short(scan.facts, config.num_frames, config.frame_rate_hz),
            *checks.find_case(samples, problems),
        ]
    kinds = list(KINDS)
    return Exploration(
        config,
        samples,
        scan.facts,
        sorted(found_all, key=lambda f: kinds.index(f.kind)),
        str(listing.skipped),
    )


def _order(sample: Sample) -> tuple[int, str, Path]:
    return split_order(sample.split), sample.label, sample.path


def check_gate(exploration: Exploration, fail_on: Iterable[str]) -> None:
    """Refuse a dataset that has defects of certain kinds.

    Raises:
        GateError: if so.
    """
    failed = {kind: exploration.counts[kind] for kind in fail_on if exploration.counts[kind]}
    if failed:
        listed = ", ".join(f"{kind} {count:,}" for kind, count in failed.items())
        raise GateError(
            f"{display_path(exploration.config.data)} should have no findings of "
            f"{', '.join(fail_on)}. Received {listed}. See findings.csv and repair the data, or "
            "take the kind out of --fail-on."
        )


def check_output(folder: Path, config: ExploreConfig) -> None:
    """Refuse a folder whose content would be mixed with the report, or read as data.

    Raises:
        OutputError: if so; an earlier report may be overwritten.
    """
    shown = display_path(folder)
    if Path(config.data).is_dir() and folder.resolve().is_relative_to(Path(config.data).resolve()):
        raise OutputError(
            f"{shown} is inside the dataset, where the report would become a class. Give an "
            "--out elsewhere."
        )
    sweep(folder)
    try:
        others = {p.name for p in folder.iterdir()} - set(OUTPUT_NAMES) if folder.exists() else ()
        if others:
            raise OutputError(
                f"{shown} should be empty or contain an earlier report. Received a folder with "
                f"'{display_path(min(others))}'. Give another --out."
            )
        folder.mkdir(parents=True, exist_ok=True)
        if not os.access(folder, os.W_OK):
            raise PermissionError(13, "Permission denied")
    except OSError as error:
        raise OutputError(
            f"{shown} cannot be created: {error.strerror}. Give another --out."
        ) from error
