"""Names of sequences in pose sets: `FILE.npz#N`, the N-th of a file, counted from 0."""

from __future__ import annotations

import os
import re
from pathlib import Path

_NAME = re.compile(r"(?P<file>.*\.npz)#(?P<number>[0-9]{1,9})", re.DOTALL | re.IGNORECASE)


def sequence_of(path: str | os.PathLike[str]) -> tuple[Path, int] | None:
    """Take a sequence's name apart: its file, and its number there; None for any other path.

    Example:
        >>> found = sequence_of("poses/urfd.npz#12")
        >>> found[0].as_posix(), found[1]
        ('poses/urfd.npz', 12)
        >>> sequence_of("clips/fall.mp4") is None
        True
    """
    found = _NAME.fullmatch(os.fspath(path))
    return (Path(found["file"]), int(found["number"])) if found else None
