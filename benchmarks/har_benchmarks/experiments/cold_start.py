"""How long from the command to the first prediction, and what the time goes to.

    har-bench experiment cold-start [--image PATH] [--model FILE] [--runs N] [--out JSON]

Three kinds of fresh processes take turns: the command itself on one picture, an interpreter
that does nothing, and one that takes the command's steps one by one with the clock at hand.
The files are in the page cache, for a first turn is discarded: this is a warm disk.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from importlib import resources
from pathlib import Path
from statistics import median

import click
import numpy as np

from har_benchmarks.experiments.result import write_result
from har_benchmarks.experiments.turns import in_turns
from har_benchmarks.results.document import file_facts
from har_edge.commands.harness import note
from har_edge.errors import HarError, SourceError
from har_edge.machine.facts import machine_facts
from har_edge.model.file import DEFAULT_MODEL, resolve_model

START = "start the interpreter"
# What `har-edge run` does for a picture, in its order: a module that two steps need counts for
# the first. sys.argv holds model and picture.
STEPS = (
    ("import the command, click", "import har_edge.commands.main, har_edge.commands.run"),
    ("import numpy", "import numpy"),
    ("import our modules", "import har_edge.run.build"),
    (
        "read and check the model file",
        "from har_edge.model.file import read_model_file, resolve_model\n"
        "file = read_model_file(resolve_model(sys.argv[1]))",
    ),
    (
        "import the runtime",
        "import importlib\n"
        "from har_edge.model.runtimes import TFLITE_RUNTIMES, load_backend\n"
        "for module, _ in TFLITE_RUNTIMES.values():\n"
        "    try:\n"
        "        importlib.import_module(module)\n"
        "        break\n"
        "    except ImportError:\n"
        "        pass",
    ),
    (
        "load the model into the runtime",
        "import os\n"
        "from har_edge.model.loaded import LoadedModel\n"
        "runtime = load_backend(file.flatbuffer, num_threads=min(4, os.cpu_count() or 1))\n"
        "model = LoadedModel(file.spec, file.path, file.size_bytes, runtime)",
    ),
    ("import PIL", "import PIL.Image, PIL.ImageOps"),
    (
        "decode the picture",
        "from har_edge.frames.decode import load_image\n"
        "from har_edge.frames.opencv import import_cv2\n"
        "from har_edge.frames.preprocess import resize_frame\n"
        "pixels = load_image(sys.argv[2])",
    ),
    ("import cv2", "import_cv2()"),
    ("resize", "frame = resize_frame(pixels, file.spec.clip)"),
    ("first encode", "features = model.encode(frame)"),
    (
        "first classify",
        "model.classify(numpy.stack([features] * file.spec.clip.num_frames))",
    ),
)
PROBE = "\n".join(
    [
        "import sys, time",
        "marks = [time.perf_counter()]",
        *(f"{statement}\nmarks.append(time.perf_counter())" for _, statement in STEPS),
        "print([(b - a) * 1e3 for a, b in zip(marks, marks[1:])])",
    ]
)


@dataclass
class Samples:
    """Times of each process, in milliseconds.

    Attributes:
        first_line_ms: The command, from its start to its first line of output.
        exit_ms: The command, from its start to its end.
        steps_ms: Step to its times, in order.
    """

    first_line_ms: list[float] = field(default_factory=list)
    exit_ms: list[float] = field(default_factory=list)
    steps_ms: dict[str, list[float]] = field(
        default_factory=lambda: {name: [] for name in (START, *(name for name, _ in STEPS))}
    )

    def ending_ms(self) -> list[float]:
        """What comes after the first line of each command: the summary and the exit."""
        pairs = zip(self.first_line_ms, self.exit_ms, strict=True)
        return [round(exit_ms - first_line_ms, 3) for first_line_ms, exit_ms in pairs]

    def parts_ms(self) -> dict[str, list[float]]:
        """Everything the command's time is made of, in order: part to its times."""
        return {**self.steps_ms, "summary and exit": self.ending_ms()}

    def rest_ms(self) -> float:
        """What the parts leave of the command's median: arguments, output."""
        return median(self.exit_ms) - sum(median(times) for times in self.parts_ms().values())


def run_python(*arguments: str) -> tuple[str, float, float]:
    """Run a fresh interpreter like this one.

    Returns:
        Its output, the time to the first line of it, and the time to its end, in ms.

    Raises:
        HarError: if it fails.
    """
    with tempfile.TemporaryFile("w+", encoding="utf-8") as errors:
        started = time.perf_counter()
        with subprocess.Popen(
            [sys.executable, *arguments],
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            encoding="utf-8",
        ) as process:
            assert process.stdout is not None
            output = process.stdout.readline()
            first_line_s = time.perf_counter() - started
            output += process.stdout.read()
            code = process.wait()
            exit_s = time.perf_counter() - started
        if code != 0:
            errors.seek(0)
            raise HarError(
                f"The measured process should exit with 0. Received {code}. {errors.read().strip()}"
            )
    return output, round(first_line_s * 1e3, 3), round(exit_s * 1e3, 3)


def measure(model: str, image: str, runs: int) -> Samples:
    """Start all processes, the three kinds in turn; the first turn is a warm-up."""
    command = ("-m", "har_edge", "run", image, "--model", model, "--output-format", "jsonl")
    ways = {
        "command": partial(run_python, *command),
        "start": partial(run_python, "-c", "pass"),
        "steps": partial(run_python, "-c", PROBE, model, image),
    }
    found = in_turns(ways, runs)
    samples = Samples()
    for output, first_line_ms, exit_ms in found["command"]:
        if len(output.splitlines()) != 1:
            raise HarError(f"Expected one prediction for {image}. Received {output!r}.")
        samples.first_line_ms.append(first_line_ms)
        samples.exit_ms.append(exit_ms)
    for (_, _, start_ms), (output, _, _) in zip(found["start"], found["steps"], strict=True):
        steps_ms = [start_ms, *json.loads(output)]
        for times, time_ms in zip(samples.steps_ms.values(), steps_ms, strict=True):
            times.append(round(time_ms, 3))
    return samples


def spread(times_ms: Sequence[float]) -> dict[str, float]:
    """Median and 95th percentile."""
    return {f"p{p}_ms": round(float(np.percentile(times_ms, p)), 3) for p in (50, 95)}


def summarise(samples: Samples) -> dict[str, object]:
    """Turn samples into percentiles, and keep the samples."""
    return {
        "first_line": {**spread(samples.first_line_ms), "samples_ms": samples.first_line_ms},
        "exit": {**spread(samples.exit_ms), "samples_ms": samples.exit_ms},
        "steps": {
            name: {**spread(times), "samples_ms": times}
            for name, times in samples.parts_ms().items()
        },
        "rest_ms": round(samples.rest_ms(), 3),
    }


def format_table(samples: Samples) -> str:
    """Lay out the command's percentiles and the median of each step."""
    lines = [f"{'the command':<34} {'p50 ms':>8} {'p95 ms':>8}"]
    totals = (
        ("start to first prediction", samples.first_line_ms),
        ("start to exit", samples.exit_ms),
    )
    for name, times in totals:
        p50, p95 = spread(times).values()
        lines.append(f"{name:<34} {p50:>8.1f} {p95:>8.1f}")
    whole_ms = median(samples.exit_ms)
    lines += ["", f"{'its steps':<34} {'p50 ms':>8} {'share':>8}"]
    steps = [(name, median(times)) for name, times in samples.parts_ms().items()]
    for name, time_ms in [*steps, ("rest", samples.rest_ms())]:
        lines.append(f"{name:<34} {time_ms:>8.1f} {time_ms / whole_ms:>8.1%}")
    return "\n".join(lines)


def bundled_image() -> Path:
    """The first of the bundled sample pictures.

    Raises:
        SourceError: if there is none.
    """
    folder = Path(str(resources.files("har_edge"))) / "samples"
    found = sorted(folder.glob("*.jpg"))
    if not found:
        raise SourceError("This installation has no sample pictures. Give one with --image.")
    return found[0]


@click.command()
@click.option("--image", type=click.Path(path_type=Path), help="[default: a bundled sample]")
@click.option("-m", "--model", metavar="FILE", default=DEFAULT_MODEL, show_default=True)
@click.option("--runs", type=click.IntRange(min=1), default=15, show_default=True)
@click.option("--out", metavar="JSON", help="Write everything to this file, raw samples included.")
def command(image: Path | None, model: str, runs: int, out: str | None) -> None:
    """Measure the time from the command to the first prediction, and where it goes.

    \b
    Example:
      har-bench experiment cold-start --model clips --runs 15 --out cold-start.json
    """
    image = image or bundled_image()
    path = resolve_model(model)
    if not image.is_file():
        raise SourceError(f"{image} does not exist. Check the path.")
    report = {
        "benchmark": "cold_start",
        "machine": machine_facts(),
        "model": file_facts(path),
        "image": file_facts(image),
        "runs": runs,
    }
    samples = measure(model, str(image), runs)
    click.echo(f"har-edge run {image.name} --model {path.name}, {runs} fresh processes\n")
    click.echo(format_table(samples))
    if out is not None:
        write_result({**report, **summarise(samples)}, out)
        note(f"Wrote {out}")
