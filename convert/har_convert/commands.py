"""The command `har-convert`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

import click

from har_convert.auditing.audit import audit as audit_file
from har_convert.auditing.findings import refuse_flex, refuse_unloadable
from har_convert.conversion import Options, convert_run, default_folder
from har_convert.gate import EXACT
from har_convert.measure.commands import measure
from har_convert.people.convert import convert_people, format_verifications
from har_convert.people.make import PEOPLE_VARIANTS
from har_convert.people.run import is_people_run
from har_convert.recipe import VARIANTS
from har_convert.results import Conversion, Report, format_layers
from har_convert.run_folder import Run, find_run, load_run
from har_convert.steps import Steps
from har_edge import __version__
from har_edge.commands.harness import ends_like_an_interrupt, note, run_command, show, show_json
from har_edge.commands.options.formats import format_options
from har_edge.commands.options.models import MODEL
from har_edge.model.native_log import keep_own_stderr
from har_edge.model.spec import ModelSpec, Variant
from har_edge.paths import display_path

# With fewer files to verify on, a loss of a point, the gate, may go unseen.
FEW_CLIPS = 300
SETTINGS = {"help_option_names": ["-h", "--help"], "max_content_width": 96}


@click.command(context_settings=SETTINGS)
@click.argument("run", required=False, type=MODEL)
@click.option("--float32", is_flag=True, help="TFLite in full precision; the reference.")
@click.option("--float16", is_flag=True, help="TFLite, half the size, as accurate as float32.")
@click.option(
    "--dynamic", is_flag=True, help="TFLite, only weights in 8 bits; needs no calibration."
)
@click.option("--int8", is_flag=True, help="TFLite, 8-bit weights and activations; the fastest.")
@click.option("--onnx", is_flag=True, help="ONNX in full precision, one file per signature.")
@click.option("--onnx-int8", is_flag=True, help="ONNX, 8-bit weights and activations.")
@click.option("--all", "everything", is_flag=True, help="All of these; the default.")
@click.option("--out", metavar="DIR", help="Folder to write to. [default: models/NAME]")
@click.option(
    "--data",
    metavar="DIR",
    help="Folder with the run's held-out files. [default: where it was trained from]",
)
@click.option(
    "--calibration",
    metavar="DATA",
    help="Folder of classes, manifest or run folder to calibrate on; if it is split, the "
    "training part is used. [default: frames kept in the run]",
)
@click.option(
    "--root",
    metavar="DIR",
    help="Folder that the paths in --calibration are relative to. [default: the manifest's own]",
)
@click.option(
    "--calibration-frames",
    type=click.IntRange(min=0),
    metavar="N",
    default=0,
    help=(
        "Number of frames to calibrate on, the same for every class. [default: all kept, or 192]"
    ),
)
@click.option(
    "--verify-clips",
    type=click.IntRange(min=0),
    metavar="N",
    default=0,
    help="Number of held-out clips or stills to verify on. [default: all]",
)
@click.option(
    "--max-accuracy-drop",
    type=click.FloatRange(min=0),
    metavar="POINTS",
    default=1.0,
    show_default=True,
    help="The gate: a file that loses more accuracy is not written, exit code 3.",
)
@click.option(
    "--fallback",
    is_flag=True,
    help="If a file misses the gate, try the sensitive layers in float, then classify in "
    "float, int16 activations, dynamic, float16.",
)
@click.option("--debug-layers", is_flag=True, help="Show what rounding costs in each layer.")
@click.option("-v", "--verbose", is_flag=True, help="Also show the converter's log.")
@click.version_option(__version__, prog_name="har-convert")
def cli(
    run: str | None,
    float32: bool,
    float16: bool,
    dynamic: bool,
    int8: bool,
    onnx: bool,
    onnx_int8: bool,
    everything: bool,
    out: str | None,
    data: str | None,
    calibration: str | None,
    root: str | None,
    calibration_frames: int,
    verify_clips: int,
    max_accuracy_drop: float,
    fallback: bool,
    debug_layers: bool,
    verbose: bool,
) -> None:
    """Convert RUN, a folder that har-train wrote, to verified model files.

    Without RUN, it takes the newest run under ./runs, or else the bundled model har15. Before a
    file gets its name, it is run in the runtime of the device and compared with the Keras model on
    held-out data. MODEL_CARD.md, SHA256SUMS and the converter's log are written next to the files.
    A run of har-train people gives float32, float16 and int8; its gate counts people found.

    \b
    Examples:
      har-convert --int8
      har-convert runs/mine --all --out models/mine
      har-convert clips --int8 --max-accuracy-drop 0.5 --fallback
      har-convert audit MODEL      show what is inside a .tflite or .onnx file, see its --help

    \b
    Exit codes: 0 done, 1 an error that you can fix, 2 usage error, 3 a file missed the gate.
    """
    flags = (float32, float16, dynamic, int8, onnx, onnx_int8)
    chosen = [v for v, flag in zip(VARIANTS, flags, strict=True) if flag]
    if run and is_people_run(Path(run)):
        if data or calibration or root or calibration_frames:
            raise click.UsageError("A people run brings its pictures. Leave data options out.")
        variants = PEOPLE_VARIANTS if everything or not chosen else chosen
        _convert_people(Path(run), variants, Path(out) if out else None, max_accuracy_drop)
        return
    found = load_run(find_run(run), data, calibration, calibration_frames, root)
    how = Options(
        max_accuracy_drop=max_accuracy_drop,
        fallback=fallback,
        layers=debug_layers,
        limit=verify_clips,
        verbose=verbose,
    )
    folder = Path(out) if out else default_folder(found)
    _convert(found, VARIANTS if everything or not chosen else chosen, folder, how)


def _convert_people(
    run: Path, variants: Sequence[Variant], out: Path | None, max_drop: float
) -> None:
    note(f"Converting {display_path(run)}")
    folder = out or Path("models") / run.name
    with Steps() as steps:
        results, paths = convert_people(run, variants, folder, max_drop, steps.begin)
    click.echo(format_verifications(results, paths))
    note(
        f"Wrote {display_path(folder)}. "
        f"Try: har-edge run --camera 0 --people {display_path(paths[-1])}"
    )


def _convert(run: Run, variants: Sequence[Variant], folder: Path, how: Options) -> None:
    note(f"Converting {display_path(run.folder)}")
    with Steps() as steps:
        report = convert_run(run, variants, folder, how, say=steps.begin, progress=steps.bar)
    if report.layers:
        note(format_layers(report.layers) + "\n")
    show(str(report))
    for conversion in report.conversions:
        if conversion.reason:
            note(f"{conversion.reason}.")
    _say_what_next(report, run)


def _say_what_next(report: Report, run: Run) -> None:
    if not report.conversions[0].result.held_out:
        note(
            "The run's held-out files are not on this machine, so its calibration frames were "
            "compared and the drop was estimated. Give --data DIR to compare on held-out data."
        )
    _say_too_few(report.conversions)
    report.refuse_misses()
    command = what_to_run(run.spec, display_path(report.passed[-1].paths[0]))
    note(f"Wrote {display_path(report.folder)}. Try: {command}")


def what_to_run(spec: ModelSpec, model: str) -> str:
    """The command that shows a converted file what it was made for."""
    source = "--camera 0" if spec.clip.windowed else "photo.jpg"
    # A model that cannot do without people has them found by itself.
    people = " --people people" if spec.view == "person" and not spec.needs_people else ""
    return f"har-edge run {source} --model {model}{people}"


def _say_too_few(conversions: Sequence[Conversion]) -> None:
    """Say so where an interval of one point is for want of files, not of doubt."""
    results = [c.result for c in conversions if c.recipe.variant not in EXACT]
    same = [r for r in results if r.held_out and r.drop_interval[0] == r.drop_interval[1]]
    if same and same[0].clips < FEW_CLIPS:
        count = same[0].clips
        unseen = 100 * (1 - 0.05 ** (1 / count))  # of which `count` files in 20 times show none
        note(
            f"The sample is small: {count} held-out files, with no prediction changed, so the "
            f"interval of the drop has no width. A loss of up to {unseen:.0f} points could go "
            "unnoticed (95 %)."
        )


@click.command(context_settings=SETTINGS)
@click.argument("model", type=MODEL)
@format_options
def audit(model: str, output_format: str) -> None:
    """Show what is inside MODEL, any .tflite or .onnx file.

    It lists ops with their versions, how many of them XNNPACK runs, ops that are not builtin, the
    oldest runtime, parameters, multiply-accumulates, memory for activations, inputs and outputs,
    and whether each installed runtime loads it. Each looks in a process of its own.

    \b
    Examples:
      har-convert audit models/mine/mine-int8.tflite
      har-convert audit someone-elses.tflite --output-format json

    \b
    Exit codes: 0 some runtime loads and runs it; 1 no model, damaged, or taking it apart crashes
    or hangs; 2 usage error; 3 Flex ops, a runtime crashes or hangs, or all refuse it.
    """
    found = audit_file(model)
    if output_format == "json":
        show_json(found.as_dict())
    else:
        show(str(found))
    refuse_flex(found)
    refuse_unloadable(found)


def main() -> NoReturn:
    """Entry point of `har-convert`."""
    keep_own_stderr()
    arguments = sys.argv[1:]
    others = {"audit": audit, "measure": measure}
    with ends_like_an_interrupt():
        if arguments and arguments[0] in others:
            name = f"har-convert {arguments[0]}"
            run_command(others[arguments[0]], arguments[1:], prog_name=name, speaks=True)
        run_command(cli, arguments, speaks=True)
