"""What is drawn into pictures: people, what they do, and when it was seen."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import datetime

from har_edge.arrays import Pixels
from har_edge.durations import format_time
from har_edge.frames.frame import Frame, Person
from har_edge.frames.opencv import import_cv2, rgb_to_bgr
from har_edge.people.draw import Area, Colour, colour_of, draw_box, draw_label, draw_skeleton
from har_edge.recognition.prediction import Prediction


def describe(prediction: Prediction | None) -> str:
    """The line that is drawn for a prediction; empty before the first."""
    return f"{prediction.action} {prediction.confidence:.0%}" if prediction else ""


def stamp(frame: Frame) -> str:
    """When a frame was taken: the time of day of a live source, else the time in the file."""
    if frame.captured_s is None:
        return format_time(frame.timestamp_s)
    at_s = time.time() - (time.monotonic() - frame.captured_s)
    return f"{datetime.fromtimestamp(at_s):%Y-%m-%d %H:%M:%S}"


def draw_frame(
    frame: Frame,
    prediction: Prediction | None,
    people: Sequence[Prediction] = (),
    pixels: Pixels | None = None,
) -> Pixels:
    """Draw all that is known of a frame into it: people, what each does, the action and the time.

    Args:
        frame: The frame, with the people in it.
        prediction: What the whole picture shows, if that is what was asked.
        people: What each person does.
        pixels: The same picture in another size, RGB, (H, W, 3), uint8; None for the frame's own.

    Returns:
        The picture as OpenCV writes and shows it: BGR, (H, W, 3), uint8.
    """
    picture = rgb_to_bgr(frame.pixels if pixels is None else pixels)
    _draw_people(picture, frame.people or (), people)
    # Where people are told apart, each one's action stands with them.
    action = (describe(prediction),) if prediction or not frame.people else ()
    _write(picture, (*action, stamp(frame)))
    return picture


def _draw_people(
    picture: Pixels, people: Sequence[Person], predictions: Sequence[Prediction]
) -> None:
    """Draw boxes and skeletons first, so that no line crosses a label."""
    said = {prediction.person: prediction for prediction in predictions}
    # The largest last: who stands in front is drawn over who stands behind.
    people = sorted(people, key=lambda person: person.size)
    for person in people:
        colour = _bgr(colour_of(person.id))
        draw_box(picture, person.box, colour, thin=not person.located)
        if person.keypoints is not None:
            draw_skeleton(picture, person.keypoints, colour)
    taken: list[Area] = []
    for person in reversed(people):
        texts = _label(person, said.get(person.id))
        draw_label(picture, person.box, texts, _bgr(colour_of(person.id)), taken)


def _label(person: Person, said: Prediction | None) -> tuple[str, ...]:
    """What stands above a person, in fewer and fewer words."""
    number = "person" if person.id is None else str(person.id)
    if said is None or person.id is None:
        return (number,)
    return (f"{number} {describe(said)}", f"{number} {said.action}", number)


def _bgr(colour: Colour) -> Colour:
    return colour[::-1]


def annotate(pixels: Pixels, *lines: str) -> Pixels:
    """Draw lines of text into the upper left corner, white on black edges.

    Args:
        pixels: RGB, (H, W, 3), uint8; stays as it is.
        lines: From top to bottom; the font has Latin letters without accents.

    Returns:
        The picture as OpenCV writes and shows it: BGR, (H, W, 3), uint8.
    """
    picture = rgb_to_bgr(pixels)
    _write(picture, lines)
    return picture


def _write(picture: Pixels, lines: Sequence[str]) -> None:
    """Write lines into a BGR picture."""
    cv2 = import_cv2()
    scale = max(0.5, picture.shape[0] / 480)
    for number, line in enumerate(lines, 1):
        place = (round(10 * scale), round(30 * scale * number))
        edge = max(1, round(1.5 * scale))
        # The edge is the same text moved about: OpenCV 5 sets a thicker one wider.
        moves = [(x, y) for x in (-edge, 0, edge) for y in (-edge, 0, edge) if x or y]
        for dx, dy in [*moves, (0, 0)]:
            cv2.putText(
                picture, line, (place[0] + dx, place[1] + dy), cv2.FONT_HERSHEY_SIMPLEX, scale,
                (0, 0, 0) if dx or dy else (255, 255, 255), max(1, round(scale)), cv2.LINE_AA,
            )  # fmt: skip
