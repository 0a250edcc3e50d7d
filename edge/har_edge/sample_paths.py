"""What the path of a sample says: its group, and which sequence of a pose set it is.

Keypoints of many people lie in one file, so that a manifest names a sequence of them as
`FILE.npz#N`, the N-th in the file, from 0.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

SET_SUFFIX = ".npz"
# UCF101 names its clips v_Class_gNN_cNN: clips of one g come from one video.
UCF_NAME = re.compile(r"(.+_g\d+)_c\d+$")
_SEQUENCE = re.compile(r"(?P<file>.*\.npz)#(?P<number>\d{1,9})", re.IGNORECASE | re.DOTALL)


def sequence_of(path: str | os.PathLike[str]) -> tuple[Path, int] | None:
    """Read the path of a sequence in a pose set: the file, and its number from 0.

    Example:
        >>> found = sequence_of("tracks/fall-01.npz#2")
        >>> found[0].as_posix(), found[1]
        ('tracks/fall-01.npz', 2)
        >>> sequence_of("fall-01.mp4") is None
        True
    """
    match = _SEQUENCE.fullmatch(os.fspath(path))
    return (Path(match["file"]), int(match["number"])) if match else None


def file_of(path: Path) -> Path:
    """The file that a sample lies in: its path, but for a sequence that of the set."""
    found = sequence_of(path)
    return found[0] if found else path


def group_of(path: Path) -> str:
    """Guess a sample's group: UCF101's source video, else the file alone.

    Sequences of one set may be of one person, or of several in one room: they stay together.
    """
    file = file_of(path)
    match = UCF_NAME.match(file.stem)
    return match.group(1) if match else str(file)
