"""A window with the frames and the action; used by `--show` alone."""

from __future__ import annotations

import os
import sys

from har_edge.errors import OutputError
from har_edge.frames.opencv import import_cv2
from har_edge.recognition.prediction import Prediction
from har_edge.sinks.base import Shot
from har_edge.sinks.overlay import draw_frame

TITLE = "har-edge (q or Esc to quit)"
KEYS_THAT_END = (ord("q"), 27)


class Viewer:
    """Shows each frame with what is known of it; a callable for `Run.watch`."""

    def __init__(self) -> None:
        """Check that a window can be opened.

        Raises:
            OutputError: if there is no display. OpenCV would end the process instead.
        """
        if sys.platform.startswith("linux") and not (
            os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
        ):
            raise OutputError(
                "--show needs a screen, but neither DISPLAY nor WAYLAND_DISPLAY is set. Leave "
                "--show out, or log in with ssh -X."
            )
        self._last: Prediction | None = None

    def __call__(self, shot: Shot) -> bool:
        """Draw one frame; False once the user pressed q or Esc."""
        cv2 = import_cv2()
        self._last = shot.prediction or (None if shot.people else self._last)
        cv2.imshow(TITLE, draw_frame(shot.frame, self._last, shot.people))
        return cv2.waitKey(1) & 0xFF not in KEYS_THAT_END

    def close(self) -> None:
        """Close the window."""
        import_cv2().destroyAllWindows()
