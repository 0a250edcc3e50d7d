"""What `--people` takes, what it says that it took it for, and what it refuses."""

from __future__ import annotations

from pathlib import Path

import pytest

import har_edge
from har_edge.config import ModelConfig, PeopleConfig
from har_edge.errors import BackendError, ModelFileError
from har_edge.frames.decode import load_image
from har_edge.model.file import read_model_file, resolve_model
from har_edge.people.boxes import overlap
from har_edge.people.open import find_people, has_locate, open_locator, try_locator
from har_edge.run.parts import build_people
from har_edge.testing import scripted_model
from tests.conftest import ASSETS
from tests.support.people import MOVENET, SSD, teacher

TINY = ASSETS / "tiny-int8.tflite"
# Where the person of a sample picture is, as somebody sees it.
LYING = (0.25, 0.48, 0.74, 0.76)


def test_a_published_detector_is_known_and_finds_somebody() -> None:
    locator = open_locator(teacher(SSD))
    assert "SSD" in locator.name
    best, *_ = locator.locate(load_image(har_edge.sample_path("lying.jpg")))
    assert best.score >= locator.sure_score
    assert overlap(best.box, LYING) > 0.7


def test_a_pose_network_finds_one_person_or_is_a_second_stage() -> None:
    pixels = load_image(har_edge.sample_path("lying.jpg"))
    alone = open_locator(teacher(MOVENET))
    assert "one person" in alone.name
    (person,) = alone.locate(pixels)
    assert overlap(person.box, LYING) > 0.5
    both = open_locator(teacher(SSD), teacher(MOVENET))
    assert "single pose for each person" in both.name
    best, *_ = both.locate(pixels)
    assert best.keypoints is not None
    assert best.keypoints.shape == (17, 3)
    inside = (best.keypoints[:, 1] > 0.4) & (best.keypoints[:, 1] < 0.8)
    assert inside.all()


@pytest.mark.parametrize("size", [(40, 640), (640, 40), (1, 1), (480, 270)])
def test_pictures_of_any_shape_are_looked_at(size: tuple[int, int]) -> None:
    pixels = load_image(har_edge.sample_path("lying.jpg"))
    pixels = pixels.repeat(-(-size[0] // pixels.shape[0]), 0).repeat(-(-size[1] // 384), 1)
    for person in open_locator(teacher(SSD), teacher(MOVENET)).locate(pixels[: size[0], : size[1]]):
        left, top, right, bottom = person.box
        assert 0 <= left < right <= 1
        assert 0 <= top < bottom <= 1


def test_who_hangs_upside_down_is_looked_for_like_anybody() -> None:
    """Detectors are not made for it: whatever they find lies in the picture."""
    pixels = load_image(har_edge.sample_path("lying.jpg"))[::-1].copy()
    for person in open_locator(teacher(SSD), teacher(MOVENET)).locate(pixels):
        assert 0 <= person.box[0] < person.box[2] <= 1
        assert 0 <= person.box[1] < person.box[3] <= 1


def test_a_file_that_finds_no_people_is_refused() -> None:
    with pytest.raises(ModelFileError, match=r"should find people: .* Received a network .* Use"):
        open_locator(TINY)
    with pytest.raises(BackendError, match="should find people"):
        try_locator(TINY)


def test_a_file_that_is_no_network_is_refused(tmp_path: Path) -> None:
    text, spec = tmp_path / "detector.tflite", scripted_model([{"a": 0.9, "b": 0.1}]).spec
    text.write_text("not a network at all")
    with pytest.raises(ModelFileError, match=r"Received 20 bytes that start with b'not a ne'"):
        find_people(text, PeopleConfig(detector=text), spec)
    with pytest.raises(ModelFileError, match="There is no file"):
        find_people(tmp_path / "gone.tflite", PeopleConfig(), spec)


def test_a_damaged_network_is_tried_in_a_child(tmp_path: Path) -> None:
    content = bytearray(TINY.read_bytes())
    content[64:4000] = b"\xff" * (4000 - 64)
    damaged = tmp_path / "damaged.tflite"
    damaged.write_bytes(content)
    with pytest.raises(BackendError):
        try_locator(damaged)


def test_stages_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ModelFileError, match="should give the keypoints of one person"):
        open_locator(teacher(MOVENET), teacher(SSD))
    with pytest.raises(ModelFileError, match="leave --pose out"):
        open_locator(teacher(MOVENET), teacher(MOVENET))


def test_what_finds_people_is_said_and_the_bundled_network_by_its_name() -> None:
    def said(people: PeopleConfig, *, keypoints: bool = False) -> list[str]:
        notes: list[str] = []
        config = ModelConfig(model="clips", people=people)
        build_people(config, notes.append, keypoints=keypoints)
        return notes

    (bundled,) = said(PeopleConfig(detector="people"))
    assert bundled == "Network people finds people, and each is recognised on their own."
    assert said(PeopleConfig(detector="people"), keypoints=True) == [bundled]
    assert said(PeopleConfig()) == said(PeopleConfig(whole_picture=True)) == []
    (idle,) = said(PeopleConfig(max_people=3, locate_every=1), keypoints=True)
    assert idle.startswith("--keypoints, --locate-every, --max-people: no effect, as nobody looks")
    assert "--people people" in idle
    assert said(PeopleConfig(), keypoints=True)[0].startswith("--keypoints: no effect")
    assert said(PeopleConfig(whole_picture=True, max_people=3)) == [
        "--max-people: no effect with --whole-picture, which looks for nobody."
    ]
    with pytest.raises(ModelFileError, match="--people people"):
        said(PeopleConfig(detector="peple"))


def test_bundled_models_find_nobody_themselves() -> None:
    assert not has_locate(read_model_file(resolve_model("har15")))
