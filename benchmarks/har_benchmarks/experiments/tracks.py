"""How often a person's number changes, beside published trackers on the same boxes.

    har-bench experiment tracks DETECTOR CLIPS [--scenes N] [--out JSON]

People are cut out of CLIPS and composed into scenes in which two to four of them cross. DETECTOR
looks at each composed frame; what it finds is given to our tracker and, where they are installed,
to those of norfair and of supervision (ByteTrack). A switch is counted when a person whose place
is known gets another number than when last seen; `lost` counts frames in which a person who is
seen by half and more has no number at all.
"""

from __future__ import annotations

import importlib
import importlib.util
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import click
import numpy as np

from har_benchmarks.experiments.composed import Moment, compose, cut_sprites
from har_benchmarks.experiments.result import write_result
from har_benchmarks.results.document import file_facts
from har_edge.arrays import Box
from har_edge.commands.harness import note
from har_edge.frames.frame import Person
from har_edge.machine.facts import machine_facts
from har_edge.people.boxes import overlap
from har_edge.people.open import open_locator
from har_edge.people.track import END_S, Tracker
from har_edge.progress import Progress

RATE_HZ = 8.0
SCENE_S = 30.0
# Overlap from which a number is somebody's.
SAME = 0.4

# Takes what was found at a time; gives numbers and boxes.
Follow = Callable[[Sequence[Person], float], list[tuple[int, Box]]]


@dataclass
class Counts:
    """What became of numbers in all scenes.

    Attributes:
        switches: Changes of a person's number.
        lost: Frames of people without a number.
        seen: Frames of people who are seen by half and more.
        minutes: Of people's time.
        spent_s: Time that the tracker took.
        frames: Frames that it took it for.
    """

    switches: int = 0
    lost: int = 0
    seen: int = 0
    minutes: float = 0.0
    spent_s: float = 0.0
    frames: int = 0

    def as_dict(self) -> dict[str, float]:
        """Figures for a result."""
        return {
            "switches": self.switches,
            "person_minutes": round(self.minutes, 2),
            "switches_per_minute": round(self.switches / max(self.minutes, 1e-9), 3),
            "lost_share": round(self.lost / max(self.seen, 1), 4),
            "ms_per_frame": round(self.spent_s / max(self.frames, 1) * 1e3, 4),
        }


@dataclass
class Judge:
    """Compares numbers with the people that they should belong to, over one scene."""

    counts: Counts
    known: dict[int, int] = field(default_factory=dict)

    def see(self, boxes: Sequence[Box | None], tracks: Sequence[tuple[int, Box]]) -> None:
        """Count one frame."""
        for who, box in enumerate(boxes):
            if box is None:
                continue
            self.counts.seen += 1
            self.counts.minutes += 1 / RATE_HZ / 60
            near = {number: overlap(box, place) for number, place in tracks}
            number = self.known.get(who, 0)
            if near.get(number, 0.0) < SAME:  # else the number is still this person's
                number = max(near, key=lambda each: near[each], default=0)
            if near.get(number, 0.0) < SAME:
                self.counts.lost += 1
                continue
            self.counts.switches += self.known.get(who, number) != number
            self.known[who] = number


@click.command()
@click.argument("detector", type=click.Path(exists=True, path_type=Path))
@click.argument("clips", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--scenes", type=click.IntRange(min=1), default=8, show_default=True, metavar="N",
              help="Scenes to compose, of two to four people in turn.")  # fmt: skip
@click.option("--out", type=click.Path(path_type=Path), help="JSON file to write.")
def command(detector: Path, clips: Path, scenes: int, out: Path | None) -> None:
    """Count how often people who cross change their number, with people cut out of CLIPS.

    \b
    Example:
      har-bench experiment tracks detector.tflite DATA/ucf101/Punch --out tracks.json
    """
    locator = open_locator(detector)
    paths = sorted(clips.rglob("*.mp4"))
    sprites = cut_sprites(paths[:: max(1, len(paths) // 60)], locator, 4, RATE_HZ)
    counts: dict[str, Counts] = {}
    found = 0
    tick = Progress(scenes, "Following", "scene")
    for scene in range(scenes):
        chosen = sprites[: 2 + scene % 3]
        moments = list(compose(chosen, count=round(SCENE_S * RATE_HZ), rate_hz=RATE_HZ, seed=scene))
        finds = [locator.locate(moment.pixels) for moment in moments]
        found += sum(map(len, finds))
        for every in (1, 2):
            for name, follow in followers(locator.sure_score).items():
                key = f"{name}, every {every}"
                judge_scene(counts.setdefault(key, Counts()), follow, moments, finds, every)
        tick(1)
    facts = {
        "detector": file_facts(detector),
        "scenes": scenes,
        "scene_s": SCENE_S,
        "rate_hz": RATE_HZ,
        "finds": found,
        "trackers": {name: each.as_dict() for name, each in counts.items()},
        "machine": machine_facts(),
    }
    for name, each in counts.items():
        note(f"{name:<28} {each.as_dict()}")
    write_result(facts, out)


def judge_scene(
    counts: Counts,
    follow: Follow,
    moments: Sequence[Moment],
    finds: Sequence[Sequence[Person]],
    every: int,
) -> None:
    """Follow the people of one scene in every so many-th frame."""
    judge = Judge(counts)
    for i in range(0, len(moments), every):
        started = time.perf_counter()
        tracks = follow(finds[i], i / RATE_HZ)
        counts.spent_s += time.perf_counter() - started
        counts.frames += 1
        judge.see(moments[i].boxes, tracks)


def followers(sure_score: float) -> dict[str, Follow]:
    """A new tracker of each kind that is installed."""
    found = {"har-edge": follow_ours(sure_score)}
    if importlib.util.find_spec("norfair"):
        found["norfair"] = follow_norfair(sure_score)
    if importlib.util.find_spec("supervision"):
        found["supervision ByteTrack"] = follow_byte_track(sure_score)
    return found


def follow_ours(sure_score: float) -> Follow:
    """Our own tracker."""
    tracker = Tracker(sure_score)

    def follow(found: Sequence[Person], now_s: float) -> list[tuple[int, Box]]:
        return [(person.id or 0, person.box) for person in tracker.update(found, now_s)]

    return follow


def follow_norfair(sure_score: float) -> Follow:
    """norfair's, on boxes, with the same memory as ours; it has no second round for weak finds."""
    norfair = importlib.import_module("norfair")
    memory = round(END_S * RATE_HZ)
    tracker = norfair.Tracker(
        distance_function="iou", distance_threshold=0.85, hit_counter_max=memory,
        initialization_delay=0,
    )  # fmt: skip

    def follow(found: Sequence[Person], now_s: float) -> list[tuple[int, Box]]:
        detections = [
            norfair.Detection(np.array(person.box).reshape(2, 2))
            for person in found
            if person.score >= sure_score
        ]
        tracks = tracker.update(detections)
        return [
            (int(each.id), tuple(map(float, each.estimate.reshape(-1))))  # type: ignore[misc]
            for each in tracks
        ]

    return follow


def follow_byte_track(sure_score: float) -> Follow:
    """supervision's ByteTrack, with the same memory as ours."""
    supervision = importlib.import_module("supervision")
    tracker = supervision.ByteTrack(
        track_activation_threshold=sure_score,
        lost_track_buffer=round(END_S * 30),
        minimum_matching_threshold=0.85,
        frame_rate=RATE_HZ,
    )

    def follow(found: Sequence[Person], now_s: float) -> list[tuple[int, Box]]:
        if not found:
            detections = supervision.Detections.empty()
        else:
            detections = supervision.Detections(
                xyxy=np.array([person.box for person in found], np.float32) * 1000,
                confidence=np.array([person.score for person in found], np.float32),
                class_id=np.zeros(len(found), int),
            )
        tracks = tracker.update_with_detections(detections)
        numbers = [] if tracks.tracker_id is None else tracks.tracker_id.tolist()
        boxes = (tracks.xyxy / 1000).tolist()
        return [
            (number, (box[0], box[1], box[2], box[3]))
            for number, box in zip(numbers, boxes, strict=True)
        ]

    return follow
