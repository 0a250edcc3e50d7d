"""FFmpeg through PyAV: whether it is there, and quiet."""

from __future__ import annotations

import logging
import sys
from types import ModuleType

# Older ones convert colours by other rules than OpenCV: the same file would give other pixels.
OLDEST_FOR_VIDEOS = 18
# For messages: there is no such release for Python 3.10.
HOW_TO_GET_AV = "pip install av"
if sys.version_info < (3, 11):
    HOW_TO_GET_AV = "use Python 3.11 or newer, and pip install av"


def import_av() -> ModuleType:
    """Import PyAV so that nothing of what it says reaches the terminal."""
    import av
    import av.logging

    logger = logging.getLogger("libav")
    logger.addHandler(logging.NullHandler())
    logger.propagate = False
    return av


def has_av() -> bool:
    """Whether PyAV is installed, so that damaged pictures of streams are recognised."""
    try:
        import av  # noqa: F401
    except ImportError:
        return False
    return True


def reads_videos() -> bool:
    """Whether PyAV is installed, and new enough to give the pixels that models were taught with."""
    return has_av() and av_release() >= OLDEST_FOR_VIDEOS


def av_release() -> int:
    """Which major release of PyAV is installed."""
    return int(import_av().__version__.partition(".")[0])


def text_options() -> dict[str, str]:
    """Options of `av.open` by which titles in odd encodings keep no file from being read.

    From PyAV 19 on that is so by itself, and the option is gone.
    """
    return {"metadata_errors": "replace"} if av_release() < 19 else {}
