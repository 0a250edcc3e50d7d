"""Datasets of people made out of others, file by file: gone on with, settings checked, listed.

What `har-train crops` and `har-train poses` share: a journal of what was made of each sample, the
settings that the folder was begun with, and in the end a manifest.
"""

from __future__ import annotations

import csv
import hashlib
import io
import itertools
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

from har_edge.datasets import Sample
from har_edge.errors import DataError, SourceError
from har_edge.files import make_folder, whole_lines, write_whole
from har_edge.frames.frame import Frame, Person
from har_edge.paths import display_path
from har_edge.people.choose import PeopleRule
from har_edge.people.follow import Follower
from har_edge.people.locate import Locator
from har_edge.sample_paths import file_of
from har_train.watch import Say, Tick


@dataclass(frozen=True)
class Product:
    """What is made, and what its files are called.

    Attributes:
        name: In the journal, and of the files beside it: `crops` or `poses`.
        mark: What stands between the stem of a sample and the rest of what was made of it.
        folder: Folder of the files; "" for one for each label.
    """

    name: str
    mark: str
    folder: str = ""

    @property
    def manifest(self) -> str:
        """Name of the manifest."""
        return f"{self.name}.csv"

    @property
    def journal(self) -> str:
        """Name of the list of what was made of which sample."""
        return f"{self.name}.jsonl"

    @property
    def settings(self) -> str:
        """Name of the file of settings."""
        return f"{self.name}.json"


def make_dataset(
    samples: Sequence[Sample],
    product: Product,
    settings: Mapping[str, object],
    out: Path,
    make: Callable[[Sample, Path], list[str]],
    *,
    progress: Tick,
    skipped: Say,
) -> list[Sample]:
    """Make something of every sample, and list it all in a manifest.

    Args:
        samples: Their labels, groups and splits are carried over.
        product: What is made.
        settings: Of the making; a folder that was begun with others is refused.
        out: Folder of the dataset.
        make: Makes files of a sample in a folder; gives their names there.
        progress: Called with 1 for every sample.
        skipped: Takes a line for every file that cannot be decoded.

    Raises:
        DataError: if the folder was made with other settings.
        OutputError: if it cannot be written.
    """
    make_folder(out)
    _claim(out, product, settings)
    done = dict(_read_journal(out / product.journal, product))
    made: list[Sample] = []
    with (out / product.journal).open("a", encoding="utf-8") as journal:
        for sample in samples:
            key, folder = _key(sample), out / (product.folder or sample.label)
            if key not in done:
                make_folder(folder)
                try:
                    done[key] = make(sample, folder)
                except SourceError as error:
                    skipped(str(error))
                    done[key] = []
                journal.write(json.dumps({"sample": key, product.name: done[key]}) + "\n")
                journal.flush()
            paths = [folder / name for name in done[key]]
            made += [Sample(p, sample.label, sample.group, sample.split) for p in paths]
            progress(1)
    _write_manifest(made, out, product)
    return made


def nobody_in(
    samples: Sequence[Sample], made: Sequence[Sample], product: Product
) -> dict[str, int]:
    """Count by label the files of which nothing was made, since nobody was found in them."""
    names = {one.path.name.rpartition(product.mark)[0] for one in made}
    return Counter(sample.label for sample in samples if stem_of(sample) not in names)


def stem_of(sample: Sample) -> str:
    """A name for what is made of a sample: files in several folders may have one name."""
    return f"{sample.path.stem}-{hashlib.sha256(_key(sample).encode()).hexdigest()[:6]}"


class Stretch(Protocol):
    """One person, from when they are first looked at until they are lost.

    Attributes:
        areas: Share of the picture that the person covered, by frame.
    """

    areas: list[float]

    def add(self, frame: Frame, person: Person) -> None:
        """Take the person in the next frame."""


AnyStretch = TypeVar("AnyStretch", bound=Stretch)


def follow_people(
    frames: Iterator[Frame],
    locator: Locator,
    rule: PeopleRule,
    begin: Callable[[int], AnyStretch],
) -> list[AnyStretch]:
    """Follow people through a file as the runner does.

    Args:
        frames: Of the file, at the model's rate.
        locator: What finds people.
        rule: How often, and how many.
        begin: Begins a stretch, given its number from 1.

    Returns:
        All stretches, in the order in which they ended.
    """
    follower, open_now = Follower(locator, rule), dict[int, AnyStretch]()
    ended: list[AnyStretch] = []
    numbers = itertools.count(1)
    for frame in frames:
        view = follower.follow(frame)
        ended += [open_now.pop(number) for number in sorted(view.dropped & open_now.keys())]
        for person in view.chosen:
            assert person.id is not None
            if person.id not in open_now:
                open_now[person.id] = begin(next(numbers))
            stretch = open_now[person.id]
            stretch.add(frame, person)
            stretch.areas.append(person.size)
    return [*ended, *open_now.values()]


def choose_stretches(
    stretches: Sequence[AnyStretch], *, everyone: bool, least_frames: int
) -> Sequence[AnyStretch]:
    """Those that are long enough; else the longest, which a window fills up.

    Args:
        stretches: Of one file.
        everyone: Whether all are kept, or the one of the person who is largest for longest.
        least_frames: Shorter ones are left out, unless there is no longer one.
    """
    if not stretches:
        return ()
    long = [s for s in stretches if len(s.areas) >= least_frames]
    candidates = long or [max(stretches, key=lambda s: (len(s.areas), sum(s.areas)))]
    return candidates if everyone else [max(candidates, key=lambda s: sum(s.areas))]


def _key(sample: Sample) -> str:
    span = f" {sample.start_s:g}-{sample.end_s:g}" if sample.is_span else ""
    return f"{sample.path.absolute()}{span}"


def _claim(out: Path, product: Product, settings: Mapping[str, object]) -> None:
    """Write the settings into the folder, or check that they are those it was begun with."""
    plain = json.loads(json.dumps(settings))
    path = out / product.settings
    try:
        before = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        write_whole(path, json.dumps(plain, indent=2) + "\n")
        return
    except (OSError, ValueError) as error:
        raise DataError(
            f"{display_path(path)} should hold settings of har-train {product.name}. Received "
            f"something else ({error}). Give another --out."
        ) from error
    if before != plain:
        differing = sorted(k for k in plain if before.get(k) != plain[k])
        raise DataError(
            f"{display_path(out)} was begun with other settings ({', '.join(differing)}). Give "
            "the same ones to go on, or another --out."
        )


def _read_journal(path: Path, product: Product) -> Iterator[tuple[str, list[str]]]:
    """What was made before; a line that a kill cut short is dropped."""
    for line in whole_lines(path):
        try:
            entry = json.loads(line)
            yield str(entry["sample"]), [str(name) for name in entry[product.name]]
        except (ValueError, KeyError, TypeError) as error:
            raise DataError(
                f"{display_path(path)} should hold lines of har-train {product.name}. Received "
                f"{line[:60]!r}. Give another --out."
            ) from error


def _write_manifest(made: Sequence[Sample], out: Path, product: Product) -> None:
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(["path", "label", "group", "split"])
    for one in made:
        if file_of(one.path).exists():  # somebody may have deleted what shows the wrong person
            rows.writerow([one.path.relative_to(out).as_posix(), one.label, one.group, one.split])
    write_whole(out / product.manifest, text.getvalue())
