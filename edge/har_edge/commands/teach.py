"""`har-edge teach`: record, forget, list."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from har_edge.commands.harness import note
from har_edge.commands.options.fields import setting
from har_edge.config import ModelConfig, RunLimits

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
    help="Seconds to take of each source.",
)
@setting(ModelConfig, "model", "-m", "--model", metavar="FILE", help="The model to teach.")
@setting(ModelConfig, "backend", "--backend", help="Runtime that executes the model.")
@setting(
    ModelConfig,
    "taught",
    "--taught",
    metavar="FILE",
    help="File of taught actions; default your own.",
)
@click.option(
    "--background",
    multiple=True,
    metavar="SOURCES",
    help="Recordings of other things, for a model that is not bundled.",
)
@click.option("--forget", metavar="NAME", help="Forget a taught action.")
@click.option("--list", "listed", is_flag=True, help="List what was taught.")
def teach(
    name: str | None,
    sources: tuple[str, ...],
    cameras: tuple[str, ...],
    duration_s: float,
    model: str,
    backend: str,
    taught: str | None,
    background: tuple[str, ...],
    forget: str | None,
    listed: bool,
) -> None:
    """Teach the model an action NAME from SOURCES: pictures, videos, or a camera.

    Teach the name `nothing` what the same place looks like without the action.

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
    from har_edge.files import check_writable
    from har_edge.media import Skipped
    from har_edge.model.loaded import load_model
    from har_edge.model.trial import try_model
    from har_edge.recognition import taught_file
    from har_edge.recognition import teach as teaching
    from har_edge.sources.names import camera_name

    try_model(model, backend=backend)
    loaded = load_model(model, backend=backend)
    path = Path(taught) if taught else taught_file.default_taught_path(loaded)
    if forget:
        left = taught_file.read_taught(loaded, path).without(forget)
        taught_file.write_taught(loaded, left, path)
        note(f"Forgot '{forget}'.")
    if name:
        names = [*sources, *map(camera_name, cameras)]
        skipped = Skipped()
        # Found out now, and not after somebody has moved for ten seconds.
        check_writable(path, parents=True, advice="Give another --taught FILE.")
        known = teaching.teach(
            loaded,
            name,
            _open(names, skipped, f"Recording for {duration_s:g} s: now."),
            path,
            duration_s=duration_s,
            background=_open(background, skipped),
        )
        if str(skipped):
            note(str(skipped))
        note(teaching.report(known, name))
    if listed:
        _list(loaded, path)


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
        note(f"Nothing was taught to {model.spec.name} yet. Try: har-edge teach NAME SOURCES")
    for action, windows in windows_of.items():
        click.echo(f"{action}\t{len(windows)} windows")
