"""Does a model file say the same in every runtime? Its answers on held-out data, compared.

    har-bench experiment across-runtimes run FILE MANIFEST DATA OUT.npz [--backend NAME]
    har-bench experiment across-runtimes compare FIRST.npz SECOND.npz [...] [--out JSON]
    har-bench experiment across-runtimes kernels INT8_FILE [--out JSON]

The runtimes do not fit into one environment (tflite-runtime needs numpy 1), so each writes what
it says of the manifest's test part, in an environment of its own, and the answers meet as files.
The light installation is enough. Windows of clips follow each other by a quarter of a window.
`kernels` says what tflite-runtime gains by XNNPACK's int8 kernels, see `har_edge.model.xnnpack`.
"""

from __future__ import annotations

import csv
import hashlib
import json
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import TypedDict

import click
import numpy as np

from har_benchmarks.experiments.result import write_result
from har_benchmarks.experiments.turns import elapsed_ms, in_turns
from har_edge.arrays import FloatArray
from har_edge.commands.harness import note
from har_edge.errors import DataError
from har_edge.machine.facts import machine_facts
from har_edge.model.file import read_model_file
from har_edge.model.loaded import LoadedModel, load_model
from har_edge.model.runtimes import import_runtime
from har_edge.model.xnnpack import int8_delegates
from har_edge.sources.clips import load_frames, window_indices

WARMUP_ROUNDS = 3


@click.group()
def command() -> None:
    """Run a model file in several runtimes and compare the results.

    \b
    Examples:
      har-bench experiment across-runtimes run har15 held-out.csv DATA litert.npz --backend litert
      har-bench experiment across-runtimes compare litert.npz tflite-runtime.npz --out same.json
      har-bench experiment across-runtimes kernels har15
    """


@command.command()
@click.argument("file")
@click.argument("manifest", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.argument("data", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("out", type=click.Path(path_type=Path))
@click.option("--backend", default="auto", show_default=True, help="Runtime, by its har-edge name.")
@click.option("--every", type=click.IntRange(min=1), default=1, show_default=True, metavar="N",
              help="Use every N-th test file.")  # fmt: skip
def run(file: str, manifest: Path, data: Path, out: Path, backend: str, every: int) -> None:
    """Write the predictions of FILE for the test part of MANIFEST, with paths relative to DATA."""
    model = load_model(file, backend=backend)
    with manifest.open(encoding="utf-8", newline="") as table:
        rows = [row for row in csv.DictReader(table) if row["split"] == "test"][::every]
    answers = [_answers(model, data / row["path"]) for row in rows]
    about = {
        "sha256": hashlib.sha256(Path(model.path).read_bytes()).hexdigest(),
        "file": Path(model.path).name,
        "runtime": model.backend.name,
        "manifest": manifest.name,
        "files": len(rows),
        "every": every,
    }
    features, probabilities = (np.concatenate(part) for part in zip(*answers, strict=True))
    np.savez(out, about=json.dumps(about), features=features, probabilities=probabilities)
    note(f"{about['runtime']}: {len(features)} frames and {len(probabilities)} windows to {out}")


def _answers(model: LoadedModel, path: Path) -> tuple[FloatArray, FloatArray]:
    """Features of all frames, (F, D), and probabilities of all windows, (M, C)."""
    size = model.spec.clip.num_frames
    features = np.stack([model.encode(frame) for frame in load_frames(path, model.spec.clip)])
    windows = window_indices(len(features), size, max(1, size // 4))
    return features, np.stack([model.classify(features[window]) for window in windows])


@command.command()
@click.argument("answers", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), help="JSON file to write.")
def compare(answers: tuple[Path, ...], out: Path | None) -> None:
    """Compare the first of ANSWERS with each of the others."""
    first, *others = map(_load, answers)
    rows = [_compare(first, other) for other in others]
    for row in rows:
        click.echo(
            f"{row['first']} / {row['second']}: same top-1 on {row['same_top_1']:.2%} of "
            f"{row['windows']} windows, probabilities within {row['largest_difference']:.2g}, "
            f"cosine of features {row['feature_cosine']:.5f}"
        )
    write_result({"about": first.about, "comparisons": rows, "machine": machine_facts()}, out)


@command.command()
@click.argument("file")
@click.option("--rounds", type=click.IntRange(min=3), default=50, show_default=True)
@click.option("--out", type=click.Path(path_type=Path), help="JSON file to write.")
def kernels(file: str, rounds: int, out: Path | None) -> None:
    """Time a frame of an int8 FILE on tflite-runtime's own kernels and on XNNPACK, in turns."""
    runtime = import_runtime("tflite-runtime")
    model = load_model(file, backend="tflite-runtime")
    clip, network = model.spec.clip, read_model_file(model.path).networks[0]
    frame = np.random.default_rng(0).integers(0, 256, (1, clip.height, clip.width, 3), np.uint8)
    interpreters = {
        name: runtime.Interpreter(model_content=network, experimental_delegates=delegates)
        for name, delegates in (("own", None), ("xnnpack", int8_delegates(runtime, 1)))
    }
    for interpreter in interpreters.values():
        interpreter.allocate_tensors()
    encoders = {name: i.get_signature_runner("encode") for name, i in interpreters.items()}
    calls = {name: partial(encode, frame=frame) for name, encode in encoders.items()}
    ways = {name: partial(elapsed_ms, call) for name, call in calls.items()}
    samples = in_turns(ways, rounds + WARMUP_ROUNDS, warmup=0)
    median_ms = {name: median(values[WARMUP_ROUNDS:]) for name, values in samples.items()}
    ratio = median_ms["own"] / median_ms["xnnpack"]
    click.echo(
        f"encode: {median_ms['own']:.2f} ms on tflite-runtime's own kernels, "
        f"{median_ms['xnnpack']:.2f} ms on XNNPACK: {ratio:.1f} times faster"
    )
    facts = {"median_ms": median_ms, "ratio": ratio, "samples_ms": samples}
    write_result({**facts, "machine": machine_facts()}, out)


@dataclass(frozen=True)
class Answers:
    """The predictions of a runtime for the test files.

    Attributes:
        about: `sha256` and `file` of the model, `runtime`, `manifest`, `files`, `every`.
        features: Of all frames, (F, D).
        probabilities: Of all windows, (M, C).
    """

    about: dict[str, object]
    features: FloatArray
    probabilities: FloatArray


class Difference(TypedDict):
    """How far two runtimes agree on the same file."""

    first: object
    second: object
    windows: int
    same_top_1: float
    largest_difference: float
    feature_cosine: float


def _load(path: Path) -> Answers:
    with np.load(path, allow_pickle=False) as file:
        about = json.loads(str(file["about"]))
        return Answers(about, file["features"], file["probabilities"])


def _compare(first: Answers, second: Answers) -> Difference:
    ours, theirs = first.about, second.about
    for key in ("sha256", "manifest", "every"):
        if ours[key] != theirs[key]:
            raise DataError(
                f"Both result files should have the same {key}. Received {ours[key]} and "
                f"{theirs[key]}. Run both sides on the same model and data."
            )
    a, b = first.probabilities, second.probabilities
    f, g = first.features.astype(np.float64), second.features.astype(np.float64)
    norms = np.linalg.norm(f, axis=1) * np.linalg.norm(g, axis=1)
    return {
        "first": ours["runtime"],
        "second": theirs["runtime"],
        "windows": len(a),
        "same_top_1": float((a.argmax(axis=1) == b.argmax(axis=1)).mean()),
        "largest_difference": float(np.abs(a - b).max()),
        "feature_cosine": float(((f * g).sum(axis=1) / np.maximum(norms, 1e-12)).mean()),
    }
