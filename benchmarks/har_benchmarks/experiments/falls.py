"""Does the alarm for falls find falls, how late, and how often is it wrong?

    har-bench experiment falls locate TRACKS.jsonl FILES... --people NET [--pose NET]
    har-bench experiment falls judge URFD.jsonl --postures frames.csv [--other NAME=TRACKS.jsonl]

`locate` finds and follows the people of each file once; `judge` tries settings on what was found.
On UR Fall settings are chosen on four fifths of the sequences and judged on the fifth, in turns;
the settings of this release are judged on everything beside that. A fall counts as one that can be
found only if the recording goes on for `low_s` after the descent.
"""

from __future__ import annotations

import csv
import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from itertools import product
from math import sqrt
from pathlib import Path
from statistics import median

import click
import numpy as np

from har_benchmarks.experiments.result import write_result
from har_edge.arrays import FloatArray
from har_edge.commands.harness import note
from har_edge.frames.frame import KEYPOINTS, Person
from har_edge.frames.sampling import FrameSampler
from har_edge.machine.facts import machine_facts
from har_edge.people.locate import Locator
from har_edge.people.open import open_locator
from har_edge.people.track import Tracker
from har_edge.recognition.fall_settings import FallSettings
from har_edge.recognition.falls import Alarm, FallAlarms
from har_edge.sources.files import VideoSource
from har_edge.statistics import wilson_interval

FOLDS = 5
GRID: Mapping[str, tuple[float, ...]] = {
    "drop": (0.25, 0.3, 0.4),
    "speed": (0.4, 0.6, 0.8),
    "descent_s": (0.8, 1.2),
    "low_height": (0.5,),
    "wide": (0.9, 1.3),
}
HIPS = (KEYPOINTS.index("left_hip"), KEYPOINTS.index("right_hip"))
# UR Fall's rate, and its posture for somebody who goes down.
URFD_HZ, GOING_DOWN = 30.0, 0
# An alarm that begins so long before the descent is about something else.
EARLY_S = 0.5


@dataclass(frozen=True)
class Recording:
    """What was found in one file.

    Attributes:
        file: Its name.
        shape: Width over height of its pictures.
        rows: Of each sampled frame its time, its people, and the numbers of who is gone.
    """

    file: str
    shape: float
    rows: list[tuple[float, list[Person], list[int]]]

    @property
    def name(self) -> str:
        """The sequence: views of one event share it."""
        return self.file.partition("__")[0]

    @property
    def duration_s(self) -> float:
        """Time of the last sampled frame."""
        return self.rows[-1][0] if self.rows else 0.0

    def alarms(self, settings: FallSettings) -> list[Alarm]:
        """The alarms that begin in it."""
        watch = FallAlarms(settings)
        found: list[Alarm] = []
        for at_s, people, gone in self.rows:
            found += [a for _, a in watch.see(people, at_s, self.shape) if a.ended_by is None]
            for person in gone:
                watch.leave(person, at_s)
        return found


@dataclass(frozen=True)
class Fall:
    """A recording of a fall: when the person goes down, in seconds."""

    recording: Recording
    start_s: float
    end_s: float

    def can_be_found(self, settings: FallSettings) -> bool:
        """Whether the recording goes on long enough after the descent."""
        return self.recording.duration_s - self.end_s >= settings.low_s


@dataclass(frozen=True)
class Judged:
    """What settings make of some recordings."""

    possible: int = 0
    found: int = 0
    found_of_all: int = 0
    delays_s: tuple[float, ...] = ()
    quiet: int = 0
    wrong: tuple[str, ...] = ()
    missed: tuple[str, ...] = ()

    def __add__(self, other: Judged) -> Judged:
        pairs = zip(asdict(self).values(), asdict(other).values(), strict=True)
        return Judged(*(a + b for a, b in pairs))

    @property
    def worth(self) -> float:
        """Share of falls that are found, less the share of other recordings with an alarm."""
        return self.found / max(1, self.possible) - len(self.wrong) / max(1, self.quiet)


@dataclass
class UrFall:
    """The data set: falls, and recordings of daily life."""

    falls: list[Fall]
    daily: list[Recording]
    _known: dict[tuple[FallSettings, str], list[Alarm]] = field(default_factory=dict)

    @cached_property
    def names(self) -> list[str]:
        """All sequences."""
        return sorted({r.name for r in self.daily} | {f.recording.name for f in self.falls})

    def judge(self, settings: FallSettings, names: Sequence[str]) -> Judged:
        """Judge settings on some of the sequences."""
        total = Judged()
        for fall in self.falls:
            if fall.recording.name in names:
                total += self._judge_fall(settings, fall)
        for recording in self.daily:
            if recording.name in names:
                alarms = self._alarms(settings, recording)
                total += Judged(quiet=1, wrong=(recording.name,) if alarms else ())
        return total

    def _judge_fall(self, settings: FallSettings, fall: Fall) -> Judged:
        alarms = self._alarms(settings, fall.recording)
        hits = [a for a in alarms if a.start_s >= fall.start_s - EARLY_S]
        possible = fall.can_be_found(settings)
        return Judged(
            possible=int(possible),
            found=int(possible and bool(hits)),
            found_of_all=int(bool(hits)),
            delays_s=(hits[0].at_s - fall.start_s,) if hits else (),
            missed=() if hits or not possible else (fall.recording.name,),
        )

    def _alarms(self, settings: FallSettings, recording: Recording) -> list[Alarm]:
        key = settings, recording.file
        if key not in self._known:
            self._known[key] = recording.alarms(settings)
        return self._known[key]


@click.group()
def command() -> None:
    """Judge the alarm for falls on UR Fall and on recordings without falls.

    \b
    Examples:
      har-bench experiment falls locate urfd.jsonl urfd/*/*cam0.mp4 --people ssd.tflite
      har-bench experiment falls judge urfd.jsonl --postures urfd/frames.csv --out falls.json
    """


@command.command()
@click.argument("out", type=click.Path(path_type=Path))
@click.argument("files", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--people", required=True, help="Network that finds people, as for har-edge run.")
@click.option("--pose", help="Network that finds keypoints, as for har-edge run.")
@click.option("--rate", default=8.0, show_default=True, help="Frames a second to look at.")
def locate(out: Path, files: tuple[Path, ...], people: str, pose: str | None, rate: float) -> None:
    """Find and follow the people of FILES once; writes one line a file to OUT."""
    locator = open_locator(people, pose)
    with out.open("w", encoding="utf-8") as stream:
        for number, file in enumerate(files, 1):
            stream.write(json.dumps(_locate(file, locator, rate)) + "\n")
            stream.flush()
            if number % 10 == 0 or number == len(files):
                note(f"{number} of {len(files)} files")


def _locate(file: Path, locator: Locator, rate_hz: float) -> dict[str, object]:
    source, tracker = VideoSource(file), Tracker(locator.sure_score, locator.begin_score)
    rows = []
    for frame in source.frames(FrameSampler(rate_hz)):
        people = tracker.update(locator.locate(frame.pixels), frame.timestamp_s)
        rows.append([frame.timestamp_s, [_pack(p) for p in people], list(tracker.ended)])
    return {"file": file.name, "shape": source.width / source.height, "rows": rows}


def _pack(person: Person) -> list[float | int | None]:
    hips = [] if person.keypoints is None else person.keypoints[list(HIPS)].ravel().tolist()
    return [person.id, int(person.located), *(round(v, 4) for v in (*person.box, *hips))]


def _unpack(values: Sequence[float]) -> Person:
    left, top, right, bottom, *hips = values[2:]
    points: FloatArray | None = None
    if hips:
        points = np.zeros((len(KEYPOINTS), 3), np.float32)
        points[list(HIPS)] = np.reshape(hips, (2, 3))
    located = bool(values[1])
    return Person(1.0, (left, top, right, bottom), points, int(values[0]), located)


def read_tracks(path: Path) -> Iterator[Recording]:
    """Read what `locate` wrote."""
    for line in path.read_text(encoding="utf-8").splitlines():
        values = json.loads(line)
        rows = [(at_s, [_unpack(p) for p in people], gone) for at_s, people, gone in values["rows"]]
        yield Recording(values["file"], values["shape"], rows)


def read_urfd(tracks: Path, postures: Path) -> UrFall:
    """Read UR Fall: what was found, and when people go down."""
    down: dict[str, list[int]] = defaultdict(list)
    with postures.open(encoding="utf-8", newline="") as stream:
        for row in csv.DictReader(stream):
            if int(row["posture"]) == GOING_DOWN:
                down[row["sequence"]].append(int(row["frame"]))
    recordings = list(read_tracks(tracks))
    falls = [
        Fall(r, min(down[r.name]) / URFD_HZ, max(down[r.name]) / URFD_HZ)
        for r in recordings
        if r.name.startswith("fall")
    ]
    return UrFall(falls, [r for r in recordings if not r.name.startswith("fall")])


@command.command()
@click.argument("tracks", type=click.Path(exists=True, path_type=Path))
@click.option(
    "--postures", required=True, type=click.Path(exists=True, path_type=Path),
    help="UR Fall's frames.csv.",
)  # fmt: skip
@click.option("--other", multiple=True, metavar="NAME=TRACKS", help="Recordings without falls.")
@click.option("--low-s", multiple=True, type=float, default=(0.5, 1.0), show_default=True)
@click.option("--out", type=click.Path(path_type=Path), help="JSON file to write.")
def judge(
    tracks: Path, postures: Path, other: tuple[str, ...], low_s: tuple[float, ...], out: Path | None
) -> None:
    """Choose and judge settings on TRACKS of UR Fall; count false alarms elsewhere."""
    data = read_urfd(tracks, postures)
    facts: dict[str, object] = {"machine": machine_facts(), "grid": GRID, "folds": FOLDS}
    facts["chosen_by_folds"] = [_by_folds(data, low) for low in low_s]
    release = FallSettings()
    whole = data.judge(release, data.names)
    facts["release"] = {"settings": asdict(release), "urfd_all_sequences": _figures(whole)}
    facts["elsewhere"] = [
        _elsewhere(name, list(read_tracks(Path(path))), release)
        for name, _, path in (text.partition("=") for text in other)
    ]
    hours = sum(r.duration_s for r in data.daily) / 3600
    facts["urfd_daily_hours"] = round(hours, 4)
    write_result(facts, out)
    click.echo(json.dumps({k: v for k, v in facts.items() if k not in ("machine", "grid")}))


def _by_folds(data: UrFall, low_s: float) -> dict[str, object]:
    """Choose on four folds, judge on the fifth, in turns."""
    grid = [
        FallSettings(low_s=low_s, **dict(zip(GRID, values, strict=True)))
        for values in product(*GRID.values())
    ]
    total, chosen = Judged(), []
    for fold in range(FOLDS):
        held = data.names[fold::FOLDS]
        kept = [name for name in data.names if name not in held]
        best = max(grid, key=lambda settings: data.judge(settings, kept).worth)
        total += data.judge(best, held)
        chosen.append({name: getattr(best, name) for name in GRID})
        note(f"low_s {low_s:g}, fold {fold + 1}: {chosen[-1]}")
    best = max(grid, key=lambda settings: data.judge(settings, data.names).worth)
    on_all = {name: getattr(best, name) for name in GRID}
    return {"low_s": low_s, **_figures(total), "chosen": chosen, "chosen_on_all": on_all}


def _figures(judged: Judged) -> dict[str, object]:
    return {
        "falls_that_go_on_long_enough": judged.possible,
        "found": judged.found,
        "recall": _share(judged.found, judged.possible),
        "found_of_all_30": judged.found_of_all,
        "missed": judged.missed,
        "delay_median_s": round(median(judged.delays_s), 2) if judged.delays_s else None,
        "delay_max_s": round(max(judged.delays_s), 2) if judged.delays_s else None,
        "daily_recordings": judged.quiet,
        "daily_with_an_alarm": _share(len(judged.wrong), judged.quiet),
        "daily_names": judged.wrong,
    }


def _share(count: int, of: int) -> list[float]:
    """A share with its interval of 95 %."""
    share = count / max(1, of)
    low, high = wilson_interval(share, of) if of else (0.0, 1.0)
    return [round(share, 3), round(low, 3), round(high, 3)]


def _elsewhere(name: str, recordings: list[Recording], settings: FallSettings) -> dict[str, object]:
    counts = {r.file: len(r.alarms(settings)) for r in recordings}
    hours = sum(r.duration_s for r in recordings) / 3600
    total = sum(counts.values())
    low, high = poisson_interval(total)
    return {
        "name": name,
        "recordings": len(recordings),
        "hours": round(hours, 4),
        "alarms": total,
        "alarms_per_hour": [round(v / max(hours, 1e-9), 2) for v in (total, low, high)],
        "with_an_alarm": sorted(file for file, count in counts.items() if count),
    }


def poisson_interval(count: int) -> tuple[float, float]:
    """Interval of 95 % of a count of rare events, by Byar's approximation.

    Source: Breslow and Day, Statistical Methods in Cancer Research II (1987), section 2.3.

    Example:
        >>> [round(end, 2) for end in poisson_interval(5)]
        [1.61, 11.67]
    """
    z = 1.959964
    upper = count + 1
    high = upper * (1 - 1 / (9 * upper) + z / (3 * sqrt(upper))) ** 3
    if not count:
        return 0.0, high
    return count * (1 - 1 / (9 * count) - z / (3 * sqrt(count))) ** 3, high
