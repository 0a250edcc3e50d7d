"""The command `har-convert`."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, NoReturn

import click

from har_convert.audit.audit import Audit, Signature, Tensor, refuse_flex
from har_convert.audit.audit import audit as audit_file
from har_convert.card import write_model_card
from har_convert.convert import EXACT, Conversion, Options, advise, convert
from har_convert.recipe import VARIANTS
from har_convert.run_folder import find_run, load_run
from har_convert.steps import Steps
from har_convert.tflite.sensitivity import LayerError, sensitive_layers
from har_edge import __version__
from har_edge.commands.harness import note, run_command
from har_edge.errors import GateError
from har_edge.paths import display_path
from har_edge.table import text_table

# With fewer files to verify on, a loss of a point, the gate, may go unseen.
FEW_CLIPS = 300
SETTINGS = {"help_option_names": ["-h", "--help"], "max_content_width": 96}


@click.command(context_settings=SETTINGS)
@click.argument("run", required=False)
@click.option("--float32", is_flag=True, help="TFLite in full precision; the reference.")
@click.option("--float16", is_flag=True, help="TFLite, half the size, as exact as float32.")
@click.option("--dynamic", is_flag=True, help="TFLite, 8-bit weights alone; needs no calibration.")
@click.option("--int8", is_flag=True, help="TFLite, 8-bit weights and activations; the fastest.")
@click.option("--onnx", is_flag=True, help="ONNX in full precision, a file for each signature.")
@click.option("--onnx-int8", is_flag=True, help="ONNX, 8-bit weights and activations.")
@click.option("--all", "everything", is_flag=True, help="All of these; the default.")
@click.option("--out", metavar="DIR", help="Folder to write to. [default: models/NAME]")
@click.option(
    "--data",
    metavar="DIR",
    help="Where the run's held-out files lie. [default: where it was trained from]",
)
@click.option(
    "--calibration",
    metavar="DATA",
    help="Folder of classes, manifest or run folder to calibrate on; its training part, if it is "
    "split. [default: frames kept in the run]",
)
@click.option(
    "--root",
    metavar="DIR",
    help="Folder that the paths of --calibration start from. [default: the manifest's own]",
)
@click.option(
    "--calibration-frames",
    type=click.IntRange(min=0),
    metavar="N",
    default=0,
    help="Frames to calibrate on, the same number of every class. [default: all kept, or 192]",
)
@click.option(
    "--verify-clips",
    type=click.IntRange(min=0),
    metavar="N",
    default=0,
    help="Held-out clips or stills to verify on. [default: all]",
)
@click.option(
    "--max-accuracy-drop",
    type=click.FloatRange(min=0),
    metavar="POINTS",
    default=1.0,
    show_default=True,
    help="The gate: a file that loses more is not written, exit code 3.",
)
@click.option(
    "--fallback",
    is_flag=True,
    help="Where the gate is missed, try the sensitive layers in float, then classify in float, "
    "int16 activations, dynamic, float16.",
)
@click.option("--debug-layers", is_flag=True, help="Print what rounding each layer costs.")
@click.option("-v", "--verbose", is_flag=True, help="Show the converter's log too.")
@click.version_option(__version__, prog_name="har-convert")
def cli(run: str | None, everything: bool, **options: Any) -> None:
    """Convert RUN, a folder that har-train wrote, to verified model files.

    Without RUN it takes the newest run under ./runs, else the bundled model har15. Every file is
    run in the edge's own runtime and compared with the Keras model on held-out data before it
    gets its name. Beside the files lie MODEL_CARD.md, SHA256SUMS and the converter's log.

    \b
    Examples:
      har-convert --int8
      har-convert runs/mine --all --out models/mine
      har-convert clips --int8 --max-accuracy-drop 0.5 --fallback
      har-convert audit MODEL      what is inside a .tflite or .onnx file, see its --help

    \b
    Exit codes: 0 done, 1 an error you can act on, 2 usage, 3 a file missed the gate.
    """
    chosen = [v for v in VARIANTS if options[v.replace("-", "_")]]
    _convert(run, VARIANTS if everything or not chosen else chosen, options)


def _convert(name: str | None, variants: Sequence[Any], options: dict[str, Any]) -> None:
    run = load_run(
        find_run(name),
        options["data"],
        options["calibration"],
        options["calibration_frames"],
        options["root"],
    )
    folder = Path(options["out"]) if options["out"] else Path("models") / run.spec.name
    note(f"Converting {display_path(run.folder)}")
    how = Options(
        max_accuracy_drop=options["max_accuracy_drop"],
        fallback=options["fallback"],
        layers=options["debug_layers"],
        limit=options["verify_clips"],
        verbose=options["verbose"],
    )
    with Steps() as steps:
        report = convert(run, variants, folder, how, say=steps.begin, progress=steps.bar)
    passed = [c for c in report.conversions if c.passed]
    if passed:
        write_model_card(run, folder)
    if report.layers:
        note(format_layers(report.layers) + "\n")
    click.echo(format_table(report.conversions))
    for conversion in report.conversions:
        if conversion.reason:
            note(f"{conversion.reason}.")
    _say_what_next(report.conversions, folder)


def _say_what_next(conversions: Sequence[Conversion], folder: Path) -> None:
    if not conversions[0].result.held_out:
        note(
            "The run's held-out files are not on this machine: compared on its calibration "
            "frames, drop estimated. Give --data DIR to compare on the held-out part."
        )
    _say_too_few(conversions)
    passed = [c for c in conversions if c.passed]
    if len(passed) < len(conversions):
        missing = ", ".join(c.recipe.variant for c in conversions if not c.passed)
        raise GateError(f"{missing} missed the gate and was not written. {advise(conversions)}")
    model = display_path(passed[-1].paths[0])
    note(f"Wrote {display_path(folder)}. Try: har-edge run --demo --model {model}")


def _say_too_few(conversions: Sequence[Conversion]) -> None:
    """Say so where an interval of one point is for want of files, not of doubt."""
    results = [c.result for c in conversions if c.recipe.variant not in EXACT]
    same = [r for r in results if r.held_out and r.drop_interval[0] == r.drop_interval[1]]
    if same and same[0].clips < FEW_CLIPS:
        count = same[0].clips
        unseen = 100 * (1 - 0.05 ** (1 / count))  # of which `count` files in 20 times show none
        note(
            f"The sample is small: {count} held-out files, all as before, so that the interval of "
            f"the drop has no width. A loss of up to {unseen:.0f} points could go unseen (95 %)."
        )


def format_table(conversions: Sequence[Conversion]) -> str:
    """Lay the verified files out as a table."""
    headers = ("variant", "size", "as Keras", "max |dp|", "accuracy", "drop in points (95 %)",
               "encode", "file")  # fmt: skip
    rows = []
    for c in conversions:
        r, (low, high) = c.result, c.result.drop_interval
        size = f"{c.size_bytes / 1e6:.1f} MB" if c.passed else "-"
        accuracy = "-" if r.accuracy is None else f"{r.accuracy:.1%}"
        drop = f"{r.drop:.1f} ({low:.1f} to {high:.1f})"
        file = display_path(c.paths[0]) if c.passed else "not written: missed the gate"
        rows.append((c.recipe.variant, size, f"{r.agreement:.1%}", f"{r.max_difference:.2g}",
                     accuracy, drop, f"{r.encode_ms:.2f} ms", file))  # fmt: skip
    return text_table(rows, headers, align="lrrrrlrl")


def format_layers(layers: Sequence[LayerError]) -> str:
    """Lay the layers' shares out as a table, the most sensitive first."""
    chosen = sensitive_layers(layers)
    rows = []
    for row in sorted(layers, key=lambda row: -row.error):
        mark = "float in a fallback" if row.layer in chosen else ""
        span = f"{row.low:.2f} to {row.high:.2f}"
        rows.append((row.layer, f"{row.error:.2%}", span, f"{row.clipped:.2%}", mark))
    headers = ("layer", "error", "range on calibration frames", "clipped", "")
    return text_table(rows, headers, align="lrrrl")


@click.command(context_settings=SETTINGS)
@click.argument("model")
@click.option(
    "--output-format",
    type=click.Choice(("text", "json")),
    default="text",
    show_default=True,
    help="Tables or one JSON object.",
)
def audit(model: str, output_format: str) -> None:
    """Say what is inside MODEL, any .tflite or .onnx file, ours or not.

    Ops with their versions and how many of them XNNPACK runs, what is not builtin, the oldest
    runtime, parameters, multiply-accumulates, memory for activations, inputs and outputs, and
    whether each installed runtime loads it. Files with Flex ops are refused, exit code 3.

    \b
    Examples:
      har-convert audit models/mine/mine-int8.tflite
      har-convert audit someone-elses.tflite --output-format json
    """
    found = audit_file(model)
    if output_format == "json":
        click.echo(json.dumps(asdict(found), indent=2, ensure_ascii=False))
    else:
        click.echo(format_audit(found))
    refuse_flex(found)


def format_audit(found: Audit) -> str:
    """Lay an audit out for people."""
    metadata = "yes" if found.metadata else "none"
    facts = [
        ("parameters", f"{found.parameters:,}"),
        ("oldest runtime", found.min_runtime or "not recorded"),
        ("not builtin", ", ".join(found.not_builtin) or "nothing"),
        ("metadata", f"{metadata}; attached: {', '.join(found.attached) or 'nothing'}"),
        *found.runtimes.items(),
    ]
    lines = [f"{found.path}  {found.size_bytes / 1e6:.2f} MB", text_table(facts, align="ll")]
    for signature in found.signatures:
        lines += ["", *_signature_lines(signature)]
    return "\n".join(lines)


def _signature_lines(signature: Signature) -> list[str]:
    arena = signature.arena_bytes
    memory = "unknown" if arena is None else f"{arena / 1e6:.2f} MB"
    macs = f"{signature.macs / 1e6:,.1f} M multiply-accumulates"
    lines = [f"{signature.name}: {macs}, activations {memory}"]
    lines += [f"  in   {_show_tensor(tensor)}" for tensor in signature.inputs]
    lines += [f"  out  {_show_tensor(tensor)}" for tensor in signature.outputs]
    rows = [
        (op.name, op.version, op.count, "-" if op.delegated is None else op.delegated)
        for op in signature.ops
    ]
    lines.append(text_table(rows, ("op", "version", "count", "XNNPACK"), indent=2))
    return lines


def _show_tensor(tensor: Tensor) -> str:
    shape = " x ".join(map(str, tensor.shape))
    scale = f", {tensor.scale:.4g} * (q - {tensor.zero_point})" if tensor.scale else ""
    return f"{tensor.name}  {shape}  {tensor.dtype}{scale}"


def main() -> NoReturn:
    """Entry point of `har-convert`."""
    arguments = sys.argv[1:]
    if arguments[:1] == ["audit"]:
        run_command(audit, arguments[1:], prog_name="har-convert audit")
    run_command(cli, arguments)
