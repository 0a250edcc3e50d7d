"""`har-train evaluate`: say how good a model is."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path

import click

from har_edge.commands.harness import note, show
from har_edge.commands.options.models import MODEL
from har_edge.config import BACKENDS
from har_edge.datasets import SPLITS
from har_train.commands.progress import sample_bar, say, show_metrics
from har_train.watch import Watch


@click.command()
@click.argument("model", metavar="RUN|MODEL", type=MODEL)
@click.argument("data", required=False)
@click.option("--out", metavar="DIR", help="Folder to write to. [default: evaluate/NAME]")
@click.option(
    "--root", default="", metavar="DIR", help="Folder that the paths in DATA are relative to."
)
@click.option(
    "--split",
    "splits",
    type=click.Choice((*SPLITS, "all")),
    multiple=True,
    help="Evaluate only this part; may be repeated. [default: all parts]",
)
@click.option(
    "--allow-missing", is_flag=True, help="Accept data that lacks some of the model's classes."
)
@click.option("--cache", metavar="DIR", help="Feature cache. [default: ~/.cache/har-edge/features]")
@click.option(
    "--backend",
    type=click.Choice(BACKENDS),
    default="auto",
    show_default=True,
    help="Runtime for a .tflite or .onnx model.",
)
@click.option(
    "--num-threads",
    type=click.IntRange(min=1),
    metavar="N",
    default=lambda: min(4, os.cpu_count() or 1),
    show_default="cores, but at most 4",
    help="Threads of that runtime.",
)
def evaluate(
    model: str,
    data: str | None,
    out: str | None,
    root: str,
    splits: tuple[str, ...],
    allow_missing: bool,
    cache: str | None,
    backend: str,
    num_threads: int,
) -> None:
    """Evaluate a model: a run folder, a .keras file in one, a .tflite or .onnx file, a folder with
    one, or a bundled model by its name, har15 or clips.

    DATA is a folder of classes or a manifest, evaluated by its splits, or as one part if it has
    none; or a run folder, for its data as it was split. Without DATA, it is the run's own data.
    Converted files run in the same runtime as in har-edge.

    \b
    Examples:
      har-train evaluate runs/mine
      har-train evaluate runs/mine NEW_DATA --out report
      har-train evaluate mine-int8.tflite runs/mine --split test
      har-train evaluate clips NEW_DATA --allow-missing
    """
    from har_train.evaluation.evaluate import default_folder
    from har_train.evaluation.judge import EvaluateMeans
    from har_train.evaluation.judge import evaluate as judge
    from har_train.reports.tables import PART_NAMES, class_table, judged_part

    folder = Path(out) if out else default_folder(model, data)
    watch = Watch(say, partial(sample_bar, verb="Evaluating"))
    found = judge(
        model,
        data,
        out=folder,
        root=root,
        splits=splits,
        allow_missing=allow_missing,
        means=EvaluateMeans(cache, backend, num_threads, watch),
    )
    name = judged_part(found.parts)
    show_metrics(found.metrics, found.spec.clip.num_frames)
    show(f"\nClasses, {PART_NAMES[name]} files:")
    show(class_table(found.parts[name], found.spec.labels))
    note(f"\nWrote {folder}. Open {folder / 'evaluate.html'}")
