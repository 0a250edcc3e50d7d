"""What the path of a sample says: the file that it lies in, and its group."""

from __future__ import annotations

import re
from pathlib import Path

from har_edge.pose_paths import sequence_of

SET_SUFFIX = ".npz"
# UCF101 names its clips v_Class_gNN_cNN: clips of one g come from one video.
UCF_NAME = re.compile(r"(.+_g\d+)_c\d+$")


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
