"""From what a user names to sources that can be opened, each when its turn comes."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Sequence

from har_edge.config import SourceConfig
from har_edge.errors import ConfigError, SourceError
from har_edge.media import Skipped
from har_edge.paths import SAMPLES, SEVERAL_PEOPLE, display_path
from har_edge.run.lanes import Follow, SourceOpener
from har_edge.say import Say
from har_edge.sources.base import FrameSource, Notify
from har_edge.sources.names import DEVICE, camera_name, find_sources
from har_edge.sources.open import open_source
from har_edge.sources.urls import is_url, redact_name
from har_edge.sources.watch import iter_new_files, watched_folders


def build_openers(config: SourceConfig, skipped: Skipped | None = None) -> list[SourceOpener]:
    """Name each requested source, with a function that opens it.

    Args:
        config: What is looked at.
        skipped: Takes what is passed over in folders.

    Raises:
        SourceError: if the only name is a folder, a pattern or a list that holds no source; of
            several, the others are read, and this one fails when its turn comes.
        ConfigError: if standard input is to be read twice.
    """
    names = [*config.names, *(demo_files() if config.demo else ())]
    names += map(camera_name, config.cameras)
    found = list(find_sources(names, skipped))
    if len(found) == 1 and found[0][1] is not None:
        raise found[0][1]
    sources = [source for source, _ in found]
    if sources.count("-") > 1:
        raise ConfigError("Standard input can be read only once. Received '-' twice. Give it once.")
    return [
        _opener(source, config, shown) if error is None else _unusable(shown, error)
        for (source, error), shown in zip(found, _names_apart(sources), strict=True)
    ]


def build_follow(config: SourceConfig, note: Say, skipped: Skipped | None = None) -> Follow | None:
    """Make the function that gives the files of watched folders, if there are any.

    Args:
        config: What is looked at.
        note: Takes a line for the user when the watching starts.
        skipped: Takes what is passed over.

    Raises:
        SourceError: if a folder is not there.
    """
    folders = config.watch
    if not folders:
        return None
    watched_folders(folders)

    def follow(stopped: Callable[[], bool]) -> Iterable[SourceOpener]:
        # Said here, as by now Ctrl-C ends the run and not the process.
        note(
            f"Watching {', '.join(map(display_path, folders))} for new files; press Ctrl-C to stop."
        )
        names = iter_new_files(folders, stopped, skipped=skipped)
        return (_opener(name, config, name) for name in names)

    return follow


def is_apart(name: str) -> bool:
    """Whether a source is read beside the others: all that is no file."""
    return is_url(name) or bool(DEVICE.fullmatch(name))


def _names_apart(sources: Sequence[str]) -> list[str]:
    """Printable names; of cameras and streams that would print the same, later ones are numbered.

    Credentials do not show, and a stream may be given twice. Events, totals and topics go by the
    printed name, so that two sources of one name would become one. Files are read one after the
    other, and may have the same name.
    """
    seen: Counter[str] = Counter()
    shown = []
    for source in sources:
        # A file may be called like anything, and is known by its path.
        name = source if os.path.lexists(source) else redact_name(source)
        seen[name] += 1
        again = seen[name] > 1 and is_apart(source)
        shown.append(f"{name} ({seen[name]})" if again else name)
    return shown


def _opener(name: str, config: SourceConfig, shown: str) -> SourceOpener:
    def open_it(notify: Notify) -> FrameSource:
        source = open_source(
            name, options=config.live, notify=notify, stdin_format=config.stdin_format
        )
        if is_apart(name):
            source.name = shown
        return source

    return SourceOpener(shown, open_it, apart=is_apart(name))


def _unusable(shown: str, error: SourceError) -> SourceOpener:
    """Make a source that only fails, so that it is counted and the others are read."""

    def open_it(notify: Notify) -> FrameSource:
        raise error

    return SourceOpener(shown, open_it)


def demo_files() -> list[str]:
    """The bundled pictures and the clip of one person."""
    found = (p for p in sorted(SAMPLES.iterdir()) if p.suffix in (".jpg", ".mp4"))
    return [os.path.relpath(path) for path in found if path.name != SEVERAL_PEOPLE]
