"""What a file that finds people says about itself."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from har_edge.errors import SpecError
from har_edge.frames.frame import KEYPOINTS
from har_edge.model.people_spec import PeopleSpec

SPEC = PeopleSpec("people", 256, 192, 8, KEYPOINTS, metrics={"recall": 0.9}, license="Apache-2.0")


def test_it_comes_back_as_it_was() -> None:
    assert PeopleSpec.from_json(SPEC.to_json()) == SPEC
    assert SPEC.people_shape == (1, 8, 56)
    again = replace(SPEC, rescore=(0.25,) * 11)
    assert PeopleSpec.from_json(again.to_json()) == again


def test_later_fields_are_passed_over() -> None:
    later = {**json.loads(SPEC.to_json()), "colour": "red"}
    assert PeopleSpec.from_json(json.dumps(later)) == SPEC


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": "actions"}, "should be of kind 'people'"),
        ({"schema_version": 2}, "should be of kind 'people', version 1"),
        ({"height": 0}, "height must be a whole number"),
        ({"num_people": 10**9}, "num_people must be at most"),
        ({"name": "../x"}, "without slashes"),
        ({"keypoints": "nose"}, "keypoints must be a list of texts"),
        ({"score_threshold": 2}, "score_threshold must be a number from 0 to 1"),
        ({"rescore": [0.5]}, "rescore must be 11 numbers, or none"),
        ({"rescore": [0.5] * 10 + [1e9]}, "rescore must be a number from"),
        ({"rescore": "high"}, "rescore must be 11 numbers, or none"),
        ({"variant": "int4"}, "variant must be one of"),
        ({"metrics": {"recall": "high"}}, "must be a number"),
        ({"model_sha256": "x"}, "64 hexadecimal digits"),
    ],
)
def test_what_it_may_not_say_is_refused(change: dict[str, object], message: str) -> None:
    broken = {**json.loads(SPEC.to_json()), **change}
    with pytest.raises(SpecError, match=message):
        PeopleSpec.from_json(json.dumps(broken))


@pytest.mark.parametrize("text", ["", "[]", "{", '{"kind": "people", "schema_version": 1}'])
def test_what_is_no_spec_is_refused(text: str) -> None:
    with pytest.raises(SpecError):
        PeopleSpec.from_json(text)


def test_metrics_are_added() -> None:
    made = SPEC.with_metrics("int8", {"locate_ms": 9.0})
    assert made == replace(SPEC, variant="int8", metrics={"recall": 0.9, "locate_ms": 9.0})
