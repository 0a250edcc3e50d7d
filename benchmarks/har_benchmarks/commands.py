"""The command `har-bench`."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any, NoReturn

import click

from har_edge import __version__
from har_edge.commands.harness import note, run_command
from har_edge.compat.click import ParamType
from har_edge.errors import GateError, HarError

SETTINGS = {"help_option_names": ["-h", "--help"], "max_content_width": 96}
DEFAULT_THRESHOLD = 0.05  # what a table calls a regression where no gate was asked for
BACKENDS = ("litert", "tflite-runtime", "onnxruntime")


class CommaList(ParamType[Any]):
    """Several values of one kind with commas between them."""

    def __init__(self, kind: ParamType[Any], name: str) -> None:
        self.kind, self.name = kind, name

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Split and convert each value."""
        if isinstance(value, tuple):
            return value
        parts = [part.strip() for part in value.split(",") if part.strip()]
        return tuple(dict.fromkeys(self.kind.convert(part, param, ctx) for part in parts))


class Percent(ParamType[Any]):
    """A share, as `5%` or `0.05`."""

    name = "percent"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Read it as a fraction."""
        if isinstance(value, float):
            return value
        try:
            share = float(value.removesuffix("%")) / (100 if value.endswith("%") else 1)
        except ValueError:
            share = -1.0
        if not 0 <= share < 1:
            self.fail(f"expected a share as 5% or 0.05. Received {value!r}.", param, ctx)
        return share


def _limits(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options that bound the recommendation."""
    drop = "Recommend nothing that loses more points against float32. [default: 1, if sure]"
    options = (
        ("--max-latency-ms", "Recommend nothing slower at the median."),
        ("--max-accuracy-drop", drop),
        ("--max-memory-mb", "Recommend nothing whose process needs more."),
    )
    for name, text in reversed(options):
        kind = click.FloatRange(min=0)
        command = click.option(name, type=kind, metavar="N", help=text)(command)
    return command


@click.group(context_settings=SETTINGS)
@click.version_option(__version__, prog_name="har-bench")
def cli() -> None:
    """Measure what each variant of a model costs on this machine, and what it is worth.

    \b
    Examples:
      har-bench run models/mine --threads 1,2 --out bench/mine
      har-bench compare bench/before bench/mine --fail-on-regression 5%
      har-bench peers video.mp4 --out bench/mine
      har-bench collect results/*.json --out fleet.html
    """


@cli.command()
@click.argument("models", nargs=-1, metavar="[MODELS]...")
@click.option(
    "--data",
    metavar="DATA",
    help="Folder of classes, manifest or run folder to judge accuracy on; its test part, if it "
    "is split.",
)
@click.option(
    "--root", metavar="DIR", default="", help="Folder that a manifest's paths start from."
)
@click.option(
    "--max-files",
    type=click.IntRange(min=0),
    metavar="N",
    default=0,
    help="Files of --data to take, evenly of all classes. [default: all]",
)
@click.option(
    "--backends",
    type=CommaList(click.Choice(BACKENDS), "names"),
    metavar="NAMES",
    default="",
    help=f"Some of {','.join(BACKENDS)}. [default: all that are installed]",
)
@click.option(
    "--threads",
    type=CommaList(click.IntRange(min=1), "numbers"),
    metavar="N,N,…",
    default=lambda: ",".join(map(str, sorted({1, min(4, os.cpu_count() or 1)}))),
    show_default="1 and all cores, at most 4",
    help="Threads of the runtime.",
)
@click.option(
    "--rounds",
    type=click.IntRange(min=1),
    default=10,
    show_default=True,
    metavar="N",
    help="Every case once in each, in a fresh process.",
)
@click.option(
    "--warmup-runs",
    type=click.IntRange(min=0),
    default=10,
    show_default=True,
    metavar="N",
    help="Steps before each measurement, kept apart.",
)
@click.option(
    "--num-runs",
    type=click.IntRange(min=1),
    default=30,
    show_default=True,
    metavar="N",
    help="Calls of each kind in a round.",
)
@click.option(
    "--max-secs",
    type=click.FloatRange(min=0, min_open=True),
    default=10.0,
    show_default=True,
    metavar="S",
    help="A case's calls take no longer in a round.",
)
@click.option(
    "--timeout",
    "timeout_s",
    type=click.FloatRange(min=1),
    default=120.0,
    show_default=True,
    metavar="S",
    help="A case that gives no sign for so long is given up.",
)
@click.option(
    "--end-to-end",
    "video",
    type=click.Path(exists=True, dir_okay=False),
    metavar="VIDEO",
    help="Measure decoding to action too, on this file.",
)
@click.option("--profile-ops", is_flag=True, help="Profile operators where the runtime can.")
@click.option(
    "--sustained",
    "sustained_min",
    type=click.FloatRange(min=0),
    default=0.0,
    metavar="MINUTES",
    help="Run the fastest case without a pause, for heat.",
)
@_limits
@click.option("--out", metavar="DIR", help="Folder to write to. [default: bench/DATE-TIME]")
@click.option("--resume", metavar="DIR", help="Go on with a run that was stopped.")
@click.pass_context
def run(ctx: click.Context, /, models: tuple[str, ...], resume: str | None, **options: Any) -> None:
    """Measure MODELS: files, folders of them, or bundled names (default: har15 and clips).

    Every variant is run in every runtime with every number of threads, in rounds that take turns,
    each time in a process of its own. A case that crashes or hangs is reported and the others go
    on. The folder then holds report.json with the raw samples, the same as Markdown, CSV and a
    page, and the plots as PNG.

    \b
    Examples:
      har-bench run clips
      har-bench run models/mine --data runs/mine --threads 1,2,4 --out bench/mine
      har-bench run har15 --end-to-end video.mp4 --sustained 10
      har-bench run --resume bench/mine

    \b
    Exit codes: 0 done, 1 an error you can act on, 2 usage, 3 nothing keeps to the limits,
    130 or 143 interrupted.
    """
    from har_benchmarks.render.markdown import short_table
    from har_benchmarks.results.recommend import Constraints
    from har_benchmarks.results.results import measured
    from har_benchmarks.run import begin, finish, go_on
    from har_edge.paths import display_path

    names = ("max_latency_ms", "max_accuracy_drop", "max_memory_mb")
    limits = Constraints(*(options.pop(name) for name in names))
    if resume:
        _refuse_beside_resume(ctx)
    out = options.pop("out") or f"bench/{datetime.now().astimezone():%Y%m%d-%H%M%S}"
    journal = go_on(Path(resume)) if resume else begin(_plan(models, options), Path(out))
    report = finish(journal, limits, note=note)
    folder = display_path(journal.path.parent)
    if not measured(report):
        reasons = "\n".join(f"  {case['key']}: {case['reason']}" for case in report["cases"])
        raise HarError(f"Nothing could be measured; {folder} says why.\n{reasons}")
    click.echo(short_table(report))
    for problem in report["problems"]:
        note(f"Mind: {problem['detail']} {problem['advice']}")
    for found in report["recommendations"]:
        note(f"{found['model']}: {found['sentence']}")
    note(f"Wrote {folder}. Open {folder}/report.html")
    if not all(found["case"] for found in report["recommendations"]):
        raise GateError("Nothing keeps to the limits that were set. Loosen one of them.")


def _refuse_beside_resume(ctx: click.Context) -> None:
    """Complain about what a run that goes on would not heed."""
    from click.core import ParameterSource

    heeded = ("resume", "max_latency_ms", "max_accuracy_drop", "max_memory_mb")
    for param in ctx.command.params:
        name = param.name or ""
        given = ctx.get_parameter_source(name) == ParameterSource.COMMANDLINE
        if given and name not in heeded:
            shown = param.opts[0] if name != "models" else "MODELS"
            raise click.UsageError(f"--resume takes it from the run that goes on: give no {shown}.")


def _plan(models: tuple[str, ...], options: dict[str, Any]) -> Any:
    from har_benchmarks.plan.cases import find_models, make_cases
    from har_benchmarks.plan.data import check_labels, load_items
    from har_benchmarks.plan.plan import Plan, Settings

    data, root, limit = (options.pop(name) for name in ("data", "root", "max_files"))
    backends, threads = options.pop("backends"), options.pop("threads")
    facts = find_models(models)
    cases = make_cases(facts, backends, threads)
    items = load_items(data, root, limit) if data else []
    for model in facts:
        check_labels(items, model.labels, model.file)
    video = options.pop("video")
    video = str(Path(video).absolute()) if video else ""
    name = Path(data).name if data else ""
    return Plan(tuple(cases), Settings(video=video, **options), tuple(items), name)


@cli.command()
@click.argument("base")
@click.argument("new")
@click.option(
    "--fail-on-regression",
    "threshold",
    type=Percent(),
    metavar="SHARE",
    help="Exit with 3 if a case is slower by more than this, and not by chance.",
)
@click.option(
    "--confidence",
    type=Percent(),
    default="95%",
    show_default=True,
    metavar="SHARE",
    help="Of the intervals, all cases together.",
)
@click.option(
    "--margin",
    type=Percent(),
    default="2%",
    show_default=True,
    metavar="SHARE",
    help="Difference that two runs of the same thing may have.",
)
@click.option(
    "--output-format",
    type=click.Choice(("text", "json")),
    default="text",
    show_default=True,
    help="A Markdown table or one JSON object.",
)
def compare(
    base: str,
    new: str,
    threshold: float | None,
    confidence: float,
    margin: float,
    output_format: str,
) -> None:
    """Compare two runs, BASE and NEW: folders of har-bench run, or their report.json.

    The median step of each case is compared round by round; the interval of the ratio comes from
    resampling rounds.

    \b
    Example:
      har-bench compare bench/before bench/after --fail-on-regression 5%

    \b
    Exit codes: 0 done, 1 an error you can act on, 2 usage, 3 a regression.
    """
    from har_benchmarks.results.compare import TOO_FEW, cautions, to_text
    from har_benchmarks.results.compare import compare as compare_reports
    from har_benchmarks.results.results import load_report, to_json

    first, second = load_report(base), load_report(new)
    rows = compare_reports(
        first,
        second,
        threshold=DEFAULT_THRESHOLD if threshold is None else threshold,
        level=confidence,
        margin=margin,
    )
    if not rows:
        raise HarError(
            f"{base} and {new} should share a case. Received none: they measured other models, "
            "runtimes or threads. Measure the same cases again."
        )
    remarks = cautions(first, second, rows, confidence)
    if output_format == "json":
        found = {"cases": [row.to_record() for row in rows], "cautions": remarks}
        click.echo(to_json({"confidence": confidence, "margin": margin, **found}).rstrip())
    else:
        click.echo(to_text(first, second, rows))
    for remark in remarks:
        note(f"Mind: {remark}")
    slower = [row.key for row in rows if row.regression]
    if threshold is not None and slower:
        raise GateError(
            f"Slower by more than {threshold:.1%}: {', '.join(slower)}. Measure once more if the "
            "machine was not calm; else look at what changed."
        )
    undecided = [row.key for row in rows if row.verdict == TOO_FEW]
    if threshold is not None and undecided:
        raise HarError(
            f"Nothing can be said of {', '.join(undecided)}: too few rounds. A gate that cannot "
            "decide does not pass; measure both with more --rounds."
        )


@cli.command()
@click.argument("video", type=click.Path(exists=True, dir_okay=False))
@click.option("-m", "--model", default="clips", show_default=True, metavar="FILE", help="Ours.")
@click.option("--onnx", multiple=True, metavar="FILE",
              help="Its ONNX pair, for the plain onnxruntime loop; may be repeated.")  # fmt: skip
@click.option("--keras", multiple=True, metavar="FILE",
              help="Its .keras file, for Keras's predict.")  # fmt: skip
@click.option("--mediapipe", multiple=True, metavar="FILE",
              help="It in one graph, for MediaPipe's ImageClassifier, as "
              "benchmarks/mediapipe_model.py makes it; may be repeated.")  # fmt: skip
@click.option("--ultralytics", multiple=True, metavar="WEIGHTS",
              help="An Ultralytics classification model; may be repeated.")  # fmt: skip
@click.option(
    "--python",
    "pythons",
    multiple=True,
    metavar="PEER=PATH",
    help="The Python that has a peer, where it is not this one: mediapipe=venv/bin/python.",
)
@click.option("--num-threads", type=click.IntRange(min=1), default=1, show_default=True,
              metavar="N", help="Threads and cores that each peer gets.")  # fmt: skip
@click.option("--rounds", type=click.IntRange(min=1), default=3, show_default=True, metavar="N",
              help="Times that each is run, in turns.")  # fmt: skip
@click.option("--max-frames", type=click.IntRange(min=2), default=48, show_default=True,
              metavar="N", help="Frames of VIDEO to take.")  # fmt: skip
@click.option("--out", default="bench/peers", show_default=True, metavar="DIR",
              help="Folder to write to; a report there gains the table.")  # fmt: skip
def peers(video: str, out: str, pythons: tuple[str, ...], **options: Any) -> None:
    """Run what else is installed on the frames of VIDEO: other runtimes, other tools.

    Each peer gets the same frames in a process of its own. What is not installed, or needs a file
    that was not given, is named with the reason.

    \b
    Example:
      har-bench peers video.mp4 --onnx models/clips-onnx.encode.onnx \\
        --python mediapipe=venv-mediapipe/bin/python --out bench/mine
    """
    from har_benchmarks.peers.peers import PeerSettings, empty_report, run_peers
    from har_benchmarks.render.markdown import peers_section
    from har_benchmarks.render.plots import import_matplotlib
    from har_benchmarks.render.write import write_report
    from har_benchmarks.results.results import REPORT_NAME, load_report
    from har_edge.paths import display_path

    import_matplotlib()
    names = {
        "onnxruntime": "onnx",
        "keras": "keras",
        "mediapipe-classifier": "mediapipe",
        "ultralytics": "ultralytics",
    }
    given = {peer: options.pop(name) for peer, name in names.items()}
    files = {peer: paths for peer, paths in given.items() if paths}
    settings = PeerSettings(files=files, pythons=_pythons(pythons), **options)
    folder = Path(out)
    known = (folder / REPORT_NAME).exists()
    report = load_report(folder) if known else {}
    found = run_peers(video, settings, note=note)
    report = report or empty_report(found)
    report["peers"] = found
    write_report(report, folder)
    click.echo("\n\n".join(part for part in peers_section(report)[1:] if part))
    note(f"Wrote {display_path(folder)}. Open {display_path(folder)}/report.html")


def _pythons(pairs: tuple[str, ...]) -> dict[str, str]:
    from har_benchmarks.peers.peers import PEERS

    found = {}
    for pair in pairs:
        peer, _, path = pair.partition("=")
        if peer not in PEERS or not Path(path).is_file():
            raise click.UsageError(
                f"--python takes PEER=PATH with one of {', '.join(PEERS)} and a Python. "
                f"Received {pair!r}."
            )
        found[peer] = path
    return found


@cli.command()
@click.argument("reports", nargs=-1, required=True, metavar="REPORTS...")
@click.option(
    "--out", default="fleet.html", show_default=True, metavar="HTML", help="Page to write."
)
@_limits
def collect(reports: tuple[str, ...], out: str, **limits: float | None) -> None:
    """Merge REPORTS of many devices into one page, a row for each.

    \b
    Example:
      har-bench collect results/*.json --out fleet.html
    """
    from har_benchmarks.render.collect import fleet_page
    from har_benchmarks.results.recommend import Constraints
    from har_benchmarks.results.results import load_report
    from har_edge.paths import display_path
    from har_edge.sinks.stream import open_output

    text = fleet_page([load_report(path) for path in reports], Constraints(**limits))
    with open_output(out) as stream:
        stream.write(text)
    note(f"Wrote {display_path(out)}")


def main() -> NoReturn:
    """Entry point of `har-bench`."""
    run_command(cli)


if __name__ == "__main__":
    main()
