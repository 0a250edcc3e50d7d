"""What `har-edge teach` does with its options: record, forget, list."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from har_edge.model.loaded import load_model
from har_edge.recognition import teach
from har_edge.sinks.base import Note
from har_edge.sources.base import FrameSource, SourceStatus
from har_edge.sources.names import camera_name, expand_sources
from har_edge.sources.open import open_source


def teach_with_options(options: Mapping[str, Any], note: Note) -> list[str]:
    """Forget, teach and list, in this order, whatever the options ask for.

    Args:
        options: The values of the command's options.
        note: Takes lines for the user.

    Returns:
        The listing: one line an action; empty if none is asked for.

    Raises:
        HarError: if a source, the model or the file of taught actions cannot be used.
    """
    model = load_model(options["model"], backend=options["backend"])
    given = options["taught"]
    path = Path(given) if given else teach.default_taught_path(model)
    if options["forget"]:
        left = teach.read_taught(model, path).without(options["forget"])
        teach.write_taught(model, left, path)
        note(f"Forgot '{options['forget']}'.")
    if options["name"]:
        camera = options["camera"]
        names = [*options["sources"], *([camera_name(camera)] if camera else ())]
        known = teach.teach(
            model,
            options["name"],
            _open(names, note, f"Recording for {options['duration']:g} s: now."),
            path,
            duration_s=options["duration"],
            background=_open(options["background"], note),
        )
        note(teach.report(known, options["name"]))
    if not options["list"]:
        return []
    windows_of = teach.read_taught(model, path).windows if path.exists() else {}
    if not windows_of:
        note(f"Nothing was taught to {model.spec.name} yet. Try: har-edge teach NAME SOURCES")
    return [f"{action}\t{len(windows)} windows" for action, windows in windows_of.items()]


def _open(names: Iterable[str], note: Note, live: str = "") -> Iterator[FrameSource]:
    # A dark camera gives no frame; it must not be waited for without a word.
    def tell(status: SourceStatus) -> None:
        note(f"{status.source}: {live if status.state == 'live' and live else status.detail}")

    return (open_source(name, notify=tell) for name in expand_sources(names))
