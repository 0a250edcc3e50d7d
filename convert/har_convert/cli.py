"""The command `har-convert`."""

from __future__ import annotations

from pathlib import Path
from typing import NoReturn

import click

from har_convert.convert import VARIANTS, Verification, convert
from har_convert.model_card import write_model_card
from har_convert.run_folder import find_run, load_run
from har_edge import __version__
from har_edge.cli import note, run_command
from har_edge.preprocess import display_path


@click.command(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 96})
@click.argument("run", required=False)
@click.option("--float32", is_flag=True, help="Full precision; the reference.")
@click.option("--int8", is_flag=True, help="8-bit weights and activations; smallest and fastest.")
@click.option("--out", metavar="DIR", help="Folder to write to. [default: models/NAME]")
@click.option(
    "--data",
    metavar="DIR",
    help="Where the run's held-out files lie. [default: where it was trained from]",
)
@click.option(
    "--verify-clips",
    type=click.IntRange(min=0),
    metavar="N",
    default=256,
    show_default=True,
    help="Held-out clips or stills to verify on; 0 for all.",
)
@click.option("-v", "--verbose", is_flag=True, help="Show the converter's log too.")
@click.version_option(__version__, prog_name="har-convert")
def cli(
    run: str | None,
    float32: bool,
    int8: bool,
    out: str | None,
    data: str | None,
    verify_clips: int,
    verbose: bool,
) -> None:
    """Convert RUN, a folder that har-train wrote, to verified TFLite files.

    Without RUN it takes the newest run under ./runs, else the bundled model har15. Without a
    variant it makes all of them. Every file is run in the edge's own runtime and compared
    with the Keras model before it gets its name; the converter's log lies beside it.

    \b
    Examples:
      har-convert --int8
      har-convert runs/mine --float32 --int8 --out models/mine
      har-convert clips --int8
    """
    chosen = [v for v, wanted in zip(VARIANTS, (float32, int8), strict=True) if wanted]
    source = load_run(find_run(run), data)
    folder = Path(out) if out else Path("models") / source.spec.name
    note(f"Converting {display_path(source.folder)}")
    results = convert(
        source,
        chosen or VARIANTS,
        folder,
        limit=verify_clips,
        say=lambda line: note(f"  {line}"),
        verbose=verbose,
    )
    write_model_card(source, results, folder / "MODEL_CARD.md")
    click.echo(format_table(results))
    if not results[0].held_out:
        note(
            "The run's held-out files are not on this machine: compared on its calibration "
            "frames. Give --data DIR to compare on the held-out part."
        )
    note(f"Wrote {display_path(folder)}. Try: har-edge run --demo --model {results[-1].path}")


def format_table(results: list[Verification]) -> str:
    """Lay the verified files out as a table."""
    lines = [
        f"{'variant':<9}{'size':>9}{'top-1 as Keras':>18}{'max |dp|':>11}{'accuracy':>10}  file"
    ]
    for r in results:
        agreement = f"{r.agreement:.1%} of {r.windows}"
        accuracy = "-" if r.accuracy is None else f"{r.accuracy:.1%}"
        lines.append(
            f"{r.variant:<9}{r.size_bytes / 1e6:>6.1f} MB{agreement:>18}"
            f"{r.max_difference:>11.2g}{accuracy:>10}  {display_path(r.path)}"
        )
    return "\n".join(lines)


def main() -> NoReturn:
    """Entry point of `har-convert`."""
    run_command(cli)
