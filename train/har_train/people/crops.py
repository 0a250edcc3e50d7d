"""Clips of single people, cut out of a dataset exactly as the runner cuts them.

A model that answers for each person has to learn from what it will see: the square around one
person, found and followed by the same network and the same tracker. `cut_people` makes a dataset
of such crops, at the model's rate and size and without loss, so that all else (training,
calibration, evaluation, `explore`, benchmarks) reads it like any other. It can be looked at, and
crops that show the wrong person can be deleted.
"""

from __future__ import annotations

import contextlib
import csv
import hashlib
import io
import itertools
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from PIL import Image

from har_edge.arrays import Pixels
from har_edge.datasets import Sample
from har_edge.errors import DataError, SourceError
from har_edge.files import make_folder, whole_lines, write_whole
from har_edge.model.spec import ClipSpec, CropSpec
from har_edge.paths import display_path
from har_edge.people.choose import PeopleRule
from har_edge.people.follow import Follower, person_crop
from har_edge.people.locate import Locator
from har_edge.sources.clips import span_frames
from har_train.people.lossless import SUFFIX, LosslessVideo
from har_train.watch import Say, Tick, silent, uncounted

MANIFEST, JOURNAL, SETTINGS = "crops.csv", "crops.jsonl", "crops.json"
PARTIAL = ".partial"


@dataclass(frozen=True)
class CropConfig:
    """How people are cut out.

    Attributes:
        clip: Rate, size and resize rule of the model to come.
        crop: Rule of the square around a person.
        rule: How often people are looked for, and how many are followed.
        everyone: Whether all people of a file are kept, or the one who is largest for longest.
        least_frames: Shorter clips of a person are left out, unless nobody has a longer one.
        network: Checksum of what finds people.
    """

    clip: ClipSpec
    crop: CropSpec = field(default_factory=CropSpec)
    rule: PeopleRule = field(default_factory=PeopleRule)
    everyone: bool = False
    least_frames: int = 8
    network: str = ""


@dataclass
class _Stretch:
    """One person, from when they are first looked at until they are lost."""

    video: LosslessVideo
    areas: list[float] = field(default_factory=list)


def cut_people(
    samples: Sequence[Sample],
    locator: Locator,
    config: CropConfig,
    out: Path,
    *,
    progress: Tick = uncounted,
    skipped: Say = silent,
) -> list[Sample]:
    """Cut people out of stills and clips, and write them as a dataset.

    Args:
        samples: What to cut them out of; labels, groups and splits are carried over.
        locator: What finds people.
        config: How.
        out: Folder of the dataset; one that was begun with the same settings is gone on with.
        progress: Called with 1 for every sample.
        skipped: Takes a line for every file that cannot be decoded.

    Returns:
        The crops, as `crops.csv` in the folder lists them.

    Raises:
        DataError: if the folder was made with other settings.
        OutputError: if it cannot be written.
    """
    make_folder(out)
    _claim(out, config)
    done = dict(_read_journal(out / JOURNAL))
    crops: list[Sample] = []
    with (out / JOURNAL).open("a", encoding="utf-8") as journal:
        for sample in samples:
            key = _key(sample)
            if key not in done:
                folder = out / sample.label
                make_folder(folder)
                try:
                    done[key] = _cut(sample, locator, config, folder)
                except SourceError as error:
                    skipped(str(error))
                    done[key] = []
                journal.write(json.dumps({"sample": key, "crops": done[key]}) + "\n")
                journal.flush()
            paths = [out / sample.label / name for name in done[key]]
            crops += [Sample(p, sample.label, sample.group, sample.split) for p in paths]
            progress(1)
    _write_manifest(crops, out)
    return crops


def without_crops(samples: Sequence[Sample], crops: Sequence[Sample]) -> dict[str, int]:
    """Count by label the files of which nothing was cut, since nobody was found in them."""
    names = {crop.path.name.rpartition("-p")[0] for crop in crops}
    return Counter(sample.label for sample in samples if _stem(sample) not in names)


def _cut(sample: Sample, locator: Locator, config: CropConfig, folder: Path) -> list[str]:
    """Cut people out of one file; gives the names of what is kept."""
    if sample.is_still:
        return _cut_still(sample, locator, config, folder)
    follower, open_now = Follower(locator, config.rule), dict[int, _Stretch]()
    ended: list[_Stretch] = []
    numbers = itertools.count(1)
    rate, size = config.clip.frame_rate_hz, config.clip.frame_shape[:2]
    with contextlib.ExitStack() as cleaning:
        frames = span_frames(sample.path, rate, *sample.span)
        for frame in cleaning.enter_context(contextlib.closing(frames)):
            view = follower.follow(frame)
            ended += [open_now.pop(number) for number in sorted(view.dropped & open_now.keys())]
            for person in view.chosen:
                assert person.id is not None
                if person.id not in open_now:
                    path = folder / f"{_stem(sample)}-p{next(numbers)}{SUFFIX}{PARTIAL}"
                    cleaning.callback(path.unlink, missing_ok=True)
                    open_now[person.id] = _Stretch(LosslessVideo(path, rate, size))
                stretch = open_now[person.id]
                stretch.video.write(person_crop(frame.pixels, person, config.crop, config.clip))
                stretch.areas.append(person.size)
        ended += open_now.values()
        for stretch in ended:
            stretch.video.close()
        kept = [_keep(stretch.video.path) for stretch in _chosen(ended, config)]
    return sorted(kept)


def _chosen(stretches: Sequence[_Stretch], config: CropConfig) -> Sequence[_Stretch]:
    """Those that are long enough; else the longest, which a window fills up."""
    if not stretches:
        return ()
    long = [s for s in stretches if len(s.areas) >= config.least_frames]
    candidates = long or [max(stretches, key=lambda s: (len(s.areas), sum(s.areas)))]
    if config.everyone:
        return candidates
    return [max(candidates, key=lambda s: sum(s.areas))]


def _keep(path: Path) -> str:
    return path.rename(path.with_suffix("")).name


def _cut_still(sample: Sample, locator: Locator, config: CropConfig, folder: Path) -> list[str]:
    (frame,) = span_frames(sample.path, config.clip.frame_rate_hz)
    chosen = Follower(locator, config.rule).follow(frame).chosen
    names = []
    for number, person in enumerate(chosen if config.everyone else chosen[:1], 1):
        crop = person_crop(frame.pixels, person, config.crop, config.clip)
        names.append(f"{_stem(sample)}-p{number}.png")
        write_whole(folder / names[-1], _png(crop))
    return names


def _png(pixels: Pixels) -> bytes:
    content = io.BytesIO()
    Image.fromarray(pixels).save(content, "PNG", compress_level=3)
    return content.getvalue()


def _key(sample: Sample) -> str:
    span = f" {sample.start_s:g}-{sample.end_s:g}" if sample.is_span else ""
    return f"{sample.path.absolute()}{span}"


def _stem(sample: Sample) -> str:
    """A name for what is cut out of a sample: files in several folders may have one name."""
    return f"{sample.path.stem}-{hashlib.sha256(_key(sample).encode()).hexdigest()[:6]}"


def _claim(out: Path, config: CropConfig) -> None:
    """Write the settings into the folder, or check that they are those it was begun with."""
    settings = json.loads(json.dumps(asdict(config)))
    path = out / SETTINGS
    try:
        before = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        write_whole(path, json.dumps(settings, indent=2) + "\n")
        return
    except (OSError, ValueError) as error:
        raise DataError(
            f"{display_path(path)} should hold settings of har-train crops. Received something "
            f"else ({error}). Give another --out."
        ) from error
    if before != settings:
        differing = sorted(k for k in settings if before.get(k) != settings[k])
        raise DataError(
            f"{display_path(out)} was begun with other settings ({', '.join(differing)}). Give "
            "the same ones to go on, or another --out."
        )


def _read_journal(path: Path) -> Iterator[tuple[str, list[str]]]:
    """What was cut before; a line that a kill cut short is dropped."""
    for line in whole_lines(path):
        try:
            entry = json.loads(line)
            yield str(entry["sample"]), [str(name) for name in entry["crops"]]
        except (ValueError, KeyError, TypeError) as error:
            raise DataError(
                f"{display_path(path)} should hold lines of har-train crops. Received "
                f"{line[:60]!r}. Give another --out."
            ) from error


def _write_manifest(crops: Sequence[Sample], out: Path) -> None:
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(["path", "label", "group", "split"])
    for crop in crops:
        if crop.path.exists():  # somebody may have deleted what shows the wrong person
            rows.writerow(
                [crop.path.relative_to(out).as_posix(), crop.label, crop.group, crop.split]
            )
    write_whole(out / MANIFEST, text.getvalue())
