"""What is drawn into pictures: the action, and when it was seen."""

from __future__ import annotations

import time
from datetime import datetime

from har_edge.arrays import Pixels
from har_edge.durations import format_time
from har_edge.frames.frame import Frame
from har_edge.frames.opencv import import_cv2, rgb_to_bgr
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


def annotate(pixels: Pixels, *lines: str) -> Pixels:
    """Draw lines of text into the upper left corner, white on black edges.

    Args:
        pixels: RGB, (H, W, 3), uint8; stays as it is.
        lines: From top to bottom; the font has Latin letters without accents.

    Returns:
        The picture as OpenCV writes and shows it: BGR, (H, W, 3), uint8.
    """
    cv2 = import_cv2()
    picture = rgb_to_bgr(pixels)
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
    return picture
