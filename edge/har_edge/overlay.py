"""What is drawn into pictures: the action, and when it was seen."""

from __future__ import annotations

from typing import Any

import numpy as np

from har_edge.preprocess import Pixels, import_cv2
from har_edge.recognizer import Prediction


def describe(prediction: Prediction | None) -> str:
    """The line that is drawn for a prediction; empty before the first."""
    return f"{prediction.action} {prediction.confidence:.0%}" if prediction else ""


def annotate(pixels: Pixels, *lines: str) -> Pixels:
    """Draw lines of text into the upper left corner, white on black edges.

    Args:
        pixels: RGB, (H, W, 3), uint8; stays as it is.
        lines: From top to bottom; the font has Latin letters without accents.

    Returns:
        The picture as OpenCV writes and shows it: BGR, (H, W, 3), uint8.
    """
    cv2: Any = import_cv2()
    picture = cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR)
    scale = max(0.5, picture.shape[0] / 480)
    for number, line in enumerate(lines, 1):
        place = (round(10 * scale), round(30 * scale * number))
        for colour, width in (((0, 0, 0), 4), ((255, 255, 255), 1)):
            cv2.putText(
                picture, line, place, cv2.FONT_HERSHEY_SIMPLEX, scale, colour,
                round(width * max(1.0, scale)), cv2.LINE_AA,
            )  # fmt: skip
    return np.asarray(picture, dtype=np.uint8)
