"""Accuracy, size and latency over frame sizes, backbones and variants: which is worth it?

    python benchmarks/pareto.py DATA --weights WEIGHTS [--sizes 128,160,192,224] --out FOLDER
    python benchmarks/pareto.py DATA --untrained --out FOLDER

Trains a head for each frame size with `har-train fit`, converts every run with `har-convert`, and
reads what the model files say of themselves. With --untrained it takes each other backbone
with random weights instead: its size and latency are real, its accuracy is none. Needs the
all extra. Writes FOLDER/pareto.json and FOLDER/pareto.md; runs that are there are kept.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

from har_benchmarks.results.results import to_json
from har_edge.machine.facts import machine_facts
from har_edge.model.file import ModelFile, read_model_file

BACKBONES = (
    ("mobilenet_v2", 0.35), ("mobilenet_v2", 0.5), ("mobilenet_v2", 0.75), ("mobilenet_v2", 1.0),
    ("mobilenet_v2", 1.4), ("mobilenet_v3_small", 1.0), ("mobilenet_v3_large", 1.0),
    ("efficientnet_v2_b0", 1.0),
)  # fmt: skip


def main() -> None:
    """Train, convert, collect."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", help="folder of classes or manifest")
    parser.add_argument("--root", default="", help="folder that a manifest's paths start from")
    parser.add_argument("--weights", default="imagenet")
    parser.add_argument("--sizes", default="128,160,192,224")
    parser.add_argument("--num-frames", default="1")
    parser.add_argument("--untrained", action="store_true")
    parser.add_argument("--variants", default="float32,float16,dynamic,int8,onnx,onnx-int8")
    parser.add_argument("--verify-clips", default="0")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    if options.untrained:
        todo = [(name, alpha, 224, "none") for name, alpha in BACKBONES]
    else:
        sizes = map(int, options.sizes.split(","))
        todo = [("mobilenet_v2", 1.0, size, options.weights) for size in sizes]
    rows = []
    for backbone, alpha, size, weights in todo:
        files = make(options, backbone, alpha, size, weights)
        rows += [row(file, size, trained=not options.untrained) for file in files]
    result = {"rows": rows, "machine": machine_facts()}
    (options.out / "pareto.json").write_text(to_json(result), encoding="utf-8")
    (options.out / "pareto.md").write_text(table(rows), encoding="utf-8")
    print(table(rows))


def make(
    options: argparse.Namespace, backbone: str, alpha: float, size: int, weights: str
) -> list[ModelFile]:
    """Train and convert one configuration, as a user would."""
    name = f"{backbone}-{alpha}-{size}"
    run, models = options.out / "runs" / name, options.out / "models" / name
    fit = ["har-train", "fit", options.data, "--root", options.root, "--out", run]
    fit += ["--backbone", backbone, "--alpha", alpha, "--size", size, "--weights", weights]
    fit += ["--num-frames", options.num_frames, "--name", "model"]
    if options.untrained:
        fit += ["--epochs", 1]
    if not run.exists():
        call(fit)
    # Nothing is lost here that is worth a gate: the table is to show what is lost.
    variants = options.variants.split(",")
    convert = ["har-convert", run, "--out", models, "--max-accuracy-drop", 100]
    if not models.exists():
        call([*convert, *(f"--{v}" for v in variants), "--verify-clips", options.verify_clips])
    paths = [models / f"model-{v}.{'encode.onnx' if 'onnx' in v else 'tflite'}" for v in variants]
    return [read_model_file(path) for path in paths]


def call(command: list[object]) -> None:
    """Run one of our commands in this Python's environment."""
    script = Path(sys.executable).with_name(str(command[0]))
    subprocess.run([str(script), *map(str, command[1:])], check=True)


def row(file: ModelFile, size: int, *, trained: bool) -> dict[str, object]:
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


def table(rows: list[dict[str, object]]) -> str:
    """Lay the rows out in Markdown; a star marks what no other row beats in all three."""
    lines = [
        "| backbone | frame | variant | size | encode | accuracy | |",
        "|---|---|---|---|---|---|---|",
    ]
    for r in rows:
        star = "*" if r["accuracy"] is not None and not any(beats(o, r) for o in rows) else ""
        accuracy = "–" if r["accuracy"] is None else f"{r['accuracy']:.1%}"
        megabytes = f"{int(str(r['bytes'])) / 1e6:.1f} MB"
        cells = (r["backbone"], r["size_px"], r["variant"], megabytes, f"{r['encode_ms']} ms")
        lines.append(f"| {' | '.join(map(str, cells))} | {accuracy} | {star} |")
    return "\n".join(lines) + "\n"


def beats(a: dict[str, object], b: dict[str, object]) -> bool:
    """Whether a is no worse than b in size, latency and accuracy, and better in one."""
    ours, theirs = (
        (float(str(r["bytes"])), float(str(r["encode_ms"])), -float(str(r["accuracy"])))
        for r in (a, b)
    )
    return ours != theirs and all(x <= y for x, y in zip(ours, theirs, strict=True))


if __name__ == "__main__":
    main()
