"""Accuracy, size and latency over frame sizes, backbones and variants: which is worth it?

    har-bench experiment pareto DATA --weights WEIGHTS [--sizes 128,160,192,224] --out FOLDER
    har-bench experiment pareto DATA --backbones mobilenet_v2,efficientnet-lite1 --out FOLDER
    har-bench experiment pareto DATA --run RUN --run RUN --untrained --out FOLDER

Trains a head for each backbone and frame size with `har-train fit`, converts every run with
`har-convert`, and reads what the model files say about themselves. With --untrained it takes
backbones with random weights instead: their size and latency are real, their accuracy is none.
Finished runs (--run) are converted as they are. `encode` of all files is timed in turns besides,
one thread: ratios to the first row, which a busy machine moves least. Needs the all extra. Writes
FOLDER/pareto.json and FOLDER/pareto.md; runs and files that are there are kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypedDict

import click
import numpy as np

from har_benchmarks.experiments.programs import run_package
from har_benchmarks.experiments.result import write_result
from har_benchmarks.experiments.turns import elapsed_ms, in_turns
from har_edge.machine.facts import machine_facts
from har_edge.model.file import ModelFile, read_model_file
from har_edge.model.loaded import load_model

BACKBONES = (
    ("mobilenet_v2", 0.35), ("mobilenet_v2", 0.5), ("mobilenet_v2", 0.75), ("mobilenet_v2", 1.0),
    ("mobilenet_v2", 1.4), ("mobilenet_v3_small", 1.0), ("mobilenet_v3_large", 1.0),
    ("efficientnet_v2_b0", 1.0), ("efficientnet-lite0", 1.0), ("efficientnet-lite1", 1.0),
    ("efficientnet-lite2", 1.0),
)  # fmt: skip
ROUNDS = 40


@dataclass(frozen=True)
class Settings:
    """How the configurations are trained and converted; see the options of the command."""

    data: str
    root: str
    weights: str
    sizes: str
    backbones: str
    run: tuple[str, ...]
    num_frames: str
    untrained: bool
    variants: str
    verify_clips: str
    out: Path

    def configurations(self) -> list[Configuration]:
        """What is trained: frame sizes of some backbones, or all backbones of one frame size."""
        asked = [name for name in self.backbones.split(",") if name]
        if self.untrained and not asked:
            return [Configuration(name, alpha, 224, "none") for name, alpha in BACKBONES]
        if not asked:
            asked = [] if self.run else ["mobilenet_v2"]
        weights = "none" if self.untrained else self.weights
        sizes = list(map(int, self.sizes.split(",")))
        return [Configuration(name, 1.0, size, weights) for name in asked for size in sizes]


@dataclass(frozen=True)
class Configuration:
    """One backbone at one size of frame."""

    backbone: str
    alpha: float
    size: int
    weights: str


@click.command()
@click.argument("data")
@click.option("--root", default="", help="Folder that the paths in a manifest are relative to.")
@click.option("--weights", default="imagenet", show_default=True, help="Backbone weights.")
@click.option("--sizes", default="128,160,192,224", show_default=True, help="Frame sizes.")
@click.option(
    "--backbones",
    default="",
    metavar="NAME[,NAME...]",
    help="Backbones to train. [default: mobilenet_v2, or with --untrained all]",
)
@click.option(
    "--run",
    multiple=True,
    metavar="RUN",
    help="A finished run folder to convert and measure, too; may be repeated.",
)
@click.option("--num-frames", default="1", show_default=True, help="Frames per window.")
@click.option(
    "--untrained",
    is_flag=True,
    help="Take backbones with random weights: no accuracy, but size and latency.",
)
@click.option(
    "--variants",
    default="float32,float16,dynamic,int8,onnx,onnx-int8",
    show_default=True,
    help="Variants to convert to.",
)
@click.option("--verify-clips", default="0", show_default=True, help="As in har-convert.")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder to write to.")
def command(**options: Any) -> None:
    """Train on DATA, convert, and show the accuracy of each size, latency and variant.

    \b
    Examples:
      har-bench experiment pareto DATA --weights WEIGHTS --sizes 128,160 --out pareto
      har-bench experiment pareto DATA --untrained --out pareto
      har-bench experiment pareto DATA --run runs/har15 --run runs/lite1 --out pareto
    """
    settings = Settings(**options)
    settings.out.mkdir(parents=True, exist_ok=True)
    made = [
        (file, True)
        for run in settings.run
        for file in convert(settings, Path(run), settings.out / "models" / Path(run).name)
    ]
    for chosen in settings.configurations():
        made += [(file, not settings.untrained) for file in make(settings, chosen)]
    ratios = encode_ratios([file for file, _ in made])
    rows = [
        row(file, ratio, trained=trained)
        for (file, trained), ratio in zip(made, ratios, strict=True)
    ]
    write_result({"rows": rows, "machine": machine_facts()}, settings.out / "pareto.json")
    (settings.out / "pareto.md").write_text(table(rows), encoding="utf-8")
    click.echo(table(rows))


def make(settings: Settings, chosen: Configuration) -> list[ModelFile]:
    """Train and convert one configuration, as a user would."""
    name = f"{chosen.backbone}-{chosen.alpha}-{chosen.size}"
    run = settings.out / "runs" / name
    fit: list[object] = ["fit", settings.data, "--root", settings.root, "--out", run]
    fit += ["--backbone", chosen.backbone, "--alpha", chosen.alpha, "--size", chosen.size]
    fit += ["--weights", chosen.weights, "--num-frames", settings.num_frames, "--name", "model"]
    if settings.untrained:
        fit += ["--epochs", 1]
    if not run.exists():
        run_package("har_train", *fit)
    return convert(settings, run, settings.out / "models" / name)


def convert(settings: Settings, run: Path, models: Path) -> list[ModelFile]:
    """Convert a run, unless its files are there."""
    variants = settings.variants.split(",")
    if not models.exists():
        # Nothing is lost here that is worth a gate: the table is to show what is lost.
        gate = ("--max-accuracy-drop", 100)
        checked = ("--verify-clips", settings.verify_clips)
        variant_options = (f"--{variant}" for variant in variants)
        run_package("har_convert", run, "--out", models, *gate, *variant_options, *checked)
    endings = {v: ".encode.onnx" if v.startswith("onnx") else ".tflite" for v in variants}
    return [read_model_file(next(models.glob(f"*-{v}{endings[v]}"))) for v in variants]


def encode_ratios(files: Sequence[ModelFile]) -> list[float]:
    """Time `encode` of all files in turns, one thread; give each one's ratio to the first's."""
    ways = {}
    for number, file in enumerate(files):
        model = load_model(file.path)
        frame = np.random.default_rng(0).integers(0, 256, model.spec.clip.frame_shape, np.uint8)
        ways[f"{number}"] = partial(elapsed_ms, partial(model.encode, frame))
    found = in_turns(ways, ROUNDS, warmup=3)
    first = np.array(found["0"])
    # Of each round, not of medians: what disturbs a round disturbs all of it.
    return [float(np.median(np.array(times) / first)) for times in found.values()]


class Row(TypedDict):
    """What one file costs and is worth; accuracy is None for random weights."""

    backbone: str
    size_px: int
    variant: str
    bytes: int
    encode_ms: float
    encode_ratio: float
    accuracy: float | None
    accuracy_drop_points: float | None
    clips: int


def row(file: ModelFile, ratio: float, *, trained: bool) -> Row:
    """What one file costs and is worth."""
    spec, m = file.spec, file.spec.metrics
    return {
        "backbone": spec.backbone,
        "size_px": spec.clip.height,
        "variant": spec.variant,
        "bytes": file.size_bytes,
        "encode_ms": round(m["encode_ms"], 3),
        "encode_ratio": round(ratio, 2),
        "accuracy": round(m["verified_accuracy"], 4) if trained else None,
        "accuracy_drop_points": round(m["accuracy_drop_points"], 2) if trained else None,
        "clips": int(m["verified_clips"]),
    }


def table(rows: list[Row]) -> str:
    """Lay the rows out in Markdown; a star marks what no other row beats in all three."""
    lines = [
        "| backbone | frame | variant | size | encode | ratio | accuracy | |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for r in rows:
        star = "*" if r["accuracy"] is not None and not any(beats(o, r) for o in rows) else ""
        accuracy = "–" if r["accuracy"] is None else f"{r['accuracy']:.1%}"
        megabytes = f"{r['bytes'] / 1e6:.1f} MB"
        cells = (r["backbone"], r["size_px"], r["variant"], megabytes, f"{r['encode_ms']} ms",
                 f"{r['encode_ratio']:.2f}")  # fmt: skip
        lines.append(f"| {' | '.join(map(str, cells))} | {accuracy} | {star} |")
    return "\n".join(lines) + "\n"


def beats(a: Row, b: Row) -> bool:
    """Whether a is no worse than b in size, latency and accuracy, and better in one."""
    ours, theirs = ((float(r["bytes"]), r["encode_ms"], -(r["accuracy"] or 0.0)) for r in (a, b))
    return ours != theirs and all(x <= y for x, y in zip(ours, theirs, strict=True))
