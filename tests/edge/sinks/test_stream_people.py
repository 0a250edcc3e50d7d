"""What writers make of people, their places and their visits."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace

import numpy as np

from har_edge.recognition.prediction import Prediction
from har_edge.recognition.visits import Visit
from har_edge.sinks.stream import CSV_COLUMNS, build_writer
from har_edge.testing import make_event
from tests.support.records import weighed, written


def test_visits_stand_among_events() -> None:
    entered = Visit("zone_entered", 1, "a.mp4", "bed", 2, 1.5)
    left = replace(entered, kind="zone_left", end_s=61.5)
    lines = written("jsonl", "events", entered, left).splitlines()
    assert [json.loads(line)["event"] for line in lines] == ["zone_entered", "zone_left"]
    assert json.loads(lines[1])["duration_s"] == 60.0
    _, *text = written("text", "all", entered, left).splitlines()
    assert text[0].split() == ["0:01.50", "person", "2", "entered", "bed"]
    assert "left bed after 1 min 0 s" in text[1]
    assert len(written("csv", "events", entered, left).splitlines()) == 1


def of_person(
    person: int, action: str = "falling", *, at_s: float = 0.0, source: str = "a.mp4"
) -> Prediction:
    labels = ("falling", "still")
    said = weighed(*((0.8, 0.2) if action == "falling" else (0.2, 0.8)), at_s=at_s, labels=labels)
    box = (0.1, 0.2, 0.30001, 0.9)
    points = np.full((17, 3), 0.5, np.float32)
    return replace(said, source=source, person=person, box=box, keypoints=points, locate_ms=2.0)


def nobody(at_s: float = 0.0) -> Prediction:
    said = weighed(1.0, 0.0, at_s=at_s)
    return replace(said, labels=("nobody",), probabilities=np.ones(1, np.float32), locate_ms=1.0)


def test_json_says_who_and_where_and_keypoints_if_asked() -> None:
    for keypoints in (False, True):
        stream = io.StringIO()
        build_writer("jsonl", "all", stream, 1, keypoints=keypoints).write(of_person(3))
        line = json.loads(stream.getvalue())
        assert (line["person"], line["box"]) == (3, [0.1, 0.2, 0.3, 0.9])
        assert (line["located"], line["zone"], line["locate_ms"]) == (True, None, 2.0)
        assert ("keypoints" in line) == keypoints
    assert line["keypoints"] == [[0.5, 0.5, 0.5]] * 17


def test_a_table_of_people_has_columns_for_them() -> None:
    stream = io.StringIO()
    writer = build_writer("csv", "predictions", stream, 1, people=True)
    writer.write(of_person(3))
    writer.write(nobody())
    first, second = csv.DictReader(io.StringIO(stream.getvalue()))
    assert tuple(first)[: len(CSV_COLUMNS)] == CSV_COLUMNS
    edges = [first[f"box_{edge}"] for edge in ("left", "top", "right", "bottom")]
    assert (first["person"], edges) == ("3", ["0.1", "0.2", "0.3", "0.9"])
    assert (second["action"], second["person"], second["box_left"]) == ("nobody", "", "")
    stream = io.StringIO()
    build_writer("csv", "events", stream, 1, people=True).write(
        replace(make_event(), person=2, zone="bed")
    )
    (row,) = csv.DictReader(io.StringIO(stream.getvalue()))
    assert (row["person"], row["zone"]) == ("2", "bed")


def test_text_tells_of_each_person_when_something_changes() -> None:
    stream = io.StringIO()
    writer = build_writer("text", "predictions", stream, 1)
    for record in (
        nobody(0.0),
        nobody(0.5),
        of_person(1, at_s=1.0),
        of_person(2, "still", at_s=1.0),
        of_person(1, at_s=1.5),
        of_person(2, "falling", at_s=1.5),
        nobody(2.0),
        of_person(1, at_s=3.0),
    ):
        writer.write(record)
    lines = [" ".join(line.split()[1:4]) for line in stream.getvalue().splitlines()[1:]]
    assert lines == [
        "nobody 100%",
        "person 1 falling",
        "person 2 still",
        "person 2 falling",
        "nobody 100%",
        "person 1 falling",
    ]


def test_events_in_text_say_whose_they_are() -> None:
    stream = io.StringIO()
    build_writer("text", "events", stream, 1).write(replace(make_event(), person=2))
    assert "person 2   falling" in stream.getvalue()
