"""Models of poses alone from the file to the answer: the bundled network finds their people."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import har_edge
from har_edge.arrays import FloatArray
from har_edge.config import ModelConfig, PeopleConfig
from har_edge.errors import DataError, ModelFileError
from har_edge.model.loaded import LoadedModel, load_model
from har_edge.people.choose import PeopleRule
from har_edge.people.locate import PeopleParts
from har_edge.people.open import BUNDLED_FILE, choose_people
from har_edge.recognition.people import PeopleRecognizer
from har_edge.recognition.taught import Background, Taught, describe
from har_edge.recognition.taught_file import described_size, model_checksum, write_taught
from har_edge.recognition.teach import record_windows, teach
from har_edge.run.parts import build_people
from har_edge.server.answers import warm_up
from har_edge.sources.files import VideoSource
from har_edge.testing import ScriptedSource, scripted_model
from tests.conftest import ASSETS, write_video
from tests.support.people import SSD, BrightLocator, draw_frames, teacher

POSES = ASSETS / "tiny-pose-int8.tflite"
WHOLE = ASSETS / "tiny-int8.tflite"
LEFT, RIGHT = (0.1, 0.2, 0.3, 0.9), (0.6, 0.3, 0.8, 0.8)
EVERY = PeopleParts(BrightLocator, PeopleRule(locate_every=1))


@pytest.fixture
def model() -> LoadedModel:
    return load_model(POSES)


@pytest.fixture
def bright(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have teaching find bright rectangles."""
    monkeypatch.setattr("har_edge.recognition.teach.find_own_people", lambda model: EVERY)


@pytest.fixture
def walk(tmp_path: Path) -> Path:
    """Two seconds of somebody who walks to the right, at the rate of the model."""
    moments = [[(0.05 + 0.05 * i, 0.2, 0.25 + 0.05 * i, 0.9)] for i in range(10)]
    return write_video(tmp_path / "walk.mp4", [f.pixels for f in draw_frames(moments)], fps=5)


def test_the_bundled_network_is_taken_where_people_are_needed(tmp_path: Path) -> None:
    assert choose_people(POSES, PeopleConfig()) == BUNDLED_FILE
    assert choose_people(POSES, PeopleConfig(whole_picture=True)) is None
    assert choose_people(POSES, PeopleConfig(detector="ssd.tflite")) == Path("ssd.tflite")
    assert choose_people(WHOLE, PeopleConfig()) is None


def test_a_line_says_so() -> None:
    notes: list[str] = []
    people = build_people(ModelConfig(model=POSES), notes.append)
    assert people is not None
    assert notes == ["Network people finds people: tiny-pose recognises each by pose and motion."]
    assert build_people(ModelConfig(model=WHOLE), notes.append) is None
    assert len(notes) == 1


@pytest.mark.parametrize(
    ("file", "given", "expected"), [(POSES, None, 1), (POSES, 3, 3), (WHOLE, None, 2)]
)
def test_poses_are_looked_for_in_every_frame_unless_the_user_says_otherwise(
    file: Path, given: int | None, expected: int
) -> None:
    detector = None if file == POSES else "people"
    config = ModelConfig(model=file, people=PeopleConfig(detector=detector, locate_every=given))
    people = build_people(config, lambda line: None)
    assert people is not None
    assert people.rule.locate_every == expected


def test_whole_pictures_and_boxes_alone_are_refused() -> None:
    with pytest.raises(ModelFileError, match=r"tiny-pose recognises.*leave --whole-picture out"):
        har_edge.load(POSES, people=PeopleConfig(whole_picture=True))
    with pytest.raises(ModelFileError, match=r"with their keypoints.*gives boxes alone.*--pose"):
        har_edge.load(POSES, people=teacher(SSD))


def test_a_picture_is_answered_for_its_largest_person() -> None:
    model = har_edge.load(POSES)
    answer = model.classify(har_edge.sample_path("seated.jpg"))
    assert answer.person == 1
    assert (answer.window_frames, answer.encode_ms, answer.preprocess_ms) == (1, 0, 0)
    assert answer.action in model.labels
    assert model.classify(np.full((480, 640, 3), 128, np.uint8)).action == "nobody"


def test_a_video_is_answered_for_its_people() -> None:
    """What streaming says is what the rows of each person's last frames give."""
    model = har_edge.load(POSES)
    said = [p for p in model.recognize(har_edge.sample_path("two_people.mp4"), smoothing_s=0)]
    people = {p.person for p in said if p.person}
    assert len(people) >= 2
    assert all(p.keypoints is not None and p.located for p in said if p.located)
    assert {p.encode_ms for p in said} == {0.0}


def test_a_server_warms_it_up(model: LoadedModel) -> None:
    assert warm_up(model) is model


def test_taught_windows_are_those_that_a_run_classifies(model: LoadedModel, walk: Path) -> None:
    """T rows of pose and motion, described: neither features of pixels nor other lengths."""
    heard: list[float] = []
    windows = record_windows(
        model,
        VideoSource(walk),
        duration_s=10,
        people=EVERY,
        heard=lambda source, time_s: heard.append(time_s),
    )
    assert windows.shape == (7, described_size(model)) == (7, 2 * 45)
    assert len(heard) == 10
    kept = Kept(model)
    looker = PeopleRecognizer(kept, BrightLocator(), PeopleRule(locate_every=1))
    from har_edge.frames.sampling import FrameSampler

    for frame in VideoSource(walk).frames(FrameSampler(5.0)):
        looker.look(frame)
    # A run answers for windows that are not full yet, too; nothing is learnt from these.
    full = kept.windows[model.spec.clip.num_frames - 1 :]
    assert np.array_equal(windows, np.stack([describe(window) for window in full]))


class Kept(LoadedModel):
    """Keeps the windows that it classifies."""

    def __init__(self, model: LoadedModel) -> None:
        super().__init__(model.spec, model.path, model.size_bytes, model.backend)
        self.windows: list[FloatArray] = []

    def classify(self, window: FloatArray) -> FloatArray:
        self.windows.append(window.copy())
        return super().classify(window)


def test_answers_come_early_of_windows_filled_with_the_first_row(walk: Path) -> None:
    from har_edge.frames.sampling import FrameSampler

    plain = scripted_model([{"a": 0.9, "b": 0.1}], num_frames=8)
    spec = plain.spec.with_(view="person", head_inputs=("pose", "motion"), feature_size=0)
    kept = Kept(LoadedModel(spec, Path("p"), 0, plain.backend))
    looker = PeopleRecognizer(kept, BrightLocator(), PeopleRule(locate_every=1))
    said = [looker.look(f).predictions for f in VideoSource(walk).frames(FrameSampler(5.0))]
    seen = [[p.window_frames for p in predictions] for predictions in said]
    assert seen == [[], [2], [3], [4], [5], [6], [7], [8], [8], [8]]
    assert looker.finish() == ()  # all is said
    early, full = kept.windows[0], kept.windows[6]
    assert np.array_equal(early, full[[0] * 7 + [1]])
    # Rows that came later change nothing but their own places.
    assert np.array_equal(kept.windows[7][:-1], full[1:])


def test_of_less_than_a_window_there_is_one(model: LoadedModel, tmp_path: Path) -> None:
    moments = [[LEFT, (0.6, 0.3, 0.7, 0.5)]] * 2
    short = write_video(tmp_path / "a.mp4", [f.pixels for f in draw_frames(moments)], fps=5)
    windows = record_windows(model, VideoSource(short), duration_s=10, people=EVERY)
    assert windows.shape == (1, described_size(model))


def test_of_nobody_there_is_nothing_to_learn(model: LoadedModel) -> None:
    source = ScriptedSource(count=12, rate_hz=5)
    windows = record_windows(model, source, duration_s=10, people=EVERY)
    assert windows.shape == (0, described_size(model))


def test_without_people_nothing_is_recorded(model: LoadedModel) -> None:
    with pytest.raises(ModelFileError, match="Received nothing that finds them"):
        record_windows(model, ScriptedSource(count=3, rate_hz=5), duration_s=10)


def test_an_action_is_taught_by_a_person(
    bright: None, model: LoadedModel, walk: Path, tmp_path: Path
) -> None:
    path, random = tmp_path / "taught.npz", np.random.default_rng(0)
    background = Background.of(random.random((100, described_size(model)), np.float32))
    write_taught(model, Taught(model_checksum(model), background), path)
    known = teach(model, "walking", [VideoSource(walk)], path, duration_s=10)
    assert known.names == ("walking",)
    with pytest.raises(DataError, match=r"Received 0\. Record for longer, with somebody in view"):
        nobody = ScriptedSource(count=12, rate_hz=5)
        teach(model, "standing", [nobody], path, duration_s=10)


def test_the_model_is_found_by_the_api_with_what_was_taught(
    bright: None, model: LoadedModel, walk: Path, tmp_path: Path
) -> None:
    path, random = tmp_path / "taught.npz", np.random.default_rng(0)
    background = Background.of(random.random((100, described_size(model)), np.float32))
    write_taught(model, Taught(model_checksum(model), background), path)
    teach(model, "walking", [VideoSource(walk)], path, duration_s=10)
    loaded = har_edge.load(POSES, taught=path)
    assert loaded.labels == ("left", "right", "still", "walking")
    assert replace(loaded.spec, labels=model.spec.labels) == model.spec
