"""From what a user names to sources that can be opened, each when its turn comes."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from har_edge.config import SourceConfig
from har_edge.errors import ConfigError
from har_edge.paths import display_path
from har_edge.run.lanes import Follow, SourceOpener
from har_edge.say import Say
from har_edge.sources.base import FrameSource, Notify
from har_edge.sources.names import DEVICE, camera_name, expand_sources
from har_edge.sources.open import open_source
from har_edge.sources.urls import is_url, redact
from har_edge.sources.watch import iter_new_files, watched_folders


def build_openers(config: SourceConfig) -> list[SourceOpener]:
    """Name each source that is asked for, with a function that opens it.

    Raises:
        SourceError: if a folder, a pattern or a list holds no source.
        ConfigError: if standard input is to be read twice.
    """
    names = [*config.names, *(_demo_files() if config.demo else ())]
    if config.camera:
        names.append(camera_name(config.camera))
    sources = expand_sources(names)
    if sources.count("-") > 1:
        raise ConfigError("Standard input can be read once: give '-' once.")
    shown = _names_apart(sources)
    return [_opener(name, config, s) for name, s in zip(sources, shown, strict=True)]


def build_follow(config: SourceConfig, note: Say) -> Follow | None:
    """Make the function that gives the files of watched folders, if there are any.

    Args:
        config: What is looked at.
        note: Takes a line for the user when the watching starts.

    Raises:
        SourceError: if a folder is not there.
    """
    folders = config.watch
    if not folders:
        return None
    watched_folders(folders)

    def follow(stopped: Callable[[], bool]) -> Iterable[SourceOpener]:
        # Said here, as by now Ctrl-C ends the run and not the process.
        note(f"Watching {', '.join(map(display_path, folders))} for new files; Ctrl-C ends.")
        return (_opener(name, config, name) for name in iter_new_files(folders, stopped))

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
    for name in map(redact, sources):
        seen[name] += 1
        again = seen[name] > 1 and is_apart(name)
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


def _demo_files() -> list[str]:
    folder = Path(__file__).parents[1] / "samples"
    return [os.path.relpath(p) for p in sorted(folder.iterdir()) if p.suffix in (".jpg", ".mp4")]
