"""`har-train explain`: show where a model saw what it says."""

from __future__ import annotations

from pathlib import Path

import click

from har_edge.commands.harness import note, show
from har_edge.commands.options.models import MODEL
from har_edge.errors import HarError
from har_edge.paths import display_path
from har_edge.progress import Progress
from har_train.commands.progress import say
from har_train.extras import check_installed, prepare_tensorflow


@click.command()
@click.argument("run", metavar="RUN", type=MODEL)
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.option("--out", metavar="DIR", help="Folder to write to. [default: explain/NAME]")
@click.option(
    "--action",
    metavar="LABEL",
    help=("Show the evidence for this action. [default: the predicted one]"),
)
@click.pass_context
def explain(
    ctx: click.Context, /, run: str, files: tuple[str, ...], out: str | None, action: str | None
) -> None:
    """Show which parts of pictures and clips the predictions of RUN are based on (Grad-CAM).

    RUN is a run folder, a bundled model by its name, or a converted file whose run lies under
    ./runs.

    For each FILE, it writes a picture with the frames of the most confident window, coloured by
    how much evidence each place gave for the action; for a clip also a video of all its frames.

    \b
    Examples:
      har-train explain runs/mine clip.mp4 photo.jpg
      har-train explain runs/mine clip.mp4 --action falling --out why
      har-train explain har15 photo.jpg
    """
    prepare_tensorflow()
    from har_train.explain.files import explain_files, load_explainer

    check_installed("keras", "matplotlib")
    explainer = load_explainer(run)
    folder = Path(out) if out else Path("explain") / explainer.name
    tick = Progress(len(files), "Explaining", "file")
    failed = 0
    say(f"Explaining with {display_path(explainer.path)}")
    for found in explain_files(explainer, [Path(f) for f in files], folder, action=action):
        tick(1)
        if isinstance(found, HarError):
            failed += 1
            say(f"Error: {found}")
        else:
            show(f"{display_path(found.path)}: {found.action} {found.probability:.1%}")
    if failed < len(files):
        note(f"\nWrote {folder}")
    ctx.exit(1 if failed else 0)
