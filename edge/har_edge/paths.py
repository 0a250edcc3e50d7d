"""The user's own folders: caches, which may be deleted at any time, and data, which may not."""

from __future__ import annotations

import os
from pathlib import Path

from har_edge.errors import SourceError

SAMPLES = Path(__file__).resolve().parent / "samples"
# The one of them in which people are told apart.
SEVERAL_PEOPLE = "two_people.mp4"


def cache_folder() -> Path:
    """Cached files: HAR_CACHE_DIR, else XDG_CACHE_HOME/har-edge, else ~/.cache/har-edge.

    It need not exist. Source: XDG Base Directory Specification, 0.8.
    """
    return Path(os.environ.get("HAR_CACHE_DIR") or _folder("XDG_CACHE_HOME", ".cache"))


def data_folder() -> Path:
    """The user's data: XDG_DATA_HOME/har-edge, else ~/.local/share/har-edge."""
    return _folder("XDG_DATA_HOME", ".local/share")


def _folder(variable: str, fallback: str) -> Path:
    # expanduser leaves the "~" where a user has no home; nothing can be made there then.
    base = os.environ.get(variable) or os.path.expanduser(f"~/{fallback}")  # noqa: PTH111
    return Path(base) / "har-edge"


def display_path(path: str | os.PathLike[str]) -> str:
    """Spell a path so that it can be printed and written as UTF-8, whatever its bytes."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def sample_path(name: str) -> Path:
    """Path of a bundled picture or clip, to try things out; `har-edge run --demo` shows them.

    Args:
        name: `falling.mp4`, `lying.jpg`, `seated.jpg` or `two_people.mp4`.

    Raises:
        SourceError: if it is none of these.

    Example:
        >>> sample_path("falling.mp4").name
        'falling.mp4'
    """
    names = sorted(path.name for path in SAMPLES.iterdir() if path.suffix in (".jpg", ".mp4"))
    if name not in names:
        raise SourceError(f"There is no sample {name!r}. Choose from: {', '.join(names)}.")
    return SAMPLES / name
