"""Who is told how the work goes: lines for the user, and bars that move."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

# Takes a line for the user.
Say = Callable[[str], object]
# Takes the number of things that were done since the last call.
Tick = Callable[[int], object]


def silent(line: str) -> None:
    """Say nothing."""


def uncounted(done: int) -> None:
    """Count nothing."""


def _no_bar(*_: int) -> Tick:
    return uncounted


@dataclass(frozen=True)
class Watch:
    """What a training or an evaluation tells of itself; nothing unless somebody listens.

    Attributes:
        say: Takes lines for the user.
        samples: Given the numbers of samples and classes, returns a function that is called with
            1 for every sample that is read.
        epochs: Given the most epochs of a stage, returns a function that is called with 1 after
            each.

    Example:
        >>> lines = []
        >>> Watch(say=lines.append).say("epoch 1")
        >>> lines
        ['epoch 1']
    """

    say: Say = silent
    samples: Callable[[int, int], Tick] = _no_bar
    epochs: Callable[[int], Tick] = _no_bar


SILENT = Watch()
