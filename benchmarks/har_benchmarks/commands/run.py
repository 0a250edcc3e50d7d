"""`har-bench run`: measure models on this machine."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from har_benchmarks.options import CommaList, limit_options
from har_edge.commands.harness import note, show
from har_edge.commands.options.models import MODEL
from har_edge.errors import GateError, HarError

if TYPE_CHECKING:
    from har_benchmarks.plan.cases import Case
    from har_benchmarks.plan.plan import Plan

BACKENDS = ("litert", "tflite-runtime", "onnxruntime")


@click.command()
@click.argument("models", nargs=-1, metavar="[MODELS]...", type=MODEL)
@click.option(
    "--data",
    metavar="DATA",
    help="Folder of classes, manifest or run folder to measure accuracy on; if it is split, "
    "the test part is used.",
)
@click.option(
    "--root",
    metavar="DIR",
    default="",
    help=("Folder that the paths in a manifest are relative to."),
)
@click.option(
    "--max-files",
    type=click.IntRange(min=0),
    metavar="N",
    default=0,
    help="Number of --data files to use, balanced over the classes. [default: all]",
)
@click.option(
    "--backends",
    type=CommaList(click.Choice(BACKENDS), "names"),
    metavar="NAMES",
    default="",
    help=(
        f"Comma-separated runtimes out of {','.join(BACKENDS)}. [default: all that are installed]"
    ),
)
@click.option(
    "--threads",
    type=CommaList(click.IntRange(min=1), "numbers"),
    metavar="N,N,…",
    default=lambda: ",".join(map(str, sorted({1, min(4, os.cpu_count() or 1)}))),
    show_default="1 and all cores, but at most 4",
    help="Comma-separated numbers of runtime threads.",
)
@click.option(
    "--rounds",
    type=click.IntRange(min=1),
    default=10,
    show_default=True,
    metavar="N",
    help="Rounds; each runs every case once, in a fresh process.",
)
@click.option(
    "--warmup-runs",
    type=click.IntRange(min=0),
    default=10,
    show_default=True,
    metavar="N",
    help="Warm-up steps before each measurement; kept separate from it.",
)
@click.option(
    "--num-runs",
    type=click.IntRange(min=1),
    default=30,
    show_default=True,
    metavar="N",
    help="Calls of each kind per round.",
)
@click.option(
    "--max-secs",
    type=click.FloatRange(min=0, min_open=True),
    default=10.0,
    show_default=True,
    metavar="S",
    help="Time limit for the calls of one case in a round.",
)
@click.option(
    "--timeout",
    "timeout_s",
    type=click.FloatRange(min=1),
    default=120.0,
    show_default=True,
    metavar="S",
    help="Give up on a case after this long without a sign of life.",
)
@click.option(
    "--end-to-end",
    "video",
    type=click.Path(exists=True, dir_okay=False),
    metavar="VIDEO",
    help="Also measure from decoding to action, on this video.",
)
@click.option("--profile-ops", is_flag=True, help="Profile the operators, where the runtime can.")
@click.option(
    "--sustained",
    "sustained_min",
    type=click.FloatRange(min=0),
    default=0.0,
    metavar="MINUTES",
    help="Run the fastest case without a pause, to see the effect of heat.",
)
@limit_options
@click.option("--out", metavar="DIR", help="Folder to write to. [default: bench/DATE-TIME]")
@click.option("--resume", metavar="DIR", help="Continue a run that was interrupted.")
@click.pass_context
def run(ctx: click.Context, /, models: tuple[str, ...], resume: str | None, **options: Any) -> None:
    """Measure MODELS: files, folders of them, or bundled names (default: har15 and clips).

    A case is one variant in one runtime with one number of threads. The cases take turns in
    rounds, each time in a fresh process. A case that crashes or hangs is reported, and the others
    continue. The folder then contains report.json with the raw samples, the same as Markdown, CSV
    and HTML, and the plots as PNG.

    \b
    Examples:
      har-bench run clips
      har-bench run models/mine --data runs/mine --threads 1,2,4 --out bench/mine
      har-bench run har15 --end-to-end video.mp4 --sustained 10
      har-bench run --resume bench/mine

    \b
    Exit codes: 0 done, 1 an error that you can fix, 2 usage error, 3 no case meets the limits,
    130 or 143 interrupted.
    """
    from har_benchmarks.render.cells import missing_profiles
    from har_benchmarks.render.text import short_table
    from har_benchmarks.results.recommend import Constraints
    from har_benchmarks.run import begin, finish, go_on
    from har_edge.paths import display_path

    names = ("max_latency_ms", "max_accuracy_drop", "max_memory_mb")
    limits = Constraints(*(options.pop(name) for name in names))
    if resume:
        _refuse_beside_resume(ctx)
    out = options.pop("out") or f"bench/{datetime.now().astimezone():%Y%m%d-%H%M%S}"
    journal = go_on(Path(resume)) if resume else begin(_plan(models, options), Path(out))
    for line in _skipped(journal.plan.cases):
        note(line)
    report = finish(journal, limits, note=note)
    folder = display_path(journal.path.parent)
    if not report.rows:
        reasons = "\n".join(f"  {case.key}: {case.reason}" for case in report.cases)
        raise HarError(f"Nothing could be measured; see {folder} for the reasons.\n{reasons}")
    show(short_table(report))
    for reason in missing_profiles(report):
        note(f"Not profiled: {reason}")
    for problem in report.problems:
        note(f"Note: {problem['detail']} {problem['advice']}")
    for found in report.recommendations:
        note(f"{found['model']}: {found['sentence']}")
    note(f"Wrote {folder}. Open {folder}/report.html")
    if not all(found["case"] for found in report.recommendations):
        raise GateError("No case meets the limits. Loosen one of them.")


def _skipped(cases: Sequence[Case]) -> list[str]:
    """Say what cannot be measured here and why, once for all numbers of threads."""
    left_out = {(case.facts.file, case.backend): case.skipped for case in cases if case.skipped}
    return [
        f"Skipped {file} in {backend}: {reason}" for (file, backend), reason in left_out.items()
    ]


def _refuse_beside_resume(ctx: click.Context) -> None:
    """Complain about what a run that goes on would not heed."""
    from click.core import ParameterSource

    heeded = ("resume", "max_latency_ms", "max_accuracy_drop", "max_memory_mb")
    for param in ctx.command.params:
        name = param.name or ""
        given = ctx.get_parameter_source(name) == ParameterSource.COMMANDLINE
        if given and name not in heeded:
            shown = param.opts[0] if name != "models" else "MODELS"
            raise click.UsageError(
                f"--resume takes this setting from the run that it continues. Leave out {shown}."
            )


def _plan(models: tuple[str, ...], options: dict[str, Any]) -> Plan:
    from har_benchmarks.plan.cases import find_models, make_cases
    from har_benchmarks.plan.data import check_labels, load_items
    from har_benchmarks.plan.plan import Plan, Settings

    data, root, limit = (options.pop(name) for name in ("data", "root", "max_files"))
    backends, threads = options.pop("backends"), options.pop("threads")
    facts = find_models(models)
    cases = make_cases(facts, backends, threads)
    items = load_items(data, root, limit, note) if data else []
    for model in facts:
        check_labels(items, model.labels, model.file)
    video = options.pop("video")
    video = str(Path(video).absolute()) if video else ""
    name = Path(data).name if data else ""
    return Plan(tuple(cases), Settings(video=video, **options), tuple(items), name)
