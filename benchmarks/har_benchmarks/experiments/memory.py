"""Memory of `har-edge run` over many frames of a camera-like stream.

    har-bench experiment memory [--model NAME] [--frames N] [--out JSON]

The command runs as a process of its own and reads motion JPEG of 640 x 480 from a pipe, every
frame of which is recognised: the long run of a camera, as fast as the machine allows. Its
resident memory is read from /proc as frames go in. Growth is counted from a tenth of the frames
on, when everything that is made once has been made.
"""

from __future__ import annotations

import os
import subprocess
import sys

import click
import numpy as np

from har_benchmarks.experiments.result import SAMPLE, resident_mb, write_result
from har_edge.commands.harness import note
from har_edge.errors import HarError
from har_edge.frames.opencv import import_cv2
from har_edge.frames.sampling import FrameSampler
from har_edge.machine.facts import machine_facts
from har_edge.model.loaded import load_model
from har_edge.sources.files import VideoSource

SIZE = (640, 480)
LOOKS = 200


def jpegs() -> list[bytes]:
    """The bundled sample as pictures of a camera: 640 x 480, with a sensor's noise."""
    cv2, rng = import_cv2(), np.random.default_rng(0)
    pictures = []
    for frame in VideoSource(SAMPLE).frames(FrameSampler(25.0)):
        picture = cv2.resize(frame.pixels[..., ::-1], SIZE).astype(np.int16)
        noisy = np.clip(picture + rng.integers(-6, 7, picture.shape), 0, 255).astype(np.uint8)
        pictures.append(cv2.imencode(".jpg", noisy)[1].tobytes())
    return pictures


def measure(model: str, num_threads: int, frames: int) -> dict[str, object]:
    """Feed frames to the command and look at its memory.

    Raises:
        HarError: if the command fails.
    """
    rate_hz = load_model(model).spec.clip.frame_rate_hz
    command = [
        sys.executable, "-m", "har_edge", "run", "-", "--stdin-format", f"mjpeg@{rate_hz:g}",
        "--model", model, "--num-threads", str(num_threads), "--output-format", "jsonl",
        "--emit", "all", "--output", os.devnull,
    ]  # fmt: skip
    pictures, looks, every = jpegs(), [], max(1, frames // LOOKS)
    process = subprocess.Popen(command, stdin=subprocess.PIPE)
    assert process.stdin is not None
    with click.progressbar(range(frames), file=sys.stderr) as numbers:
        for i in numbers:
            process.stdin.write(pictures[i % len(pictures)])
            if i % every == 0:
                looks.append((i, resident_mb(process.pid)))
    process.stdin.flush()
    peak_mb = resident_mb(process.pid, "VmHWM")
    process.stdin.close()
    if process.wait() != 0:
        raise HarError(
            f"har-edge run should exit with 0. Received {process.returncode}. See its output above."
        )
    settled = [mb for i, mb in looks if i >= frames // 10]
    return {
        "model": model,
        "num_threads": num_threads,
        "frames": frames,
        "peak_mb": round(peak_mb, 1),
        "settled_mb": round(settled[0], 1),
        "growth_mb": round(max(settled) - settled[0], 2),
        "looks_mb": [round(mb, 2) for _, mb in looks],
    }


@click.command()
@click.option("--model", "models", multiple=True, default=("har15", "clips"), show_default=True)
@click.option("--num-threads", type=click.IntRange(min=1), default=2, show_default=True)
@click.option("--frames", type=click.IntRange(min=1000), default=100_000, show_default=True)
@click.option("-o", "--out", metavar="FILE", help="Write the result to this file, as JSON.")
def command(models: tuple[str, ...], num_threads: int, frames: int, out: str | None) -> None:
    """Measure the memory of a long run on a camera-like stream.

    \b
    Example:
      har-bench experiment memory --model clips --frames 100000 --out memory.json
    """
    rows = []
    for model in models:
        row = measure(model, num_threads, frames)
        rows.append(row)
        note(
            f"{model}: peak {row['peak_mb']} MB, {row['settled_mb']} MB after a tenth of "
            f"{frames} frames, at most {row['growth_mb']} MB more later"
        )
    what = "resident memory of har-edge run, motion JPEG of 640 x 480 from a pipe"
    write_result({"what": what, "machine": machine_facts(), "rows": rows}, out)
