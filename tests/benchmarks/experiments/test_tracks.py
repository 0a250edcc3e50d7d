"""How trackers are judged."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from har_benchmarks.experiments import tracks
from har_benchmarks.experiments.composed import Sprite
from har_benchmarks.experiments.tracks import Counts, Judge
from har_edge.arrays import Pixels
from har_edge.frames.frame import Person
from tests.benchmarks.experiments.conftest import Experiment

HERE, THERE = (0.1, 0.1, 0.3, 0.9), (0.6, 0.1, 0.8, 0.9)


class Fixed:
    """Sees two people who never move."""

    sure_score = begin_score = 0.5
    gives_keypoints = True

    def locate(self, pixels: Pixels) -> tuple[Person, ...]:
        return (Person(0.9, HERE), Person(0.8, THERE))


def test_a_switch_is_another_number_than_when_last_seen() -> None:
    judge = Judge(Counts())
    judge.see([HERE, THERE], [(1, HERE), (2, THERE)])
    judge.see([HERE, None], [(1, HERE)])
    judge.see([HERE, THERE], [(2, HERE), (1, THERE)])
    judge.see([HERE, THERE], [(2, HERE)])
    assert (judge.counts.switches, judge.counts.lost, judge.counts.seen) == (2, 1, 7)


def test_a_double_takes_no_number_away() -> None:
    judge = Judge(Counts())
    judge.see([HERE], [(1, HERE)])
    judge.see([HERE], [(2, HERE), (1, (0.1, 0.1, 0.3, 0.8))])
    assert judge.counts.switches == 0


def test_scenes_are_followed(experiment: Experiment, monkeypatch: pytest.MonkeyPatch) -> None:
    sprite = Sprite((np.zeros((40, 20, 3), np.uint8),) * 2)
    monkeypatch.setattr(tracks, "open_locator", lambda path: Fixed())
    monkeypatch.setattr(tracks, "cut_sprites", lambda *arguments: [sprite] * 4)
    monkeypatch.setattr(tracks, "SCENE_S", 2.0)
    detector = Path("detector.tflite")
    detector.write_bytes(b"made up")
    experiment("tracks", detector, ".", "--scenes", "3", "--out", "out.json")
    found = json.loads(Path("out.json").read_text())
    assert found["finds"] == 3 * 16 * 2
    assert {"har-edge, every 1", "har-edge, every 2"} <= found["trackers"].keys()
    assert found["trackers"]["har-edge, every 1"]["switches"] >= 0
