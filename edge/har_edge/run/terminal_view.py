"""Frames in a terminal, two pixels a character, with the action below; what the demo shows."""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import TextIO

from har_edge.arrays import Pixels
from har_edge.frames.frame import Person
from har_edge.frames.opencv import import_cv2
from har_edge.people.draw import colour_of, draw_box
from har_edge.recognition.prediction import Prediction
from har_edge.sinks.base import Shot
from har_edge.visible import visible

# Columns of the picture at most, and what has to be there for one that shows anything.
MOST_COLUMNS, FEWEST_COLUMNS, FEWEST_ROWS = 72, 40, 16
BAR = 24
# A file is shown no faster than it was filmed; a picture stays for so long.
PICTURE_S, LONGEST_WAIT_S = 1.5, 0.5


def can_show(stream: TextIO, environ: Mapping[str, str] = os.environ) -> bool:
    """Whether a stream is a terminal with colours, wide and high enough for a picture."""
    if not stream.isatty() or "NO_COLOR" in environ or environ.get("TERM", "dumb") == "dumb":
        return False
    encoding = (getattr(stream, "encoding", "") or "").lower().replace("-", "")
    size = shutil.get_terminal_size()
    return encoding == "utf8" and size.columns >= FEWEST_COLUMNS and size.lines >= FEWEST_ROWS


def half_blocks(
    pixels: Pixels, columns: int, people: Sequence[Person] = (), *, true_colour: bool = True
) -> list[str]:
    """Draw a picture as lines of half blocks, the upper pixel as ink, the lower one as paper.

    Args:
        pixels: RGB, (H, W, 3), uint8.
        columns: Width in characters; the height follows from the picture's proportions.
        people: Those to draw a box around.
        true_colour: Whether the terminal has 24-bit colours; else one of 256 is taken.
    """
    height, width = pixels.shape[:2]
    rows = max(1, round(columns * height / width / 2))
    area = import_cv2().INTER_AREA
    small = import_cv2().resize(pixels, (columns, 2 * rows), interpolation=area)
    for person in people:
        draw_box(small, person.box, colour_of(person.id))
    lines = []
    for upper, lower in zip(small[::2].tolist(), small[1::2].tolist(), strict=True):
        cells = (
            f"\x1b[38;{_colour(ink, true_colour)};48;{_colour(paper, true_colour)}m▀"
            for ink, paper in zip(upper, lower, strict=True)
        )
        lines.append("".join(cells) + "\x1b[0m")
    return lines


def _colour(rgb: list[int], true_colour: bool) -> str:
    if true_colour:
        return f"2;{rgb[0]};{rgb[1]};{rgb[2]}"
    # The cube of 6 x 6 x 6 colours begins at 16. Source: xterm, 256colres.
    red, green, blue = (round(value / 255 * 5) for value in rgb)
    return f"5;{16 + 36 * red + 6 * green + blue}"


class TerminalView:
    """Shows each frame in place, with its actions as bars; a callable for `Run.watch`."""

    def __init__(self, stream: TextIO, *, top_k: int = 3) -> None:
        self._stream, self._top_k = stream, top_k
        size = shutil.get_terminal_size()
        # Of a 16:9 picture, as many columns as leave room for the lines below it.
        high = (size.lines - top_k - 3) * 2 * 16 // 9
        self._columns = max(FEWEST_COLUMNS // 2, min(MOST_COLUMNS, size.columns - 2, high))
        colours = os.environ.get("COLORTERM", "")
        self._true_colour = colours in ("truecolor", "24bit")
        self._source = ""
        self._drawn = 0
        self._next_s = 0.0
        self._shown_s = 0.0
        self._bars: list[str] = []

    def __call__(self, shot: Shot) -> bool:
        """Draw one frame at its time; a run goes on in any case."""
        frame, prediction = shot.frame, shot.prediction
        if frame.source != self._source:
            self.close()
            self._source, self._drawn, self._bars = frame.source, 0, []
            self._shown_s, self._next_s = frame.timestamp_s, time.monotonic()
        due_s = self._next_s + min(LONGEST_WAIT_S, frame.timestamp_s - self._shown_s)
        time.sleep(max(0.0, due_s - time.monotonic()))
        self._next_s, self._shown_s = max(due_s, time.monotonic()), frame.timestamp_s
        if prediction is not None:
            self._bars = [_bar(name, share) for name, share in prediction.top(self._top_k)]
        elif shot.people:
            self._bars = [
                _person_bar(said, true_colour=self._true_colour)
                for said in sorted(shot.people[: self._top_k], key=lambda p: p.person or 0)
            ]
        title = f"{visible(PurePath(frame.source).name)}  {frame.timestamp_s:.1f} s"
        bars = self._bars or ["…"]
        lines = [
            *half_blocks(
                frame.pixels, self._columns, _shown_people(shot), true_colour=self._true_colour
            ),
            title,
            *(bars + [""] * self._top_k)[: self._top_k],
        ]
        back = f"\x1b[{self._drawn}F" if self._drawn else ""
        self._stream.write(back + "".join(f"\x1b[2K{line}\n" for line in lines))
        self._stream.flush()
        self._drawn = len(lines)
        return True

    def close(self) -> None:
        """Leave the last picture where it is, for as long as it takes to look at it."""
        if self._drawn:
            time.sleep(PICTURE_S)
            self._stream.write("\n")
            self._stream.flush()
            self._drawn = 0


def _shown_people(shot: Shot) -> Sequence[Person]:
    """Those whose action is known; before anybody's is, all."""
    people = shot.frame.people or ()
    known = {said.person for said in shot.people}
    return [person for person in people if person.id in known] or people


def _bar(action: str, share: float, ink: str = "36") -> str:
    full = "█" * round(BAR * share)
    return f"{visible(action):<20} \x1b[{ink}m{full:<{BAR}}\x1b[0m {share:>4.0%}"


def _person_bar(said: Prediction, *, true_colour: bool = True) -> str:
    """What one person does, in the colour of their box."""
    ink = f"38;{_colour(list(colour_of(said.person)), true_colour)}"
    return _bar(f"person {said.person}  {said.action}", said.confidence, ink)


def stdout_can_show() -> bool:
    """Whether standard output is a terminal that can show a picture."""
    stream: TextIO | None = sys.stdout
    return stream is not None and can_show(stream)
