"""What it costs to tell people apart, beside whole pictures.

    har-bench experiment people DETECTOR CLIPS [--model NAME] [--out JSON]

People are cut out of CLIPS and composed into videos of 640 x 480 with 0, 1, 3 and 5 of them.
`har-edge run` reads each as a process of its own, in turns: whole pictures (`--whole-picture`), and
people found by DETECTOR. A frame's cost is the wall-clock time beyond that of a run over the first
frame alone, by the number of sampled frames: reading and decoding are in it, starting is not.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import click

from har_benchmarks.experiments import launch
from har_benchmarks.experiments.composed import Sprite, compose, cut_sprites
from har_benchmarks.experiments.result import write_result
from har_benchmarks.experiments.turns import in_turns
from har_benchmarks.results.document import file_facts
from har_edge.commands.harness import note
from har_edge.errors import HarError
from har_edge.frames.opencv import import_cv2, rgb_to_bgr
from har_edge.machine.facts import machine_facts
from har_edge.model.file import read_model_file, resolve_model
from har_edge.people.open import open_locator

COUNTS = (0, 1, 3, 5)
FPS = 24.0
SIZE = (480, 640)
CROPS_HZ = 8.0
APART = "people_told_apart"


@click.command()
@click.argument("detector", type=click.Path(exists=True, path_type=Path))
@click.argument("clips", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--model", default="clips", show_default=True)
@click.option("--num-threads", "threads", type=click.IntRange(min=1), multiple=True,
              default=(1, 2), show_default=True, help="May be repeated.")  # fmt: skip
@click.option("--seconds", type=click.FloatRange(min=1), default=20.0, show_default=True,
              help="Length of each video.")  # fmt: skip
@click.option("--rounds", type=click.IntRange(min=1), default=3, show_default=True)
@click.option("--out", type=click.Path(path_type=Path), help="JSON file to write.")
def command(
    detector: Path,
    clips: Path,
    model: str,
    threads: tuple[int, ...],
    seconds: float,
    rounds: int,
    out: Path | None,
) -> None:
    """Measure frames a second, cost and memory with people told apart and without.

    \b
    Example:
      har-bench experiment people detector.tflite DATA/ucf101/Punch --out people.json
    """
    locator = open_locator(detector)
    paths = sorted(clips.rglob("*.mp4"))
    sprites = cut_sprites(paths[:: max(1, len(paths) // 80)], locator, max(COUNTS), CROPS_HZ)
    rate_hz = read_model_file(resolve_model(model)).spec.clip.frame_rate_hz
    frames = int((round(seconds * FPS) - 1) / FPS * rate_hz) + 1
    rows = []
    with tempfile.TemporaryDirectory(prefix="har-bench-") as folder:
        for count in COUNTS:
            video = Path(folder) / f"{count}.avi"
            write_scene(video, sprites[:count], seconds)
            for num_threads in threads:
                options = ["--model", model, "--num-threads", str(num_threads)]
                row = measure(video, options, detector, frames, rounds)
                rows.append({"people": count, "num_threads": num_threads, **row})
                note(f"{count} people, {num_threads} threads: {row}")
    facts = {
        "what": "har-edge run on composed videos of 640 x 480, whole pictures and people in turns",
        "model": model,
        "detector": file_facts(detector),
        "frames": frames,
        "rounds": rounds,
        "rows": rows,
        "machine": machine_facts(),
    }
    write_result(facts, out)


def write_scene(path: Path, sprites: Sequence[Sprite], seconds: float) -> None:
    """Write a video of people who walk to and fro."""
    cv2 = import_cv2()
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"XVID"), FPS, SIZE[::-1])
    frames = round(seconds * FPS)
    for moment in compose(
        sprites, count=frames, rate_hz=FPS, size=SIZE, hold=round(FPS / CROPS_HZ)
    ):
        writer.write(rgb_to_bgr(moment.pixels))
    writer.release()


def measure(
    video: Path, base: Sequence[str], detector: Path, frames: int, rounds: int
) -> dict[str, object]:
    """Run over a video in both ways, in turns."""
    base = [str(video), *base]
    ways = {"whole": ["--whole-picture"], APART: ["--people", str(detector)]}
    row: dict[str, object] = {}
    costs = {}
    runs = in_turns(
        {
            f"{name} {kind}": partial(run_once, [*base, *options, *extra])
            for name, options in ways.items()
            for kind, extra in (("start", ["--max-frames", "1"]), ("all", []))
        },
        rounds,
        warmup=0,
    )
    for name in ways:
        whole, start = runs[f"{name} all"], runs[f"{name} start"]
        costs[name] = spent(whole, start, "wall_ms") / frames
        row[name] = {
            "ms_per_frame": round(costs[name], 3),
            "frames_per_second": round(1e3 / costs[name], 1),
            "cpu_ms_per_frame": round(spent(whole, start, "cpu_ms") / frames, 3),
            "start_ms": round(statistics.median(r["wall_ms"] for r in start), 1),
            "peak_mb": round(max(r["peak_mb"] for r in whole), 1),
        }
    row["ratio"] = round(costs[APART] / costs["whole"], 3)
    return row


def spent(
    whole: Sequence[Mapping[str, float]], start: Sequence[Mapping[str, float]], key: str
) -> float:
    """What runs took beyond their start, by the medians."""
    both = (statistics.median(each[key] for each in runs) for runs in (whole, start))
    return next(both) - next(both)


def run_once(arguments: Sequence[str]) -> dict[str, float]:
    """Run the command; what it cost.

    Raises:
        HarError: if it fails.
    """
    command = [
        sys.executable, "-S", launch.__file__, sys.executable, "-m", "har_edge", "run",
        *arguments, "--output-format", "jsonl", "--output", os.devnull,
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    facts: dict[str, float] = json.loads(done.stdout)
    if facts["exit"] != 0:
        raise HarError(
            f"har-edge run should exit with 0. Received {facts['exit']:.0f}. Run it alone: "
            f"har-edge run {' '.join(arguments)}"
        )
    return facts
