"""The spec: what it refuses, and that it survives a round trip."""

from __future__ import annotations

import json
from typing import Any

import pytest

from har_edge.errors import SpecError
from har_edge.model.spec import ClipSpec, CropSpec, ModelSpec

CLIP = ClipSpec(num_frames=16, frame_rate_hz=8.0, height=224, width=192)
SPEC = ModelSpec("mine", ("falling", "écrire, vite"), CLIP, 1280, metrics={"test_accuracy": 0.5})


def test_round_trip_keeps_everything() -> None:
    assert ModelSpec.from_json(SPEC.to_json()) == SPEC


def test_window_is_the_time_between_first_and_last_frame() -> None:
    assert CLIP.window_s == 15 / 8
    assert CLIP.frame_shape == (224, 192, 3)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("num_frames", 0),
        ("num_frames", True),
        ("height", 2.5),
        ("frame_rate_hz", 0),
        ("frame_rate_hz", float("nan")),
        ("resize", "letterbox"),
    ],
)
def test_impossible_clips_are_refused(field: str, value: Any) -> None:
    values = {"num_frames": 1, "frame_rate_hz": 5.0, "height": 32, "width": 32, field: value}
    with pytest.raises(SpecError, match=field):
        ClipSpec(**values)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"labels": ("one",)}, "at least 2 labels"),
        ({"labels": ("a", "a")}, "unique"),
        ({"labels": ("a", "b\nc")}, "single lines"),
        ({"feature_size": 0}, "feature_size"),
        ({"variant": "fp8"}, "variant"),
        ({"temperature": 0.0}, "temperature"),
        ({"temperature": float("nan")}, "temperature"),
        ({"temperature": float("inf")}, "temperature"),
        ({"temperature": True}, "temperature"),
        ({"temperature": "1"}, "temperature"),
        ({"reject_threshold": float("nan")}, "reject_threshold"),
        ({"reject_threshold": 1.5}, "reject_threshold"),
        ({"feature_size": 2.0}, "feature_size"),
        ({"feature_size": 10**9}, "feature_size"),
        ({"name": 5}, "name"),
        ({"name": ".."}, "file name"),
        ({"name": "a\0b"}, "file name"),
        ({"labels": "ab"}, "labels"),
        ({"labels": ("a", 1)}, "label"),
        ({"labels": ("a", ["b"])}, "label"),
        ({"description": None}, "description"),
        ({"description": "\ud800"}, "Unicode"),
        ({"license": "x" * 100_000}, "license"),
        ({"metrics": {"accuracy": float("inf")}}, "accuracy"),
        ({"metrics": [1]}, "metrics"),
        ({"tool_versions": {"keras": 3}}, "keras"),
        ({"float_layers": (1,)}, "float_layers"),
        ({"model_bytes": -1}, "model_bytes"),
        ({"model_sha256": "abc"}, "model_sha256"),
        ({"clip": {}}, "clip"),
        ({"view": "sky"}, "view"),
        ({"crop": {"scale": 1.0}}, "crop"),
        ({"head_inputs": ()}, "head_inputs"),
        ({"head_inputs": ("pose",), "feature_size": 0, "backbone": ""}, "unless view is person"),
        ({"view": "person", "head_inputs": ("pose",)}, "feature_size must be 0"),
        ({"view": "person", "head_inputs": ("pose",), "feature_size": 0.0}, "must be 0"),
        ({"view": "person", "head_inputs": ("pose",), "feature_size": False}, "must be 0"),
        (
            {"view": "person", "head_inputs": ("motion",), "feature_size": 0, "backbone": "b0"},
            "backbone empty",
        ),
        ({"feature_size": 0}, "feature_size"),
        ({"view": "person", "head_inputs": ("motion", "pose")}, "in this order"),
    ],
)
def test_impossible_models_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(SpecError, match=message):
        SPEC.with_(**changes)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("not json", "not valid JSON"),
        ("[]", "schema version 1"),
        ('{"schema_version": 99}', "Received 99"),
        ('{"schema_version": 1, "name": "x"}', "incomplete"),
    ],
)
def test_broken_documents_are_refused(text: str, message: str) -> None:
    with pytest.raises(SpecError, match=message):
        ModelSpec.from_json(text)


def test_fields_of_later_releases_are_passed_over() -> None:
    raw = json.loads(SPEC.to_json()) | {"colour_of_the_box": "blue"}
    assert ModelSpec.from_json(json.dumps(raw)) == SPEC


def test_a_model_of_people_survives_a_round_trip() -> None:
    inputs = ("features", "pose")
    spec = SPEC.with_(view="person", crop=CropSpec(1.5, square=False), head_inputs=inputs)
    assert ModelSpec.from_json(spec.to_json()) == spec
    assert spec.encodes
    assert spec.needs_people
    assert not SPEC.needs_people


def test_a_model_of_poses_survives_a_round_trip() -> None:
    inputs = ("pose", "motion")
    spec = SPEC.with_(view="person", head_inputs=inputs, feature_size=0, backbone="")
    assert ModelSpec.from_json(spec.to_json()) == spec
    assert json.loads(spec.to_json())["feature_size"] == 0
    assert not spec.encodes
    assert spec.row_size == 45


def test_a_model_of_whole_pictures_is_written_as_before() -> None:
    """What was added for people is not in its file, and a file without it reads unchanged."""
    raw = json.loads(SPEC.to_json())
    assert raw.keys().isdisjoint({"view", "crop", "head_inputs"})
    assert ModelSpec.from_json(json.dumps(raw)).view == "picture"


@pytest.mark.parametrize(
    ("crop", "message"),
    [({"scale": 0.1}, "scale"), ({"scale": 1, "square": 1}, "square"), ({"x": 1}, "incomplete")],
)
def test_impossible_crops_are_refused(crop: dict[str, object], message: str) -> None:
    raw = json.loads(SPEC.to_json()) | {"crop": crop}
    with pytest.raises(SpecError, match=message):
        ModelSpec.from_json(json.dumps(raw))
