"""`har-edge teach`: record, forget, list."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from har_edge.commands.harness import note, show
from har_edge.commands.options.fields import setting
from har_edge.commands.options.models import MODEL
from har_edge.config import ModelConfig, PeopleConfig, RunLimits
from har_edge.counted import counted
from har_edge.model.file import BUNDLED
from har_edge.progress import Progress
from har_edge.silence import doing, never_silent

if TYPE_CHECKING:
    from har_edge.media import Skipped
    from har_edge.model.loaded import LoadedModel
    from har_edge.sources.base import FrameSource


@click.command()
@click.argument("name", required=False)
@click.argument("sources", nargs=-1, metavar="[SOURCES]...")
@click.option(
    "--camera",
    "cameras",
    multiple=True,
    metavar="N|PATH",
    help="Record from a camera; may be given again.",
)
@setting(
    RunLimits,
    "duration_s",
    "--duration",
    metavar="S",
    default=10.0,
    show_default=True,
    help="Seconds to use of each source.",
)
@setting(
    ModelConfig,
    "model",
    "-m",
    "--model",
    metavar="MODEL",
    type=MODEL,
    show_default="what har-edge run takes for the same sources",
    help="Model to teach.",
)
@setting(ModelConfig, "backend", "--backend", help="Runtime that executes the model.")
@setting(
    ModelConfig,
    "taught",
    "--taught",
    metavar="FILE",
    help="File of taught actions; defaults to your own.",
)
@click.option(
    "--background",
    multiple=True,
    metavar="SOURCES",
    help="Recordings of anything else; needed for a model that is not bundled.",
)
@click.option("--forget", metavar="NAME", help="Forget a taught action.")
@click.option("--list", "listed", is_flag=True, help="List the taught actions.")
def teach(
    name: str | None,
    sources: tuple[str, ...],
    cameras: tuple[str, ...],
    duration_s: float,
    model: str | None,
    backend: str,
    taught: str | None,
    background: tuple[str, ...],
    forget: str | None,
    listed: bool,
) -> None:
    """Teach the model an action NAME from SOURCES: pictures, videos, or a camera.

    Use the name `nothing` to teach what the same place looks like without the action.

    \b
    Examples:
      har-edge teach waving --camera 0 --duration 10
      har-edge teach nothing --camera 0
      har-edge teach push_ups monday.mp4 tuesday.mp4
      har-edge teach --list
    """
    if not (listed or forget or name):
        raise click.UsageError("Nothing to do: give NAME and SOURCES, --forget NAME or --list.")
    if name and not (sources or cameras):
        raise click.UsageError("Nothing to record: give SOURCES or --camera N.")
    from har_edge.sources.names import camera_name

    names = [*sources, *map(camera_name, cameras)]
    if forget:
        _forget(forget, *_find(forget, model, backend, taught))
    if name:
        chosen = model or _suitable(names, taught)
        loaded, path = _load(chosen, backend, taught)
        _record(name, loaded, path, _Recording(names, background, duration_s))
        model = model or chosen
    if listed:
        for one in (model,) if model or taught else BUNDLED:
            _list(*_load(one, backend, taught))


@dataclass(frozen=True)
class _Recording:
    """What is recorded: the action, and anything else."""

    names: Sequence[str]
    background: Sequence[str]
    duration_s: float


def _load(model: str | None, backend: str, taught: str | None) -> tuple[LoadedModel, Path]:
    """Load a model, and name the file of what was taught to it."""
    from har_edge.model.loaded import load_model
    from har_edge.model.trial import try_model
    from har_edge.recognition.taught_file import default_taught_path, taught_to

    if model is None and taught and (known := taught_to(taught)) in BUNDLED:
        model = known
    try_model(model, backend=backend)
    loaded = load_model(model, backend=backend)
    return loaded, Path(taught) if taught else default_taught_path(loaded)


def _suitable(names: Sequence[str], taught: str | None) -> str | None:
    """The model that a run over the same sources takes; None for the one of a file of actions."""
    from har_edge.model.catalogue import suit
    from har_edge.sources.names import expand_sources

    if taught and Path(taught).is_file():
        return None
    choice = suit(expand_sources(names))
    note(choice.reason)
    return choice.model


def _find(
    action: str, model: str | None, backend: str, taught: str | None
) -> tuple[LoadedModel, Path]:
    """Find the model that knows a taught action: the one named, else whichever was taught it."""
    from har_edge.recognition.taught_file import read_taught

    if model or taught:
        return _load(model, backend, taught)
    candidates = [_load(name, backend, None) for name in BUNDLED]
    there = [found for found in candidates if found[1].is_file()]
    knowing = [found for found in there if action in read_taught(*found).names]
    return (*knowing, *there, *candidates)[0]


def _forget(action: str, loaded: LoadedModel, path: Path) -> None:
    from har_edge.recognition.teach import forget

    forget(loaded, action, path)
    note(f"Forgot '{action}'.")


def _record(name: str, loaded: LoadedModel, path: Path, recording: _Recording) -> None:
    from har_edge.files import check_writable
    from har_edge.media import Skipped
    from har_edge.people.open import choose_people
    from har_edge.recognition import teach as teaching
    from har_edge.recognition.taught import report
    from har_edge.run.parts import say_who_finds

    say_who_finds(loaded.spec, choose_people(loaded.path, PeopleConfig()), note)
    skipped = Skipped()
    # Found out now, and not after somebody has moved for ten seconds.
    check_writable(path, parents=True, advice="Give another --taught FILE.")
    live = f"Recording for {recording.duration_s:g} s, starting now."
    seconds = _Seconds(recording.duration_s)
    with never_silent(), doing("Recording"), contextlib.closing(seconds):
        known = teaching.teach(
            loaded,
            name,
            _open(recording.names, skipped, live),
            path,
            duration_s=recording.duration_s,
            background=_open(recording.background, skipped),
            heard=seconds,
        )
    if str(skipped):
        note(str(skipped))
    note(report(known, name))


class _Seconds:
    """Shows how many seconds of a source are recorded, and how many there will be."""

    def __init__(self, duration_s: float) -> None:
        self._duration_s = duration_s
        self._source: FrameSource | None = None
        self._bar: Progress | None = None
        self._done = 0

    def __call__(self, source: FrameSource, time_s: float) -> None:
        if source is not self._source:
            self.close()
            length_s = min(self._duration_s, source.duration_s or self._duration_s)
            self._source, self._done = source, 0
            self._bar = Progress(round(length_s), "Recording", "second")
        if self._bar is not None and int(time_s) > self._done:
            self._bar(int(time_s) - self._done)
            self._done = int(time_s)

    def close(self) -> None:
        """Show nothing any more."""
        if self._bar is not None:
            self._bar.close()
        self._bar = None


def _open(names: Iterable[str], skipped: Skipped, live: str = "") -> Iterator[FrameSource]:
    from har_edge.sources.base import SourceStatus
    from har_edge.sources.names import expand_sources
    from har_edge.sources.open import open_source

    # A dark camera gives no frame; it must not be waited for without a word.
    def tell(status: SourceStatus) -> None:
        note(f"{status.source}: {live if status.state == 'live' and live else status.detail}")

    return (open_source(name, notify=tell) for name in expand_sources(names, skipped))


def _list(model: LoadedModel, path: Path) -> None:
    from har_edge.recognition.taught_file import read_taught

    windows_of = read_taught(model, path).windows if path.exists() else {}
    if not windows_of:
        note(
            f"{model.spec.name} has not been taught anything yet. Try: har-edge teach NAME SOURCES"
        )
    else:
        note(f"Taught to {model.spec.name}:")
    for action, windows in windows_of.items():
        show(f"{action}\t{counted(len(windows), 'window')}")
