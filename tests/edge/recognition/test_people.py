"""Person by person: what streaming gives is what recomputing gives, whoever else is there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from har_edge.arrays import Box, FloatArray
from har_edge.errors import ModelFileError
from har_edge.frames.frame import Frame, Person
from har_edge.frames.preprocess import crop_box, cut_box, resize_frame
from har_edge.model.loaded import LoadedModel, load_model
from har_edge.model.spec import HeadInput
from har_edge.model.tensors import Array
from har_edge.people.choose import PeopleRule
from har_edge.people.locate import PeopleParts, locate_ahead
from har_edge.people.pose import MOTION_SIZE, POSE_SIZE
from har_edge.recognition.head_row import head_row
from har_edge.recognition.look import Looker, Seen
from har_edge.recognition.motion import MotionGate
from har_edge.recognition.people import PeopleRecognizer, check_view, new_looker
from har_edge.recognition.prediction import NOBODY, Prediction
from har_edge.testing import FEATURE_SIZE, ScriptedBackend, scripted_model
from tests.support.people import BrightLocator, draw_frames

EVERY = PeopleRule(locate_every=1)
LEFT, RIGHT = (0.1, 0.2, 0.3, 0.9), (0.6, 0.3, 0.8, 0.8)


class Kept(ScriptedBackend):
    """Keeps the windows that it classifies."""

    def __init__(self, script: Sequence[Sequence[float]]) -> None:
        super().__init__(script)
        self.windows: list[np.ndarray] = []

    def classify(self, features: Array) -> FloatArray:
        self.windows.append(features[0].copy())
        return super().classify(features)


def look(looker: Looker, frames: Sequence[Frame]) -> list[Seen]:
    return [looker.look(frame) for frame in frames]


def of_person(seen: Sequence[Seen], number: int) -> list[Prediction]:
    return [p for each in seen for p in each.predictions if p.person == number]


def walk(count: int) -> list[list[Box]]:
    """One person walks right; another comes later, at times hidden behind nothing at all."""
    moments = []
    for i in range(count):
        boxes = [(0.02 + 0.015 * i, 0.2, 0.2 + 0.015 * i, 0.9)]
        if i >= 3:
            boxes.append((0.7, 0.1 + 0.01 * i, 0.9, 0.6 + 0.01 * i))
        moments.append(boxes)
    return moments


def recompute(model: LoadedModel, seen: Sequence[Seen], number: int) -> list[np.ndarray]:
    """The plain way: the crops of each window are cut and encoded again."""
    crops = []
    for each in seen:
        pixels = each.frame.pixels
        person = next((p for p in each.frame.people or () if p.id == number), None)
        if person is not None:
            size = (pixels.shape[0], pixels.shape[1])
            cut = cut_box(pixels, crop_box(person.box, size, model.spec.crop))
            crops.append(resize_frame(cut, model.spec.clip))
    length = model.spec.clip.num_frames
    return [
        model.classify_clip(np.stack(crops[i - length + 1 : i + 1]))
        for i in range(length - 1, len(crops))
    ]


@pytest.mark.parametrize("every", [1, 2, 3])
def test_streaming_equals_recomputing_for_each_person(tiny_model: Path, every: int) -> None:
    model = load_model(tiny_model)
    looker = PeopleRecognizer(model, BrightLocator(), PeopleRule(locate_every=every))
    seen = look(looker, draw_frames(walk(16)))
    for number in (1, 2):
        streamed, expected = of_person(seen, number), recompute(model, seen, number)
        assert len(streamed) == len(expected) >= 9
        tolerance = 0.0 if model.spec.variant == "int8" else 1e-5
        for prediction, probabilities in zip(streamed, expected, strict=True):
            assert np.abs(prediction.probabilities - probabilities).max() <= tolerance
        assert np.ptp([p.probabilities for p in streamed], axis=0).max() > 0.001


def test_who_else_is_there_changes_nothing(tiny_model: Path) -> None:
    model = load_model(tiny_model)
    one_box, other_box = (0.1, 0.3, 0.2, 0.7), (0.6, 0.3, 0.65, 0.6)
    moments = [[one_box, other_box]] * 8
    together = look(PeopleRecognizer(model, BrightLocator(), EVERY), draw_frames(moments))
    alone = look(PeopleRecognizer(model, BrightLocator(), EVERY), draw_frames([[one_box]] * 8))
    for one, other in zip(of_person(together, 1), of_person(alone, 1), strict=True):
        assert one.box == other.box
        assert (one.probabilities == other.probabilities).all()


def test_frames_that_were_located_ahead_give_the_same(tiny_model: Path) -> None:
    """As on the threads that read: the network is asked once for each frame, wherever."""
    model, frames = load_model(tiny_model), draw_frames(walk(12))
    rule = PeopleRule(locate_every=2)
    here = look(PeopleRecognizer(model, BrightLocator(), rule), frames)
    unused = BrightLocator()
    ahead = [locate_ahead(f, BrightLocator()) if f.index % 2 == 0 else f for f in frames]
    there = look(PeopleRecognizer(model, unused, rule), ahead)
    assert unused.looked == 0
    for one, other in zip(here, there, strict=True):
        pairs = zip(one.predictions, other.predictions, strict=True)
        assert all((a.probabilities == b.probabilities).all() and a.box == b.box for a, b in pairs)


def test_predictions_say_who_and_where() -> None:
    looker = PeopleRecognizer(scripted_model([{"a": 0.9, "b": 0.1}]), BrightLocator(), EVERY)
    (seen,) = look(looker, draw_frames([[RIGHT, LEFT]]))
    larger, smaller = seen.predictions
    assert (larger.person, smaller.person) == (1, 2)
    assert larger.box == pytest.approx(LEFT, abs=0.02)
    assert larger.located
    assert larger.locate_ms is not None
    assert larger.action == "a"
    assert [p.id for p in seen.frame.people or ()] == [1, 2]


def test_nobody_is_an_answer_and_costs_nothing() -> None:
    model = scripted_model([{"a": 0.9, "b": 0.1}])
    looker = PeopleRecognizer(model, BrightLocator(), EVERY)
    seen = look(looker, draw_frames([[], [LEFT]]))
    (empty,) = seen[0].predictions
    assert (empty.action, empty.confidence, empty.person) == (NOBODY, 1.0, None)
    assert (empty.encode_ms, empty.classify_ms) == (0, 0)
    assert model.backend.encoded == 1  # type: ignore[attr-defined] # a scripted one counts
    assert [p.person for p in seen[1].predictions] == [1]


def test_nothing_is_said_where_nothing_is_due() -> None:
    looker = PeopleRecognizer(scripted_model([{"a": 0.9, "b": 0.1}]), BrightLocator(), EVERY)
    for frame in draw_frames([[], [LEFT]]):
        assert looker.look(frame, predict=False).predictions == ()


def test_the_largest_are_looked_at_and_the_others_counted() -> None:
    model = scripted_model([{"a": 0.9, "b": 0.1}])
    rule = PeopleRule(locate_every=1, max_people=1)
    (seen,) = look(PeopleRecognizer(model, BrightLocator(), rule), draw_frames([[RIGHT, LEFT]]))
    assert len(seen.predictions) == 1
    assert seen.predictions[0].box == pytest.approx(LEFT, abs=0.02)
    assert seen.left_out == 1
    assert len(seen.frame.people or ()) == 2  # all in view are known


def test_a_window_begins_anew_for_who_was_hidden() -> None:
    """No window spans a time in which a person was not seen."""
    model = scripted_model([{"a": 0.9, "b": 0.1}], num_frames=3)
    looker = PeopleRecognizer(model, BrightLocator(), EVERY)
    moments = [[LEFT]] * 4 + [[]] * 9 + [[LEFT]] * 3
    seen = look(looker, draw_frames(moments))
    assert [i for i, each in enumerate(seen) if any(p.person for p in each.predictions)] == [
        *range(2, 10),  # carried on for 0.6 s, and then hidden
        15,
    ]
    assert [each.hidden for each in seen if each.hidden] == [(1,)]
    assert not any(each.gone for each in seen)
    assert {p.person for p in seen[-1].predictions} == {1}


def test_after_a_gap_all_begins_anew() -> None:
    model = scripted_model([{"a": 0.9, "b": 0.1}], num_frames=2)
    looker = PeopleRecognizer(model, BrightLocator(), PeopleRule(locate_every=2))
    frames = draw_frames([[LEFT]] * 5)
    frames[3] = replace(frames[3], after_gap=True)
    seen = look(looker, frames)
    assert seen[3].gone == (1,)
    assert seen[3].predictions == ()
    assert [p.person for p in seen[4].predictions] == [2]


def test_a_short_source_has_one_prediction_of_each() -> None:
    model = scripted_model([{"a": 0.9, "b": 0.1}], num_frames=8)
    looker = PeopleRecognizer(model, BrightLocator(), EVERY)
    look(looker, draw_frames([[LEFT, RIGHT]] * 3))
    assert [(p.person, p.window_frames) for p in looker.finish()] == [(1, 3), (2, 3)]
    assert looker.finish() == ()


def test_a_still_is_classified_as_a_whole_too() -> None:
    model = scripted_model([{"a": 0.9, "b": 0.1}])
    people = PeopleParts(BrightLocator, PeopleRule())
    looker = new_looker(model, people, still=True)
    (seen,) = look(looker, draw_frames([[LEFT]]))
    assert [p.person for p in seen.predictions] == [None, 1]
    (seen,) = look(new_looker(model, people, still=True), draw_frames([[]]))
    assert [p.action for p in seen.predictions] == [NOBODY]


def test_a_motion_gate_is_each_persons_own() -> None:
    model = scripted_model([{"a": 0.9, "b": 0.1}])
    looker = PeopleRecognizer(model, BrightLocator(), EVERY, new_gate=MotionGate)
    frames = draw_frames([[LEFT]])
    seen = look(looker, [replace(frames[0], index=i, timestamp_s=i / 10) for i in range(3)])
    assert looker.skipped == 2
    assert [each.predictions[0].reused_frame for each in seen] == [None, 0, 0]


def test_a_head_gets_pose_and_motion_beside_features() -> None:
    """Each row is what `head_row` makes of the track, whatever came before the window."""
    inputs: tuple[HeadInput, ...] = ("features", "pose", "motion")
    plain = scripted_model([{"a": 0.9, "b": 0.1}], num_frames=2)
    backend = Kept([[0.9, 0.1]])
    spec = plain.spec.with_(view="person", head_inputs=inputs)
    assert spec.row_size == FEATURE_SIZE + POSE_SIZE + MOTION_SIZE
    model = LoadedModel(spec, Path("scripted"), 0, backend)
    seen = look(PeopleRecognizer(model, BrightLocator(), EVERY), draw_frames(walk(3)))
    people = [(each.frame.people or ())[0] for each in seen]
    for window, last in zip(backend.windows, (1, 2), strict=True):
        for row, i in zip(window, (last - 1, last), strict=True):
            before = people[i - 1] if i else None
            features = row[:FEATURE_SIZE]
            expected = head_row(
                inputs, features, people[i], before=before, seconds=0.1, aspect=80 / 60
            )
            assert row == pytest.approx(expected, rel=1e-5)
    assert backend.windows[0][1][-5] > 0  # the middle moves right


def test_a_head_of_pose_alone_needs_no_pixels() -> None:
    plain = scripted_model([{"a": 0.9, "b": 0.1}])
    spec = plain.spec.with_(view="person", head_inputs=("pose", "motion"), feature_size=0)
    model = LoadedModel(spec, Path("p"), 0, plain.backend)
    (seen,) = look(PeopleRecognizer(model, BrightLocator(), EVERY), draw_frames([[LEFT]]))
    assert seen.predictions[0].action == "a"
    assert seen.predictions[0].encode_ms == seen.predictions[0].preprocess_ms == 0
    assert model.backend.encoded == 0  # type: ignore[attr-defined] # a scripted one counts
    with pytest.raises(ModelFileError, match="Received nothing that finds them"):
        new_looker(model, None)


class BoxLocator(BrightLocator):
    """Finds boxes without keypoints."""

    name = "a detector of boxes"
    gives_keypoints = False


@pytest.mark.parametrize("inputs", [("pose",), ("pose", "motion"), ("motion",)])
def test_boxes_alone_are_enough_for_motion_and_not_for_poses(inputs: tuple[HeadInput, ...]) -> None:
    plain = scripted_model([{"a": 0.9, "b": 0.1}])
    spec = plain.spec.with_(view="person", head_inputs=inputs, feature_size=0)
    people = PeopleParts(BoxLocator, EVERY)
    if "pose" not in inputs:
        check_view(spec, people)
        return
    with pytest.raises(ModelFileError, match=r"Received a detector of boxes.*--people.*--pose"):
        check_view(spec, people)


def test_a_still_for_a_model_of_poses_has_its_people_alone() -> None:
    """One frame stands for the whole window; there is no picture without people to classify."""
    plain = scripted_model([{"a": 0.9, "b": 0.1}], num_frames=8)
    spec = plain.spec.with_(view="person", head_inputs=("pose", "motion"), feature_size=0)
    model = LoadedModel(spec, Path("p"), 0, plain.backend)
    looker = new_looker(model, PeopleParts(BrightLocator, EVERY), still=True)
    assert look(looker, draw_frames([[LEFT, RIGHT]]))[0].predictions == ()
    said = looker.finish()
    assert [p.person for p in said] == [1, 2]
    assert {p.window_frames for p in said} == {1}


@pytest.mark.parametrize(
    ("box", "size"),
    [
        ((-0.2, 0.2, 0.1, 0.9), (60, 80)),  # half outside
        ((0.3, 0.0, 0.6, 1.0), (160, 90)),  # portrait
        ((0.47, 0.1, 0.5, 0.9), (40, 640)),  # 16:1
    ],
    ids=["border", "portrait", "panorama"],
)
def test_people_in_odd_places(tiny_model: Path, box: Box, size: tuple[int, int]) -> None:
    class Told(BrightLocator):
        def locate(self, pixels: np.ndarray) -> tuple[Person, ...]:
            return (Person(0.9, (max(0.0, box[0]), box[1], box[2], box[3])),)

    model = load_model(tiny_model)
    pixels = np.random.default_rng(1).integers(0, 256, (*size, 3), np.uint8)
    looker = PeopleRecognizer(model, Told(), EVERY)
    seen = [
        looker.look(Frame(np.roll(pixels, i, 0), i / 10, i, "odd", 0.0))
        for i in range(model.spec.clip.num_frames)
    ]
    (prediction,) = seen[-1].predictions
    assert np.isfinite(prediction.probabilities).all()


def test_a_crowd_of_fifty_is_followed_and_five_are_looked_at() -> None:
    model = scripted_model([{"a": 0.9, "b": 0.1}])
    crowd = [
        (0.1 * i + 0.02, 0.2 * j + 0.03, 0.1 * i + 0.07, 0.2 * j + 0.13 + 0.004 * i)
        for i in range(10)
        for j in range(5)
    ]
    frames = [
        replace(frame, people=tuple(Person(0.9, box) for box in crowd))
        for frame in draw_frames([[]] * 3)
    ]
    seen = look(PeopleRecognizer(model, BrightLocator(), PeopleRule()), frames)
    for each in seen:
        assert len(each.frame.people or ()) == 50
        assert (len(each.predictions), each.left_out) == (5, 45)
    assert {p.person for p in seen[0].predictions} == {p.person for p in seen[2].predictions}


@pytest.mark.parametrize(("frames_of_late_comer", "expected"), [(3, []), (4, [(2, 4)])])
def test_who_comes_at_the_very_end_is_not_guessed_at(
    frames_of_late_comer: int, expected: list[tuple[int, int]]
) -> None:
    model = scripted_model([{"a": 0.9, "b": 0.1}], num_frames=8)
    looker = PeopleRecognizer(model, BrightLocator(), EVERY)
    alone = 10 - frames_of_late_comer
    look(looker, draw_frames([[LEFT]] * alone + [[LEFT, RIGHT]] * frames_of_late_comer))
    assert [(p.person, p.window_frames) for p in looker.finish()] == expected
