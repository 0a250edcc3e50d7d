"""Frames per second of `har-edge run` beside those of the bare interpreter, in turns.

    python benchmarks/end_to_end.py [--model NAME] [--threads 1,2] [--rounds N] [--out JSON]

- bare: `encode` and `classify` in a loop on tensors that lie ready, N threads in the runtime;
- run: what the command does: read a 640 x 480 video, sample, resize, encode, classify, smooth,
  track events, write JSON lines.

The video is the bundled sample, enlarged and repeated, at the model's frame rate, so that every
frame of it counts. A ratio of 1 means that all the rest hides behind the model. How much can
hide depends on the cores: where the bare loop keeps them all busy, decoding has to take its time
from the model. `cpu_ms` says what each frame costs in all, over all threads.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from statistics import median

import click
import numpy as np

import har_edge
from har_benchmarks.results import file_facts, to_json
from har_edge.cli import note, run_command
from har_edge.decide import Decider
from har_edge.lanes import SourceOpener
from har_edge.machine import machine_facts
from har_edge.outlets import OutletOptions, open_outlets
from har_edge.output import open_output
from har_edge.preprocess import Pixels, import_cv2, resize_frame
from har_edge.recognizer import Model, load_model
from har_edge.runner import Run
from har_edge.sampling import FrameSampler
from har_edge.sources import VideoSource

SIZE = (640, 480)
SAMPLE = Path(har_edge.__file__).parent / "samples" / "falling.mp4"


@dataclass
class Row:
    """One model at one number of threads: (wall-clock ms, CPU ms) a frame of each round."""

    model: str
    num_threads: int
    bare: list[tuple[float, float]] = field(default_factory=list)
    run: list[tuple[float, float]] = field(default_factory=list)

    def facts(self) -> dict[str, object]:
        """Medians, and the median of the ratios within a round."""
        ratios = [bare[0] / run[0] for bare, run in zip(self.bare, self.run, strict=True)]
        return {
            "model": self.model,
            "num_threads": self.num_threads,
            "bare_frames_per_s": round(1e3 / median(wall for wall, _ in self.bare), 1),
            "run_frames_per_s": round(1e3 / median(wall for wall, _ in self.run), 1),
            "ratio": round(median(ratios), 3),
            "ratios": [round(ratio, 3) for ratio in ratios],
            "bare_cpu_ms": round(median(cpu for _, cpu in self.bare), 3),
            "run_cpu_ms": round(median(cpu for _, cpu in self.run), 3),
        }


def make_video(path: Path, frame_rate_hz: float, count: int) -> Path:
    """Write the sample at 640 x 480, over and over, as MPEG-4."""
    cv2 = import_cv2()
    sampled = VideoSource(SAMPLE).frames(FrameSampler(1000.0))
    pictures = [cv2.resize(frame.pixels[..., ::-1], SIZE) for frame in sampled]
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), frame_rate_hz, SIZE)
    for i in range(count):
        writer.write(pictures[i % len(pictures)])
    writer.release()
    return path


def timed(work: Callable[[], int]) -> tuple[float, float]:
    """Wall-clock and CPU time in ms a frame; `work` gives the number of frames."""
    wall_s, cpu_s = time.perf_counter(), time.process_time()
    count = work()
    return (time.perf_counter() - wall_s) * 1e3 / count, (time.process_time() - cpu_s) * 1e3 / count


def bare(model: Model, frames: list[Pixels], count: int) -> int:
    """Run both signatures `count` times on tensors that lie ready."""
    clip = model.spec.clip
    window = np.zeros((1, clip.num_frames, model.spec.feature_size), np.float32)
    for i in range(count):
        model.backend.encode(frames[i % len(frames)])
        model.backend.classify(window)
    return count


def run(name: str, num_threads: int, video: Path) -> int:
    """Run over the video as the command does, with JSON lines to nowhere."""
    model = load_model(name, num_threads=1)
    options = OutletOptions(output=os.devnull, output_format="jsonl", emit="all")
    outlets = open_outlets(options, model.spec.clip.frame_rate_hz, note)
    result = Run(
        model=model,
        outlets=outlets,
        note=note,
        new_decider=partial(Decider.for_spec, model.spec),
        num_workers=num_threads,
    )([SourceOpener(str(video), lambda notify: VideoSource(video))])
    outlets.close()
    return result.summary.frames


def measure(name: str, num_threads: int, count: int, rounds: int) -> Row:
    """Measure both in turns; the first round warms up and does not count."""
    row = Row(name, num_threads)
    model = load_model(name, num_threads=num_threads)
    with tempfile.TemporaryDirectory() as folder:
        video = make_video(Path(folder) / "video.mp4", model.spec.clip.frame_rate_hz, count)
        sampled = VideoSource(video).frames(FrameSampler(1000.0))
        frames = [
            resize_frame(frame.pixels, model.spec.clip)[np.newaxis]
            for frame, _ in zip(sampled, range(50), strict=False)
        ]
        for number in range(rounds + 1):
            bare_ms = timed(lambda: bare(model, frames, count))
            run_ms = timed(lambda: run(name, num_threads, video))
            if number:
                row.bare.append(bare_ms)
                row.run.append(run_ms)
    return row


@click.command()
@click.option("--model", "models", multiple=True, default=("har15", "clips"), show_default=True)
@click.option("--threads", default="1,2", show_default=True, help="Numbers of threads.")
@click.option("--frames", type=click.IntRange(min=100), default=1500, show_default=True)
@click.option("--rounds", type=click.IntRange(min=1), default=5, show_default=True)
@click.option("-o", "--out", metavar="FILE", help="Write the result as JSON.")
def main(models: tuple[str, ...], threads: str, frames: int, rounds: int, out: str | None) -> None:
    """Compare `har-edge run` with the bare interpreter."""
    import_cv2().setNumThreads(1)  # as the command does
    rows = []
    for name in models:
        for num_threads in map(int, threads.split(",")):
            facts = measure(name, num_threads, frames, rounds).facts()
            rows.append(facts)
            note(
                f"{name}, {num_threads} threads: bare {facts['bare_frames_per_s']} frames/s, "
                f"run {facts['run_frames_per_s']} (ratio {facts['ratio']}); CPU a frame "
                f"{facts['bare_cpu_ms']} and {facts['run_cpu_ms']} ms"
            )
    result = {
        "what": "har-edge run beside the bare interpreter, 640 x 480 MPEG-4, every frame used",
        "machine": machine_facts(),
        "video": {**file_facts(SAMPLE), "size": SIZE, "frames": frames},
        "rows": rows,
    }
    if out:
        with open_output(out) as stream:
            stream.write(to_json(result))


if __name__ == "__main__":
    run_command(main)
