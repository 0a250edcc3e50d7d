"""A window with the frames and the action; used by `--show` alone."""

from __future__ import annotations

import os
import sys

from har_edge.errors import OutputError
from har_edge.preprocess import import_cv2
from har_edge.recognizer import Prediction
from har_edge.sources import Frame

TITLE = "har-edge (q or Esc ends)"
KEYS_THAT_END = (ord("q"), 27)


class Viewer:
    """Shows each frame with the current action; a callable for `Run.watch`."""

    def __init__(self) -> None:
        """Check that a window can be opened.

        Raises:
            OutputError: if there is no display. OpenCV would end the process instead.
        """
        if sys.platform.startswith("linux") and not (
            os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
        ):
            raise OutputError(
                "--show needs a screen, but neither DISPLAY nor WAYLAND_DISPLAY is set. "
                "Leave --show out, or log in with ssh -X."
            )
        self._text = ""

    def __call__(self, frame: Frame, prediction: Prediction | None) -> bool:
        """Draw one frame; False once the user pressed q or Esc."""
        cv2 = import_cv2()
        if prediction is not None:
            self._text = f"{prediction.action} {prediction.confidence:.0%}"
        picture = cv2.cvtColor(frame.pixels, cv2.COLOR_RGB2BGR)
        scale = max(0.5, picture.shape[0] / 480)
        place = (round(10 * scale), round(30 * scale))
        for colour, width in (((0, 0, 0), 4), ((255, 255, 255), 1)):
            cv2.putText(
                picture, self._text, place, cv2.FONT_HERSHEY_SIMPLEX, scale, colour,
                round(width * max(1.0, scale)), cv2.LINE_AA,
            )  # fmt: skip
        cv2.imshow(TITLE, picture)
        return cv2.waitKey(1) & 0xFF not in KEYS_THAT_END

    def close(self) -> None:
        """Close the window."""
        import_cv2().destroyAllWindows()
