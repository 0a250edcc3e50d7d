"""The public model where people are told apart."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import har_edge
from har_edge.config import PeopleConfig
from har_edge.frames.sampling import FrameSampler
from har_edge.people.choose import PeopleRule
from har_edge.people.locate import PeopleParts
from har_edge.recognition.model import Model, load
from har_edge.recognition.prediction import NOBODY
from har_edge.testing import scripted_model
from tests.conftest import ASSETS, write_video
from tests.support.people import SSD, BrightLocator, draw_frames, draw_people, teacher

LEFT, RIGHT = (0.1, 0.2, 0.3, 0.9), (0.6, 0.3, 0.8, 0.8)
SITTING, FALLING = {"sitting": 0.75, "falling": 0.25}, {"sitting": 0.0, "falling": 1.0}


def people_model(*script: dict[str, float], num_frames: int = 1) -> Model:
    loaded = scripted_model(script, num_frames=num_frames)
    return Model(loaded, PeopleParts(BrightLocator, PeopleRule()))


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    moments = [[]] * 2 + [[LEFT]] * 4 + [[LEFT, RIGHT]] * 4
    return write_video(tmp_path / "two.mp4", [f.pixels for f in draw_frames(moments)], fps=10)


def test_each_person_has_predictions_of_their_own(clip: Path) -> None:
    said = list(people_model(SITTING).recognize(clip, smoothing_s=0))
    assert [p.action for p in said[:2]] == [NOBODY, NOBODY]
    assert {p.person for p in said} == {None, 1, 2}
    assert all(p.box is not None for p in said if p.person)


def test_events_are_of_people(clip: Path) -> None:
    events = list(people_model(FALLING).events(clip, smoothing_s=0, min_duration_s=0.2))
    assert {e.person for e in events} == {1, 2}
    assert [e.kind for e in events].count("action_ended") == 2


def test_a_clip_is_answered_by_who_is_there_for_longest(clip: Path) -> None:
    answer = people_model(SITTING).classify(clip)
    assert (answer.person, answer.action) == (1, "sitting")


def test_a_picture_is_answered_by_the_whole_and_its_largest_person() -> None:
    pixels = draw_people([LEFT, RIGHT])
    answer = people_model(SITTING, FALLING, SITTING).classify(pixels)
    shares = dict(answer.top())
    # Of two people and the whole, the largest and the whole count: sitting, then falling.
    assert set(shares) == {"sitting", "falling"}
    assert answer.person == 1
    assert people_model(SITTING).classify(np.zeros((40, 60, 3), np.uint8)).action == NOBODY


def test_a_detector_is_loaded_with_the_model() -> None:
    model = load("har15", people=teacher(SSD))
    answer = model.classify(har_edge.sample_path("lying.jpg"))
    assert (answer.action, answer.person) == ("sleeping", 1)
    frames = har_edge.open_source(har_edge.sample_path("lying.jpg")).frames(FrameSampler(1))
    assert next(frames).people is None  # a source alone looks for nobody


def test_a_model_looks_for_nobody_unless_it_is_told() -> None:
    tiny = ASSETS / "tiny-int8.tflite"
    assert load(tiny).people is None
    assert load(tiny, people=PeopleConfig(whole_picture=True)).people is None
