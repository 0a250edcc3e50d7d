"""Accuracy, size and latency over frame sizes, backbones and variants: which is worth it?

    har-bench experiment pareto DATA --weights WEIGHTS [--sizes 128,160,192,224] --out FOLDER
    har-bench experiment pareto DATA --untrained --out FOLDER

Trains a head for each frame size with `har-train fit`, converts every run with `har-convert`, and
reads what the model files say about themselves. With --untrained it takes each other backbone
with random weights instead: its size and latency are real, its accuracy is none. Needs the
all extra. Writes FOLDER/pareto.json and FOLDER/pareto.md; runs that are there are kept.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypedDict

import click

from har_benchmarks.experiments.programs import run_package
from har_benchmarks.experiments.result import write_result
from har_edge.machine.facts import machine_facts
from har_edge.model.file import ModelFile, read_model_file

BACKBONES = (
    ("mobilenet_v2", 0.35), ("mobilenet_v2", 0.5), ("mobilenet_v2", 0.75), ("mobilenet_v2", 1.0),
    ("mobilenet_v2", 1.4), ("mobilenet_v3_small", 1.0), ("mobilenet_v3_large", 1.0),
    ("efficientnet_v2_b0", 1.0),
)  # fmt: skip


@dataclass(frozen=True)
class Settings:
    """How the configurations are trained and converted; see the options of the command."""

    data: str
    root: str
    weights: str
    sizes: str
    num_frames: str
    untrained: bool
    variants: str
    verify_clips: str
    out: Path

    def configurations(self) -> list[Configuration]:
        """What is trained: frame sizes of one backbone, or backbones of one frame size."""
        if self.untrained:
            return [Configuration(name, alpha, 224, "none") for name, alpha in BACKBONES]
        sizes = map(int, self.sizes.split(","))
        return [Configuration("mobilenet_v2", 1.0, size, self.weights) for size in sizes]


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
@click.option("--num-frames", default="1", show_default=True, help="Frames per window.")
@click.option(
    "--untrained",
    is_flag=True,
    help="Another backbone to measure, with random weights; may be repeated.",
)
@click.option("--variants", default="float32,float16,dynamic,int8,onnx,onnx-int8",
              show_default=True, help="Variants to convert to.")  # fmt: skip
@click.option("--verify-clips", default="0", show_default=True, help="As in har-convert.")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder to write to.")
def command(**options: Any) -> None:
    """Train on DATA, convert, and show the accuracy of each size, latency and variant.

    \b
    Examples:
      har-bench experiment pareto DATA --weights WEIGHTS --sizes 128,160 --out pareto
      har-bench experiment pareto DATA --untrained --out pareto
    """
    settings = Settings(**options)
    settings.out.mkdir(parents=True, exist_ok=True)
    rows = []
    for chosen in settings.configurations():
        files = make(settings, chosen)
        rows += [row(file, chosen.size, trained=not settings.untrained) for file in files]
    write_result({"rows": rows, "machine": machine_facts()}, settings.out / "pareto.json")
    (settings.out / "pareto.md").write_text(table(rows), encoding="utf-8")
    click.echo(table(rows))


def make(settings: Settings, chosen: Configuration) -> list[ModelFile]:
    """Train and convert one configuration, as a user would."""
    name = f"{chosen.backbone}-{chosen.alpha}-{chosen.size}"
    run, models = settings.out / "runs" / name, settings.out / "models" / name
    fit: list[object] = ["fit", settings.data, "--root", settings.root, "--out", run]
    fit += ["--backbone", chosen.backbone, "--alpha", chosen.alpha, "--size", chosen.size]
    fit += ["--weights", chosen.weights, "--num-frames", settings.num_frames, "--name", "model"]
    if settings.untrained:
        fit += ["--epochs", 1]
    if not run.exists():
        run_package("har_train", *fit)
    # Nothing is lost here that is worth a gate: the table is to show what is lost.
    variants = settings.variants.split(",")
    convert = [run, "--out", models, "--max-accuracy-drop", 100]
    if not models.exists():
        checked = ("--verify-clips", settings.verify_clips)
        run_package("har_convert", *convert, *(f"--{v}" for v in variants), *checked)
    paths = [models / f"model-{v}.{'encode.onnx' if 'onnx' in v else 'tflite'}" for v in variants]
    return [read_model_file(path) for path in paths]


class Row(TypedDict):
    """What one file costs and is worth; accuracy is None for random weights."""

    backbone: str
    size_px: int
    variant: str
    bytes: int
    encode_ms: float
    accuracy: float | None
    accuracy_drop_points: float | None
    clips: int


def row(file: ModelFile, size: int, *, trained: bool) -> Row:
    """What one file costs and is worth."""
    spec, m = file.spec, file.spec.metrics
    return {
        "backbone": spec.backbone,
        "size_px": size,
        "variant": spec.variant,
        "bytes": file.size_bytes,
        "encode_ms": round(m["encode_ms"], 3),
        "accuracy": round(m["verified_accuracy"], 4) if trained else None,
        "accuracy_drop_points": round(m["accuracy_drop_points"], 2) if trained else None,
        "clips": int(m["verified_clips"]),
    }


def table(rows: list[Row]) -> str:
    """Lay the rows out in Markdown; a star marks what no other row beats in all three."""
    lines = [
        "| backbone | frame | variant | size | encode | accuracy | |",
        "|---|---|---|---|---|---|---|",
    ]
    for r in rows:
        star = "*" if r["accuracy"] is not None and not any(beats(o, r) for o in rows) else ""
        accuracy = "–" if r["accuracy"] is None else f"{r['accuracy']:.1%}"
        megabytes = f"{r['bytes'] / 1e6:.1f} MB"
        cells = (r["backbone"], r["size_px"], r["variant"], megabytes, f"{r['encode_ms']} ms")
        lines.append(f"| {' | '.join(map(str, cells))} | {accuracy} | {star} |")
    return "\n".join(lines) + "\n"


def beats(a: Row, b: Row) -> bool:
    """Whether a is no worse than b in size, latency and accuracy, and better in one."""
    ours, theirs = ((float(r["bytes"]), r["encode_ms"], -(r["accuracy"] or 0.0)) for r in (a, b))
    return ours != theirs and all(x <= y for x, y in zip(ours, theirs, strict=True))
