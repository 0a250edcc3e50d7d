"""Answers to uploads where people are told apart."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

pytest.importorskip("fastapi", reason="needs the extra serve")

from har_edge.people.choose import PeopleRule
from har_edge.people.locate import PeopleParts
from har_edge.recognition.decide import Decider
from har_edge.replies import Answer
from har_edge.server.answers import Answering
from har_edge.server.uploads import Upload
from har_edge.testing import scripted_model
from tests.conftest import write_video
from tests.support.people import BrightLocator, draw_frames, draw_people

LEFT, RIGHT = (0.1, 0.2, 0.3, 0.9), (0.6, 0.3, 0.8, 0.8)
MODEL = scripted_model([{"sitting": 0.75, "falling": 0.25}])


def answering(**settings: object) -> Answering:
    return Answering(
        Decider.for_spec,
        min_duration_s=0.2,
        people=PeopleParts(BrightLocator, PeopleRule()),
        **settings,  # type: ignore[arg-type]
    )


def test_a_clip_tells_of_each_person(tmp_path: Path) -> None:
    moments = [[LEFT]] * 5 + [[LEFT, RIGHT]] * 5
    path = write_video(tmp_path / "two.mp4", [f.pixels for f in draw_frames(moments)], fps=10)
    with path.open("rb") as file:
        told = answering().answer(Upload(file, "clip", "MP4", path.stat().st_size), 1, MODEL)
    assert (told["action"], told["person"]) == ("sitting", 1)
    first, second = Answer.read(told).people or ()
    assert (first.person, second.person) == (1, 2)
    assert (first.start_s, second.start_s) == (0.0, 0.6)  # people are looked for in every second
    assert first.box == pytest.approx(LEFT, abs=0.03)
    assert [place[0] for place in first.track] == pytest.approx([i / 10 for i in range(10)])
    assert first.timeline[0].start_s == 0.0
    assert [span.action for span in second.timeline] == ["sitting"]
    assert {event["person"] for event in told["events"]} == {1, 2}  # type: ignore[attr-defined]
    assert Answer.read(told).as_dict() == told


def test_a_picture_tells_of_each_person_and_of_nobody() -> None:
    from PIL import Image

    told = {}
    for name, boxes in (("two", [LEFT, RIGHT]), ("empty", [])):
        file = io.BytesIO()
        Image.fromarray(draw_people(boxes)).save(file, "PNG")
        upload = Upload(io.BytesIO(file.getvalue()), "image", "PNG", file.tell())
        told[name] = Answer.read(answering().answer(upload, 1, MODEL))
    assert [(p.person, p.action) for p in told["two"].people or ()] == [
        (1, "sitting"),
        (2, "sitting"),
    ]
    assert told["empty"].people == []
    assert told["empty"].action == "nobody"
