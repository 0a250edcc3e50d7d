"""A run that tells people apart: what reaches the sinks, whoever finds the people where."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import pytest

from har_edge.arrays import Box
from har_edge.config import PeopleConfig, RunConfig, SinkConfig, SourceConfig
from har_edge.errors import ConfigError
from har_edge.frames.sampling import FrameSampler
from har_edge.people.choose import PeopleRule
from har_edge.people.locate import PeopleParts
from har_edge.recognition.decide import Decider
from har_edge.recognition.events import Event, EventTracker
from har_edge.recognition.people import PeopleRecognizer
from har_edge.recognition.prediction import NOBODY, Prediction
from har_edge.run.build import build_run
from har_edge.run.lanes import SourceOpener
from har_edge.run.runner import Run, RunResult
from har_edge.sinks.base import Record, Shot
from har_edge.sources.base import FrameSource
from har_edge.sources.files import ImageSource, VideoSource
from har_edge.testing import ScriptedSource, scripted_model
from tests.conftest import write_video
from tests.support.people import BrightLocator, draw_frames, draw_people

LEFT, RIGHT = (0.1, 0.2, 0.3, 0.9), (0.6, 0.3, 0.8, 0.8)
FALLS = {"falling": 0.9, "still": 0.1}
RATE_HZ = 10.0


class Collected:
    """Sinks that keeps everything."""

    want_shots = True

    def __init__(self) -> None:
        self.records: list[Record] = []

    def put(self, record: Record, *, wait: bool) -> None:
        self.records.append(record)

    def hurry(self) -> None:
        pass

    @property
    def predictions(self) -> list[Prediction]:
        return [record for record in self.records if isinstance(record, Prediction)]

    @property
    def shots(self) -> list[Shot]:
        return [record for record in self.records if isinstance(record, Shot)]

    @property
    def events(self) -> list[Event]:
        return [record for record in self.records if isinstance(record, Event)]


def run(
    source: FrameSource, rule: PeopleRule | None = None, **settings: object
) -> tuple[Collected, RunResult, list[str]]:
    sinks, notes = Collected(), list[str]()
    model = scripted_model([FALLS], frame_rate_hz=RATE_HZ)
    go = Run(
        model=model,
        sinks=sinks,
        note=notes.append,
        new_decider=partial(Decider.for_spec, model.spec, smoothing_s=0),
        tracker=EventTracker(0.2),
        people=PeopleParts(BrightLocator, rule or PeopleRule()),
        **settings,  # type: ignore[arg-type]
    )
    result = go([SourceOpener(source.name, lambda notify: source)])
    return sinks, result, notes


def clip(path: Path, moments: Sequence[Sequence[Box]]) -> Path:
    return write_video(path, [f.pixels for f in draw_frames(moments)], fps=RATE_HZ)


def test_people_reach_the_sinks(tmp_path: Path) -> None:
    moments = [[]] * 2 + [[LEFT, RIGHT]] * 8
    sinks, result, _ = run(VideoSource(clip(tmp_path / "two.mp4", moments)))
    shots = sinks.shots
    assert len(shots) == 10
    assert shots[0].prediction is not None
    assert (shots[0].prediction.action, shots[0].people) == (NOBODY, ())
    assert shots[0].frame.people == ()
    assert [p.person for p in shots[2].people] == [1, 2]
    assert [p.action for p in shots[2].people] == ["falling", "falling"]
    assert shots[2].prediction is None
    assert [p.id for p in shots[2].frame.people or ()] == [1, 2]
    assert [p.located for p in shots[3].people] == [False, False]
    assert [(e.kind, e.person) for e in sinks.events] == [
        ("action_started", 1),
        ("action_started", 2),
        ("action_ended", 1),
        ("action_ended", 2),
    ]
    assert "2 people" in result.summary.format()
    assert "person 1: falling 100%" in result.summary.format()


def test_people_are_told_by_their_numbers_whoever_is_larger(tmp_path: Path) -> None:
    near: list[Box] = [(0.02, 0.3 - 0.03 * i, 0.3, 0.7 + 0.03 * i) for i in range(8)]
    path = clip(tmp_path / "near.mp4", [[box, (0.6, 0.2, 0.9, 0.8)] for box in near])
    sinks, _, _ = run(VideoSource(path))
    by_frame: dict[int, list[int | None]] = {}
    for said in sinks.predictions:
        by_frame.setdefault(said.frame, []).append(said.person)
    assert set(map(tuple, by_frame.values())) == {(1, 2)}
    # The shots tell who was larger, which did change.
    assert {tuple(p.person for p in shot.people) for shot in sinks.shots} == {(1, 2), (2, 1)}
    larger = [p.person for p in sinks.predictions if p.largest]
    assert larger == [shot.people[0].person for shot in sinks.shots]


def test_an_event_ends_when_its_person_has_gone(tmp_path: Path) -> None:
    moments = [[LEFT]] * 6 + [[]] * 30
    sinks, _, _ = run(VideoSource(clip(tmp_path / "gone.mp4", moments)))
    started, ended = sinks.events
    assert (ended.person, ended.number) == (1, started.number)
    place = sinks.records.index(ended)
    assert any(isinstance(r, Shot) for r in sinks.records[place:])  # not only at the end
    assert ended.end_s == pytest.approx(1.1, abs=0.15)  # shown for 0.6 s after the last find


@pytest.mark.parametrize("workers", [1, 3])
def test_where_people_are_looked_for_changes_nothing(tmp_path: Path, workers: int) -> None:
    moments = [[(0.02 + 0.02 * i, 0.2, 0.2 + 0.02 * i, 0.9), RIGHT] for i in range(20)]
    path = clip(tmp_path / "walk.mp4", moments)
    ahead, _, _ = run(VideoSource(path), num_workers=workers)
    model = scripted_model([FALLS], frame_rate_hz=RATE_HZ)
    frames = list(VideoSource(path).frames(FrameSampler(RATE_HZ)))
    looker = PeopleRecognizer(model, BrightLocator(), PeopleRule())
    expected = [p for frame in frames for p in looker.look(frame).predictions]
    assert [(p.frame, p.person, p.box) for p in ahead.predictions] == [
        (p.frame, p.person, p.box) for p in expected
    ]


def test_a_crowd_is_said_once_and_counted(tmp_path: Path) -> None:
    path = clip(tmp_path / "crowd.mp4", [[LEFT, RIGHT]] * 6)
    sinks, result, notes = run(VideoSource(path), PeopleRule(max_people=1))
    assert len(notes) == 1
    assert "more than 1 person;" in notes[0]
    assert "--max-people" in notes[0]
    assert {len(shot.people) for shot in sinks.shots} == {1}
    assert "not looked at: 1.0 a frame" in result.summary.format()


def test_a_still_has_each_person_and_the_whole(tmp_path: Path) -> None:
    from PIL import Image

    Image.fromarray(draw_people([LEFT, RIGHT])).save(tmp_path / "two.png")
    sinks, _, _ = run(ImageSource(tmp_path / "two.png"))
    assert [p.person for p in sinks.predictions] == [None, 1, 2]
    (shot,) = sinks.shots
    assert shot.prediction is sinks.predictions[0]
    assert [p.person for p in shot.people] == [1, 2]


def test_an_empty_camera_says_nobody_and_no_event() -> None:
    sinks, result, _ = run(ScriptedSource("camera:0", count=9, rate_hz=RATE_HZ, live=True))
    assert {p.action for p in sinks.predictions} == {NOBODY}
    assert sinks.events == []
    assert result.summary.actions() == [(NOBODY, 1.0, 1.0)]


def test_settings_that_contradict_each_other_are_refused() -> None:
    with pytest.raises(ConfigError, match="Received --people too"):
        PeopleConfig(detector="ssd.tflite", whole_picture=True)
    with pytest.raises(ConfigError, match="--pose needs --people"):
        PeopleConfig(pose="pose.tflite")
    with pytest.raises(ConfigError, match="locate_every"):
        PeopleConfig(locate_every=0)


def test_whole_pictures_stay_as_they_were(tmp_path: Path) -> None:
    """Without a detector a run is the same with and without `--whole-picture`."""
    source = SourceConfig(demo=True)
    for people in (PeopleConfig(), PeopleConfig(whole_picture=True)):
        output = tmp_path / "out"
        config = RunConfig(source=source, people=people, sink=SinkConfig(output=output))
        built = build_run(config, lambda line: None)
        built.sinks.close()
        assert built.run.people is None
