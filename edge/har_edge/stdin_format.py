"""What comes in on standard input; others take it from `har_edge.config`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class StdinFormat:
    """Format of standard input: `mjpeg[@FPS|@live]` or `rgb24:WIDTHxHEIGHT[@FPS|@live]`.

    Attributes:
        kind: JPEG pictures one after another, or raw pixels.
        width, height: Size in pixels of `rgb24`, else 0.
        frame_rate_hz: Frames per second of the source's time; None if they are live, with their
            time of arrival.
    """

    kind: Literal["mjpeg", "rgb24"] = "mjpeg"
    width: int = 0
    height: int = 0
    frame_rate_hz: float | None = 25.0

    @classmethod
    def parse(cls, text: str) -> StdinFormat:
        """Read a format.

        Raises:
            ValueError: if it is not a format; the message says what is.

        Example:
            >>> StdinFormat.parse("rgb24:640x480@live").frame_rate_hz is None
            True
        """
        pattern = r"(?:(mjpeg)|rgb24:(\d{1,5})x(\d{1,5}))(?:@(live|\d+(?:\.\d+)?))?"
        found = re.fullmatch(pattern, text)
        if not found or (found[2] and not int(found[2]) * int(found[3])) or found[4] == "0":
            raise ValueError(
                "Expected mjpeg[@FPS|@live] or rgb24:WIDTHxHEIGHT[@FPS|@live]. Received "
                f"{text!r}. Write, for example, mjpeg@30 or rgb24:640x480@25."
            )
        rate = {None: cls.frame_rate_hz, "live": None}.get(found[4], found[4])
        return cls(
            "mjpeg" if found[1] else "rgb24",
            int(found[2] or 0),
            int(found[3] or 0),
            None if rate is None else float(rate),
        )
