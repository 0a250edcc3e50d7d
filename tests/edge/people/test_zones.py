"""Zones: what they hold, which point of a person counts, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

from har_edge.arrays import FloatArray
from har_edge.errors import ConfigError
from har_edge.frames.frame import KEYPOINTS
from har_edge.people.zones import MAX_ZONES, Zone, Zones, person_point

SQUARE = ((0.2, 0.2), (0.6, 0.2), (0.6, 0.6), (0.2, 0.6))
L_SHAPE = ((0.0, 0.0), (1.0, 0.0), (1.0, 0.5), (0.5, 0.5), (0.5, 1.0), (0.0, 1.0))


def keypoints(**places: tuple[float, float, float]) -> FloatArray:
    rows = np.zeros((len(KEYPOINTS), 3), np.float32)
    for name, place in places.items():
        rows[KEYPOINTS.index(name)] = place
    return rows


@pytest.mark.parametrize(
    ("point", "inside"),
    [((0.4, 0.4), True), ((0.1, 0.4), False), ((0.2, 0.4), True), ((0.6, 0.6), True),
     ((0.4, 0.61), False), ((0.7, 0.2), False)],
)  # fmt: skip
def test_a_square_holds_its_inside_and_its_edges(point: tuple[float, float], inside: bool) -> None:
    assert Zone("a", SQUARE).holds(point) == inside


def test_a_dented_zone_holds_no_more_than_its_inside() -> None:
    zone = Zone("l", L_SHAPE)
    rng = np.random.default_rng(0)
    for x, y in rng.random((500, 2)):
        assert zone.holds((x, y)) == (x < 0.5 or y < 0.5)


def test_the_feet_are_the_ankles_that_are_seen_or_the_boxs_lower_edge() -> None:
    box = (0.2, 0.1, 0.4, 0.9)
    assert person_point("feet", box) == pytest.approx((0.3, 0.9))
    both = keypoints(left_ankle=(0.25, 0.8, 0.9), right_ankle=(0.35, 0.7, 0.9))
    assert person_point("feet", box, both) == pytest.approx((0.3, 0.75))
    one = keypoints(left_ankle=(0.25, 0.8, 0.9), right_ankle=(0.9, 0.1, 0.1))
    assert person_point("feet", box, one) == pytest.approx((0.25, 0.8))
    hidden = keypoints(left_ankle=(0.9, 0.1, 0.1))
    assert person_point("feet", box, hidden) == pytest.approx((0.3, 0.9))


def test_the_hips_are_those_that_are_seen_or_the_boxs_middle() -> None:
    box = (0.2, 0.1, 0.4, 0.9)
    assert person_point("hips", box) == pytest.approx((0.3, 0.5))
    seen = keypoints(left_hip=(0.28, 0.55, 0.9))
    assert person_point("hips", box, seen) == pytest.approx((0.28, 0.55))


def test_a_sources_own_zones_come_before_those_of_all() -> None:
    everywhere = Zone("floor", ((0, 0), (1, 0), (1, 1), (0, 1)))
    bed = Zone.of_box("bed", (0, 0, 1, 1), source="camera:0")
    zones = Zones([everywhere, bed])
    box = (0.4, 0.4, 0.6, 0.6)
    assert zones.find("camera:0", box) == "bed"
    assert zones.find("camera:1", box) == "floor"
    assert zones.names == ("floor", "bed")
    assert len(zones) == 2


@pytest.mark.parametrize(
    ("polygon", "message"),
    [
        (((0, 0), (1, 1)), "3 to 64 corners. Received 2"),
        (((0, 0), (1.2, 0), (1, 1)), r"Received \(1.2, 0\) as corner 2. Move the corner"),
        (((0, 0), (640, 0), (640, 480)), "Divide pixels"),
        (((0, 0), (float("nan"), 0), (1, 1)), "lie in the picture"),
        (((0, 0), (1, 1), (1, 0), (0, 1)), "edges 1 and 3, which do"),
        (((0, 0), (0.005, 0), (0.005, 0.005)), "cover 0.01% of the picture"),
        (((0, 0), (0.5, 0), (1, 0)), "Received"),
    ],
)
def test_what_is_no_zone_is_refused(polygon: tuple[tuple[float, float], ...], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Zone("bed", polygon)


@pytest.mark.parametrize("name", ["", " bed", "none", "a,b", "a=b", "x" * 61, "a\nb"])
def test_names_that_rules_could_not_say_are_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="should have a name"):
        Zone(name, SQUARE)


def test_a_box_has_its_edges_in_order() -> None:
    with pytest.raises(ConfigError, match="left < right"):
        Zone.of_box("bed", (0.6, 0.2, 0.2, 0.6))


def test_two_zones_of_one_source_differ_in_their_names() -> None:
    Zones([Zone("a", SQUARE), Zone("a", SQUARE, source="camera:0")])
    with pytest.raises(ConfigError, match="'a' twice"):
        Zones([Zone("a", SQUARE), Zone("a", SQUARE)])
    with pytest.raises(ConfigError, match="at most"):
        Zones(Zone(f"z{i}", SQUARE) for i in range(MAX_ZONES + 1))
