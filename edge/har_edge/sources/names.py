"""How what a user types becomes a list of sources: folders, globs, lists, and folders to watch."""

from __future__ import annotations

import glob
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from har_edge.errors import SourceError
from har_edge.media import Skipped, find_media, is_media, without_clutter
from har_edge.paths import display_path
from har_edge.sources.urls import SCHEMES, has_scheme, is_url, redact, redact_name

# A single source, or a name that stands for none with what is wrong with it.
Found = tuple[str, SourceError | None]
LIST_SUFFIXES = frozenset({".txt", ".streams"})
DEVICE = re.compile(r"(?:pi)?camera:.+|/dev/video\d+|-")


def expand_sources(names: Iterable[str], skipped: Skipped | None = None) -> list[str]:
    """Turn what a user names into single sources.

    Args:
        names: Files; folders, for the stills and videos in and below them; globs; lists of
            sources (`.txt` or `.streams`, one a line, `#` starts a comment, paths are relative to
            the list); URLs; `camera:N`, `picamera:N`, `/dev/videoN`; `N` for `camera:N`; `-`.
        skipped: Takes what is passed over in folders and globs.

    Returns:
        Names for `open_source`; the files of a folder or a glob in order of their names.

    Raises:
        SourceError: if a folder or a pattern holds no still and no video, or a list no source.
    """
    found = []
    for source, error in find_sources(names, skipped):
        if error is not None:
            raise error
        found.append(source)
    return found


def find_sources(names: Iterable[str], skipped: Skipped | None = None) -> Iterator[Found]:
    """Yield single sources, and names that stand for none with what is wrong with them.

    Arguments as for `expand_sources`, for callers that go on with the others.
    """
    skipped = Skipped() if skipped is None else skipped
    for name in names:
        try:
            yield from _look_up(name, skipped)
        except SourceError as error:
            yield name, error


def camera_name(camera: str) -> str:
    """Name the source that `--camera` means: a number or a device file.

    Raises:
        SourceError: if it is neither.
    """
    if camera.isdecimal():
        return f"camera:{camera}"
    if camera.startswith("/dev/") or DEVICE.fullmatch(camera):
        return camera
    raise SourceError(
        f"--camera takes a number, as in --camera 0, or a device file such as /dev/video0. "
        f"Received {redact_name(camera)!r}. Give files and URLs as SOURCES, without --camera."
    )


def _look_up(name: str, skipped: Skipped) -> list[Found]:
    try:
        return _expand(name, skipped)
    except OSError as error:  # a name too long, a folder that may not be entered
        raise SourceError(
            f"{display_path(redact_name(name))} cannot be looked up: {error.strerror}. Check the "
            "name, and that you may enter its folder."
        ) from error


def _expand(name: str, skipped: Skipped) -> list[Found]:
    path = Path(name)
    if is_url(name) or DEVICE.fullmatch(name):
        return [(name, None)]
    if has_scheme(name) and not path.exists():
        raise SourceError(
            f"{redact(name)} has a scheme that cannot be read. Expected "
            f"{', '.join(f'{scheme}://' for scheme in sorted(SCHEMES))}; name a file by its path."
        )
    if name.isdecimal() and not path.exists():
        return [(f"camera:{name}", None)]
    if path.suffix.lower() in LIST_SUFFIXES and path.is_file():
        return list(_expand_list(path, skipped))
    pattern = False
    if path.is_dir():
        found = [str(p) for p in find_media(path, skipped)]
    elif pattern := glob.has_magic(name) and not path.exists():
        found = _match(name, skipped)
    else:
        found = [name]
    if not found:
        verb = "matches" if pattern else "holds"
        shown = display_path(redact_name(name))
        raise SourceError(
            f"{shown} {verb} no picture and no video. Expected files such as JPEG, PNG, MP4 or "
            f"MKV, whatever their names. {skipped}".rstrip()
        )
    return [(source, None) for source in found]


def _match(pattern: str, skipped: Skipped) -> list[str]:
    """Files that match a pattern; below hidden folders, only if it names these."""
    named = Path(pattern).parts
    found = []
    for name in sorted(glob.glob(pattern, recursive=True)):
        folders = [part for part in Path(name).parent.parts if part not in (*named, "..")]
        if len(without_clutter(folders, skipped)) == len(folders) and is_media(Path(name), skipped):
            found.append(name)
    return found


def _expand_list(path: Path, skipped: Skipped) -> Iterator[Found]:
    """Expand each line of a list of sources; what is wrong names the line."""
    for number, name in _read_list(path):
        where = f"{display_path(path)}, line {number}"
        if Path(name).suffix.lower() in LIST_SUFFIXES and not is_url(name):
            yield (
                name,
                SourceError(
                    f"{where}: {redact_name(name)} is a list. Lists hold sources, not lists."
                ),
            )
            continue
        single = has_scheme(name) or DEVICE.fullmatch(name) or name.isdecimal()
        given = name if single else str(path.parent / name)
        if not single and not glob.has_magic(name) and not Path(given).exists():
            shown = redact_name(display_path(given))
            yield (
                given,
                SourceError(
                    f"{where}: {shown} does not exist. Expected a source a line: a file, a folder, "
                    "a URL, camera:0."
                ),
            )
            continue
        for source, error in find_sources([given], skipped):
            yield source, SourceError(f"{where}: {error}") if error else None


def _read_list(path: Path) -> list[tuple[int, str]]:
    """Read the lines of a list of sources that name some, with their numbers."""
    shown = display_path(path)
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise SourceError(
            f"{shown} cannot be read as a list of sources: {error}. Save it as UTF-8 text."
        ) from error
    names = []
    for number, line in enumerate(lines, 1):
        # A `#` inside a word belongs to it: URLs have fragments.
        name = re.sub(r"(?:^|\s)#.*", "", line).strip()
        if name:
            names.append((number, name))
    if not names:
        raise SourceError(f"{shown} names no source. Write one a line: a file, a URL, camera:0.")
    return names
