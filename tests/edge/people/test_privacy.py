"""What is left of people in covered pictures: nothing that tells who it is."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from har_edge.arrays import Box, Pixels
from har_edge.frames.frame import KEYPOINTS, Frame, Person
from har_edge.people.privacy import HOLD_S, PrivacyCover

BOX: Box = (0.4, 0.3, 0.55, 0.8)
INSIDE = np.s_[72:192, 128:176]  # the box in pixels of 320 x 240


def noise(seed: int = 0) -> Pixels:
    return np.random.default_rng(seed).integers(0, 256, (240, 320, 3), np.uint8)


def frame(
    people: tuple[Person, ...] | None, at_s: float = 0.0, *, seed: int = 0, source: str = "camera:0"
) -> Frame:
    pixels = noise(seed)
    return Frame(pixels, at_s, round(at_s * 8), source, 0.0, people=people, resized=pixels)


def person(box: Box = BOX, *, posed: bool = False) -> Person:
    rows = np.zeros((len(KEYPOINTS), 3), np.float32)
    rows[KEYPOINTS.index("left_hip")] = (0.45, 0.5, 0.9)
    rows[KEYPOINTS.index("left_knee")] = (0.45, 0.7, 0.9)
    return Person(0.9, box, rows if posed else None, 1)


def likeness(one: Pixels, other: Pixels) -> float:
    """Correlation of fine detail: of each pixel with its right neighbour's difference."""
    a, b = (np.diff(p.astype(float), axis=1).ravel() for p in (one, other))
    return 0.0 if a.std() == 0 or b.std() == 0 else float(np.corrcoef(a, b)[0, 1])


@pytest.mark.parametrize("posed", [False, True])
def test_skeletons_have_no_pixel_of_the_camera(posed: bool) -> None:
    people = (person(posed=posed),)
    one = PrivacyCover("skeletons")(frame(people, seed=0))
    other = PrivacyCover("skeletons")(frame(people, seed=1))
    np.testing.assert_array_equal(one.pixels, other.pixels)
    assert one.pixels.any()
    assert one.resized is None


@pytest.mark.parametrize("people", [None, ()])
def test_without_people_skeletons_are_black(people: tuple[Person, ...] | None) -> None:
    assert not PrivacyCover("skeletons")(frame(people)).pixels.any()


def test_blur_covers_the_person_and_leaves_the_room() -> None:
    shown = frame((person(),))
    covered = PrivacyCover("blur")(shown)
    assert abs(likeness(covered.pixels[INSIDE], shown.pixels[INSIDE])) < 0.05
    assert covered.pixels[INSIDE].std() < 20 < shown.pixels[INSIDE].std()
    np.testing.assert_array_equal(covered.pixels[:20], shown.pixels[:20])
    assert covered.resized is None
    assert covered.pixels is not shown.pixels


def test_blur_is_black_until_somebody_looked() -> None:
    cover = PrivacyCover("blur")
    assert not cover(frame(None)).pixels.any()
    assert cover(frame((), 0.125)).pixels.any()
    assert not cover(frame(None, 0.25)).pixels.any()


def test_blur_stays_where_somebody_is_lost_for_a_moment() -> None:
    cover = PrivacyCover("blur")
    cover(frame((person(),), 0.0))
    for at_s in (0.125, 1.0, HOLD_S):
        shown = frame((), at_s)
        assert abs(likeness(cover(shown).pixels[INSIDE], shown.pixels[INSIDE])) < 0.05
    shown = frame((), HOLD_S + 0.2)
    np.testing.assert_array_equal(cover(shown).pixels, shown.pixels)


def test_the_covered_place_grows_while_nobody_is_found() -> None:
    cover = PrivacyCover("blur")

    def covered_share(at_s: float, people: tuple[Person, ...]) -> float:
        shown = frame(people, at_s)
        return float((cover(shown).pixels != shown.pixels).mean())

    shares = [covered_share(0.0, (person(),)), covered_share(1.0, ()), covered_share(2.0, ())]
    assert shares == sorted(set(shares))


def test_who_walks_a_body_width_in_a_second_stays_covered() -> None:
    cover = PrivacyCover("blur")
    cover(frame((person(),), 0.0))
    shown = frame((), 1.0)
    moved = np.s_[72:192, 160:208]  # 32 of 48 pixels on
    assert abs(likeness(cover(shown).pixels[moved], shown.pixels[moved])) < 0.05


def test_where_more_may_be_there_than_are_followed_blur_is_black() -> None:
    crowd = tuple(person((x, 0.3, x + 0.05, 0.6)) for x in (0.1, 0.5, 0.8))
    assert not PrivacyCover("blur", max_people=3)(frame(crowd)).pixels.any()
    assert PrivacyCover("blur", max_people=4)(frame(crowd)).pixels.any()


def test_sources_are_covered_apart_and_a_gap_forgets() -> None:
    cover = PrivacyCover("blur")
    cover(frame((person(),), 0.0))
    other = frame((), 0.125, source="camera:1")
    np.testing.assert_array_equal(cover(other).pixels, other.pixels)
    after = replace(frame((), 0.125), after_gap=True)
    np.testing.assert_array_equal(cover(after).pixels, after.pixels)


@pytest.mark.parametrize(
    "box", [(-1.0, -1.0, 3.0, 3.0), (0.0, 0.0, 0.0, 0.0), (2.0, 2.0, 3.0, 3.0)]
)
def test_boxes_outside_of_the_picture_do_no_harm(box: Box) -> None:
    PrivacyCover("blur")(frame((person(box),)))


def test_views_of_bgr_pictures_are_covered_too() -> None:
    shown = frame((person(),))
    turned = replace(shown, pixels=shown.pixels[..., ::-1])
    covered = PrivacyCover("blur")(turned)
    np.testing.assert_array_equal(covered.pixels[:20], turned.pixels[:20])
