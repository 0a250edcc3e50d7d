"""How people are drawn: a box, a skeleton, and a label that can be read at any size."""

from __future__ import annotations

from collections.abc import Sequence

from har_edge.arrays import Box, FloatArray, Pixels
from har_edge.frames.frame import KEYPOINTS, SEEN_SCORE
from har_edge.frames.opencv import import_cv2

Colour = tuple[int, int, int]
# Left, top, right and bottom in pixels.
Area = tuple[int, int, int, int]

# RGB; the dashboard has the same ones (--person-0 ... in style.css). A person keeps theirs: it goes
# by their number. All are bright enough to be seen on black, and carry black text.
COLOURS: tuple[Colour, ...] = (
    (92, 160, 255),
    (255, 150, 40),
    (70, 205, 110),
    (255, 105, 97),
    (196, 130, 255),
    (250, 215, 60),
    (40, 205, 215),
    (255, 135, 200),
    (205, 160, 115),
    (165, 210, 75),
)
NOBODY: Colour = (190, 190, 190)
_LIMBS = (
    ("left_shoulder", "left_elbow"),
    ("left_elbow", "left_wrist"),
    ("right_shoulder", "right_elbow"),
    ("right_elbow", "right_wrist"),
    ("left_shoulder", "right_shoulder"),
    ("left_shoulder", "left_hip"),
    ("right_shoulder", "right_hip"),
    ("left_hip", "right_hip"),
    ("left_hip", "left_knee"),
    ("left_knee", "left_ankle"),
    ("right_hip", "right_knee"),
    ("right_knee", "right_ankle"),
    ("nose", "left_eye"),
    ("nose", "right_eye"),
    ("left_eye", "left_ear"),
    ("right_eye", "right_ear"),
)
LIMBS = tuple((KEYPOINTS.index(start), KEYPOINTS.index(end)) for start, end in _LIMBS)
# OpenCV draws at fractions of a pixel: coordinates are shifted by so many bits.
_SHIFT = 4


def colour_of(person: int | None) -> Colour:
    """The colour of a person by their number, RGB; grey without one.

    Example:
        >>> colour_of(1) == colour_of(11) != colour_of(2)
        True
    """
    return NOBODY if person is None else COLOURS[(person - 1) % len(COLOURS)]


def line_width(picture: Pixels) -> int:
    """How thick lines are in a picture of this size: thin in small ones."""
    height, width = picture.shape[:2]
    return max(1, round(min(int(height), int(width)) / 270))


def draw_box(picture: Pixels, box: Box, colour: Colour, *, thin: bool = False) -> None:
    """Draw a box into a picture.

    Args:
        picture: (H, W, 3), uint8; changed.
        box: In fractions of the picture.
        colour: In the picture's own order of colours.
        thin: For a box that is carried on, where nobody was found just now.
    """
    height, width = picture.shape[:2]
    left, top, right, bottom = box
    corners = [
        (round(_near(x) * (width - 1)), round(_near(y) * (height - 1)))
        for x, y in ((left, top), (right, bottom))
    ]
    import_cv2().rectangle(picture, *corners, colour, 1 if thin else line_width(picture))


def draw_skeleton(picture: Pixels, keypoints: FloatArray, colour: Colour) -> None:
    """Draw the limbs whose ends are seen, and all keypoints that are.

    Args:
        picture: (H, W, 3), uint8; changed.
        keypoints: (17, 3), as in `Person`.
        colour: In the picture's own order of colours.
    """
    cv2 = import_cv2()
    height, width = picture.shape[:2]
    thick = line_width(picture)
    seen = [float(score) >= SEEN_SCORE for score in keypoints[:, 2]]
    places = [_place(float(x), float(y), width, height) for x, y in keypoints[:, :2]]
    for start, end in LIMBS:
        if seen[start] and seen[end]:
            cv2.line(picture, places[start], places[end], colour, thick, cv2.LINE_AA, _SHIFT)
    radius = (thick + 1) << (_SHIFT - 1)
    for place, is_seen in zip(places, seen, strict=True):
        if is_seen:
            cv2.circle(picture, place, radius, colour, cv2.FILLED, cv2.LINE_AA, _SHIFT)


def draw_label(
    picture: Pixels, box: Box, texts: Sequence[str], colour: Colour, taken: list[Area]
) -> None:
    """Write above a box, or inside it where there is no room above: black on its colour.

    Args:
        picture: (H, W, 3), uint8; changed.
        box: In fractions of the picture.
        texts: The same in fewer and fewer words: the first that fits the picture's width is taken.
        colour: In the picture's own order of colours.
        taken: Where labels are already; this one is put below those in its way, and added.
    """
    cv2 = import_cv2()
    height, width = picture.shape[:2]
    scale = min(1.2, max(0.4, min(height, width) / 800))
    thick, font = max(1, round(scale * 1.4)), cv2.FONT_HERSHEY_SIMPLEX
    pad = max(2, round(4 * scale))
    for text in texts:
        (text_width, text_height), below = cv2.getTextSize(text, font, scale, thick)
        if text_width + 2 * pad <= width:
            break
    wide, tall = text_width + 2 * pad, text_height + below + pad
    left = min(max(0, round(box[0] * width)), max(0, width - wide))
    top = min(max(0, round(box[1] * height) - tall), max(0, height - tall))
    for _ in taken:  # each of them can be in the way once, going down
        top = max(
            [top, *(a[3] for a in taken if _crosses(a, (left, top, left + wide, top + tall)))]
        )
    area = (left, top, left + wide, top + tall)
    taken.append(area)
    cv2.rectangle(picture, area[:2], area[2:], colour, cv2.FILLED)
    place = (left + pad, top + text_height + pad // 2 + 1)
    cv2.putText(picture, text, place, font, scale, (0, 0, 0), thick, cv2.LINE_AA)


def _crosses(one: Area, other: Area) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def _place(x: float, y: float, width: int, height: int) -> tuple[int, int]:
    """A point in OpenCV's fractions of pixels."""
    x, y = _near(x) * width - 0.5, _near(y) * height - 0.5
    return round(x * 2**_SHIFT), round(y * 2**_SHIFT)


def _near(share: float) -> float:
    """Bring what is far outside of the picture near: OpenCV's numbers have an end."""
    return min(3.0, max(-2.0, share))
