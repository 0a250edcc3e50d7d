"""Named parts of the picture, and who is in which.

A person is where one point of them is, and each zone says which:

- `feet`: the middle of the ankles that are seen; without any, the middle of the box's lower edge.
  Right for places on the floor.
- `hips`: the middle of the hips that are seen; without any, the middle of the box. Right for beds,
  sofas and chairs, next to which the feet may stand.

A point on an edge lies inside. Where zones overlap, the one that comes first counts; those of one
source come before those of all.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Literal, get_args

from har_edge.arrays import Box, FloatArray
from har_edge.errors import ConfigError
from har_edge.frames.frame import KEYPOINTS, SEEN_SCORE

Point = tuple[float, float]
PointRule = Literal["feet", "hips"]
POINT_RULES: tuple[str, ...] = get_args(PointRule)
# In rules and totals: outside of all zones. So no zone has this name.
NOWHERE = "none"
MAX_ZONES = 64
MAX_CORNERS = 64
MAX_NAME = 60
# A smaller zone is a slip of the mouse: a hundredth of the picture's width and height.
MIN_AREA = 1e-4
_ANKLES = tuple(KEYPOINTS.index(f"{side}_ankle") for side in ("left", "right"))
_HIPS = tuple(KEYPOINTS.index(f"{side}_hip") for side in ("left", "right"))


@dataclass(frozen=True)
class Zone:
    """A part of the picture with a name; checked when it is made.

    Example:
        >>> bed = Zone("bed", ((0.0, 0.5), (0.5, 0.5), (0.5, 1.0), (0.0, 1.0)))
        >>> bed.holds((0.25, 0.75)), bed.holds((0.75, 0.75))
        (True, False)

    Attributes:
        name: What events say.
        polygon: Its corners in order, x and y in fractions of the picture, at least three.
        point: Which point of a person must lie inside.
        source: The source that it is of, by its printable name; None for all.

    Raises:
        ConfigError: if it has no proper name, lies outside the picture or crosses itself.
    """

    name: str
    polygon: tuple[Point, ...]
    point: PointRule = "feet"
    source: str | None = None

    def __post_init__(self) -> None:
        """Check that it is a part of the picture."""
        _check_name(self.name)
        called = f"Zone {self.name!r}"
        if self.point not in POINT_RULES:
            raise ConfigError(
                f"{called} should look at the {' or the '.join(POINT_RULES)} of a person. "
                f"Received {self.point!r}. Change `point`, or leave it out."
            )
        if not 3 <= len(self.polygon) <= MAX_CORNERS:
            raise ConfigError(
                f"{called} should have 3 to {MAX_CORNERS} corners. Received "
                f"{len(self.polygon)}. Add some, or give a box: box = [left, top, right, bottom]."
            )
        for number, (x, y) in enumerate(self.polygon, 1):
            if not (0 <= x <= 1 and 0 <= y <= 1):
                raise ConfigError(
                    f"{called} should lie in the picture, from 0 to 1 of its width and height. "
                    f"Received ({x:g}, {y:g}) as corner {number}. {_advice((x, y))}"
                )
        if (crossing := _crossing(self.polygon)) is not None:
            first, second = crossing
            raise ConfigError(
                f"{called} should have edges that do not cross. Received edges {first} and "
                f"{second}, which do. Give the corners in their order around the zone."
            )
        if _area(self.polygon) < MIN_AREA:
            raise ConfigError(
                f"{called} should cover {MIN_AREA:.2%} of the picture at least. Received "
                f"{_area(self.polygon):.2%}. Make it larger."
            )

    @classmethod
    def of_box(
        cls, name: str, box: Box, *, point: PointRule = "feet", source: str | None = None
    ) -> Zone:
        """Make a zone of a box: left, top, right and bottom.

        Raises:
            ConfigError: as for the zone, or if left is not left of right, or top not above bottom.
        """
        left, top, right, bottom = box
        if not (left < right and top < bottom):
            raise ConfigError(
                f"Zone {name!r} should have a box of left, top, right and bottom, with left < "
                f"right and top < bottom. Received {list(box)}. Put them in this order."
            )
        corners = ((left, top), (right, top), (right, bottom), (left, bottom))
        return cls(name, corners, point, source)

    def holds(self, point: Point) -> bool:
        """Whether a point lies inside, or on an edge.

        Source: Haines, Point in Polygon Strategies (Graphics Gems IV, 1994): the crossings test.
        """
        x, y = point
        inside = False
        for (x0, y0), (x1, y1) in _edges(self.polygon):
            if _turn((x0, y0), (x1, y1), point) == 0 and _within((x0, y0), (x1, y1), point):
                return True
            if (y0 > y) != (y1 > y) and x < x0 + (y - y0) * (x1 - x0) / (y1 - y0):
                inside = not inside
        return inside

    def holds_person(self, box: Box, keypoints: FloatArray | None = None) -> bool:
        """Whether a person's point lies inside; see `Person` for both."""
        return self.holds(person_point(self.point, box, keypoints))


class Zones:
    """The zones of a run, of which each source has its own and those of all.

    Args:
        zones: In order; names differ within a source.

    Raises:
        ConfigError: if a source has two zones of one name, or there are too many.

    Example:
        >>> zones = Zones([Zone.of_box("door", (0.8, 0.0, 1.0, 1.0))])
        >>> zones.find("camera:0", (0.8, 0.2, 0.9, 0.9)), zones.find("camera:0", (0, 0, 0.1, 1))
        ('door', None)
    """

    def __init__(self, zones: Iterable[Zone] = ()) -> None:
        self.all = tuple(zones)
        if len(self.all) > MAX_ZONES:
            raise ConfigError(
                f"Expected at most {MAX_ZONES} zones. Received {len(self.all)}. Leave some out."
            )
        for one, other in combinations(self.all, 2):
            if (one.name, one.source) == (other.name, other.source):
                where = "" if one.source is None else f" of {one.source}"
                raise ConfigError(
                    f"Zones{where} should differ in their names. Received {one.name!r} twice. "
                    "Rename one of them."
                )

    def of(self, source: str) -> tuple[Zone, ...]:
        """The zones of one source, in the order in which they count."""
        own = [zone for zone in self.all if zone.source == source]
        return (*own, *(zone for zone in self.all if zone.source is None))

    def find(self, source: str, box: Box, keypoints: FloatArray | None = None) -> str | None:
        """Name of the first zone that a person is in; None outside of all."""
        return next((z.name for z in self.of(source) if z.holds_person(box, keypoints)), None)

    @property
    def names(self) -> tuple[str, ...]:
        """All names, each once."""
        return tuple(dict.fromkeys(zone.name for zone in self.all))

    def __len__(self) -> int:
        return len(self.all)


def person_point(rule: PointRule, box: Box, keypoints: FloatArray | None = None) -> Point:
    """The point that says where a person is, x and y in fractions of the picture.

    Args:
        rule: Which point; see above.
        box: Where the person is.
        keypoints: (17, 3), as in `Person`, or None.

    Example:
        >>> person_point("feet", (0.25, 0.0, 0.75, 0.5)), person_point("hips", (0, 0, 0.5, 0.5))
        ((0.5, 0.5), (0.25, 0.25))
    """
    if keypoints is not None:
        rows = keypoints[list(_ANKLES if rule == "feet" else _HIPS)]
        seen = rows[rows[:, 2] >= SEEN_SCORE]
        if len(seen):
            return float(seen[:, 0].mean()), float(seen[:, 1].mean())
    left, top, right, bottom = box
    return (left + right) / 2, bottom if rule == "feet" else (top + bottom) / 2


def _check_name(name: str) -> None:
    fits = isinstance(name, str) and 0 < len(name.strip()) == len(name) <= MAX_NAME
    if fits and name != NOWHERE and name.isprintable() and not set(name) & set(",=\"'"):
        return
    raise ConfigError(
        f"A zone should have a name of 1 to {MAX_NAME} letters, without commas, quotes and '='; "
        f"{NOWHERE!r} stands for outside of all zones. Received {name!r}. Choose another."
    )


def _advice(corner: Point) -> str:
    if max(corner) > 2:
        return "Divide pixels by the picture's width and height."
    return "Move the corner into the picture."


def _edges(polygon: Sequence[Point]) -> list[tuple[Point, Point]]:
    return list(zip(polygon, (*polygon[1:], polygon[0]), strict=True))


def _crossing(polygon: Sequence[Point]) -> tuple[int, int] | None:
    """Numbers, from 1, of two edges that meet elsewhere than in the corner that they share."""
    edges = _edges(polygon)
    for (i, one), (j, other) in combinations(enumerate(edges), 2):
        neighbours = j - i == 1 or (i == 0 and j == len(edges) - 1)
        if not neighbours and _meet(one, other):
            return i + 1, j + 1
    return None


def _meet(one: tuple[Point, Point], other: tuple[Point, Point]) -> bool:
    """Whether two edges have a point in common.

    Source: Cormen et al., Introduction to Algorithms (3rd edition), section 33.1.
    """
    (a, b), (c, d) = one, other
    turns = _turn(c, d, a), _turn(c, d, b), _turn(a, b, c), _turn(a, b, d)
    if turns[0] * turns[1] < 0 and turns[2] * turns[3] < 0:
        return True
    ends = ((c, d, a), (c, d, b), (a, b, c), (a, b, d))
    return any(turn == 0 and _within(*end) for turn, end in zip(turns, ends, strict=True))


def _turn(start: Point, end: Point, point: Point) -> float:
    """Above 0 if a point lies to one side of a line, below 0 on the other, 0 on it."""
    (x0, y0), (x1, y1), (x, y) = start, end, point
    return (x1 - x0) * (y - y0) - (y1 - y0) * (x - x0)


def _within(start: Point, end: Point, point: Point) -> bool:
    """Whether a point of the line through two others lies between them."""
    return all(min(a, b) <= at <= max(a, b) for a, b, at in zip(start, end, point, strict=True))


def _area(polygon: Sequence[Point]) -> float:
    """Area by the shoelace formula."""
    return abs(sum(x0 * y1 - x1 * y0 for (x0, y0), (x1, y1) in _edges(polygon))) / 2
