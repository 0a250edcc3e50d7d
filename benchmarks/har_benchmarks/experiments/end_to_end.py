"""Frames per second of `har-edge run` and of the bare interpreter, in turns.

    har-bench experiment end-to-end [--model NAME] [--threads 1,2] [--rounds N] [--out JSON]

- bare: `encode` and `classify` in a loop on tensors that lie ready, N threads in the runtime;
- run: what the command does: read a 640 x 480 video, sample, resize, encode, classify, smooth,
  track events, write JSON lines;
- together: N interpreters of one thread each, in N threads, as the run has them;
- floor: what the run cannot beat, as its parts are timed here, each alone on one thread: a frame
  takes `decode_ms` to be read, sampled and resized, and `model_ms` in both signatures. The model
  has N threads, all of it together the machine's cores, and nothing else takes any time.

The video is the bundled sample, enlarged and repeated, at the model's frame rate, so that every
frame of it counts. A ratio of 1 means that all the rest hides behind the model. How much can
hide depends on the cores: where the bare loop keeps them all busy, decoding has to take its time
from the model. `cpu_ms` says what each frame costs in all, over all threads; `share_of_floor` how
much of the possible the run reaches.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from statistics import median

import click
import numpy as np

from har_benchmarks.experiments.result import SAMPLE, write_result
from har_benchmarks.experiments.turns import in_turns
from har_benchmarks.results.document import file_facts
from har_edge.arrays import Pixels
from har_edge.commands.harness import note
from har_edge.config import SinkConfig
from har_edge.frames.opencv import import_cv2
from har_edge.frames.preprocess import resize_frame
from har_edge.frames.sampling import FrameSampler
from har_edge.machine.facts import machine_facts
from har_edge.model.loaded import LoadedModel, load_model
from har_edge.model.spec import ClipSpec
from har_edge.recognition.decide import Decider
from har_edge.recognition.recognizer import resize_ahead
from har_edge.run.lanes import SourceOpener
from har_edge.run.runner import Run
from har_edge.sinks.fan_out import RunFacts, open_sinks
from har_edge.sources.files import VideoSource

SIZE = (640, 480)


@dataclass
class Row:
    """One model at one number of threads: (wall-clock ms, CPU ms) a frame of each round.

    `decode` and `model_alone` are the parts of the floor.
    """

    model: str
    num_threads: int
    bare: list[tuple[float, float]] = field(default_factory=list)
    run: list[tuple[float, float]] = field(default_factory=list)
    together: list[tuple[float, float]] = field(default_factory=list)
    decode: list[tuple[float, float]] = field(default_factory=list)
    model_alone: list[tuple[float, float]] = field(default_factory=list)

    def floors_ms(self, *, shared: bool = False) -> list[float]:
        """Wall-clock time that a frame takes at least, by round.

        Args:
            shared: Take the model's time from N interpreters at once, not from one alone.
        """
        cores = len(os.sched_getaffinity(0))
        if shared:
            models_ms = [self.num_threads * wall_ms for wall_ms, _ in self.together]
        else:
            models_ms = [wall_ms for wall_ms, _ in self.model_alone]
        return [
            max(model_ms / self.num_threads, (decode_ms + model_ms) / cores)
            for model_ms, (decode_ms, _) in zip(models_ms, self.decode, strict=True)
        ]

    def share_of(self, floors_ms: Sequence[float]) -> float:
        """How much of the possible the run reaches: the median of the rounds' ratios."""
        return median(ms / run[0] for ms, run in zip(floors_ms, self.run, strict=True))

    def facts(self) -> dict[str, object]:
        """Medians, and the median of the ratios within a round."""
        ratios = [bare[0] / run[0] for bare, run in zip(self.bare, self.run, strict=True)]
        return {
            "model": self.model,
            "num_threads": self.num_threads,
            "bare_frames_per_s": round(1e3 / _median_ms(self.bare), 1),
            "run_frames_per_s": round(1e3 / _median_ms(self.run), 1),
            "floor_frames_per_s": round(1e3 / median(self.floors_ms()), 1),
            "ratio": round(median(ratios), 3),
            "share_of_floor": round(self.share_of(self.floors_ms()), 3),
            "share_of_shared_floor": round(self.share_of(self.floors_ms(shared=True)), 3),
            "ratios": [round(ratio, 3) for ratio in ratios],
            "bare_cpu_ms": round(median(cpu for _, cpu in self.bare), 3),
            "run_cpu_ms": round(median(cpu for _, cpu in self.run), 3),
            "together_ms": round(_median_ms(self.together), 3),
            "decode_ms": round(_median_ms(self.decode), 3),
            "model_ms": round(_median_ms(self.model_alone), 3),
        }


def _median_ms(rounds: list[tuple[float, float]]) -> float:
    return median(wall for wall, _ in rounds)


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


def bare(model: LoadedModel, frames: list[Pixels], count: int) -> int:
    """Run both signatures `count` times on tensors that lie ready."""
    clip = model.spec.clip
    window = np.zeros((1, clip.num_frames, model.spec.feature_size), np.float32)
    for i in range(count):
        model.backend.encode(frames[i % len(frames)])
        model.backend.classify(window)
    return count


def together(models: Sequence[LoadedModel], frames: list[Pixels], count: int) -> int:
    """Run both signatures `count` times in all, each model on a thread of its own."""
    each = count // len(models)
    with ThreadPoolExecutor(len(models)) as pool:
        return sum(pool.map(lambda model: bare(model, frames, each), models))


def decode(video: Path, clip: ClipSpec) -> int:
    """Read, sample and resize all frames of the video."""
    sampler = FrameSampler(clip.frame_rate_hz)
    count = 0
    for frame in VideoSource(video).frames(sampler):
        resize_ahead(frame, clip)
        count += 1
    return count


def run(model: LoadedModel, num_threads: int, video: Path) -> int:
    """Run over the video as the command does, with JSON lines to nowhere.

    Args:
        model: Loaded, with one thread.
        num_threads: Workers.
        video: What is read.
    """
    config = SinkConfig(output=os.devnull, output_format="jsonl", emit="all")
    sinks = open_sinks(config, RunFacts(model.spec.clip.frame_rate_hz), note)
    result = Run(
        model=model,
        sinks=sinks,
        note=note,
        new_decider=partial(Decider.for_spec, model.spec),
        num_workers=num_threads,
    )([SourceOpener(str(video), lambda notify: VideoSource(video))])
    sinks.close()
    return result.summary.frames


def measure(name: str, num_threads: int, count: int, rounds: int) -> Row:
    """Measure all in turns; the first round warms up and does not count."""
    model = load_model(name, num_threads=num_threads)
    alone = [load_model(name, num_threads=1) for _ in range(num_threads)]
    with tempfile.TemporaryDirectory() as folder:
        video = make_video(Path(folder) / "video.mp4", model.spec.clip.frame_rate_hz, count)
        sampled = VideoSource(video).frames(FrameSampler(1000.0))
        frames = [
            resize_frame(frame.pixels, model.spec.clip)[np.newaxis]
            for frame, _ in zip(sampled, range(50), strict=False)
        ]
        works: dict[str, Callable[[], int]] = {
            "bare": partial(bare, model, frames, count),
            "run": partial(run, alone[0], num_threads, video),
            "decode": partial(decode, video, model.spec.clip),
            "model_alone": partial(bare, alone[0], frames, count),
            "together": partial(together, alone, frames, count),
        }
        found = in_turns({key: partial(timed, work) for key, work in works.items()}, rounds)
    return Row(name, num_threads, **found)


@click.command()
@click.option("--model", "models", multiple=True, default=("har15", "clips"), show_default=True)
@click.option("--threads", default="1,2", show_default=True, help="Numbers of threads.")
@click.option("--frames", type=click.IntRange(min=100), default=1500, show_default=True)
@click.option("--rounds", type=click.IntRange(min=1), default=5, show_default=True)
@click.option("-o", "--out", metavar="FILE", help="Write the result to this file, as JSON.")
def command(
    models: tuple[str, ...], threads: str, frames: int, rounds: int, out: str | None
) -> None:
    """Compare `har-edge run` with the bare interpreter, in frames per second.

    \b
    Example:
      har-bench experiment end-to-end --model har15 --threads 1,2 --frames 800 --out end-to-end.json
    """
    import_cv2().setNumThreads(1)  # as the command does
    rows = []
    for name in models:
        for num_threads in map(int, threads.split(",")):
            facts = measure(name, num_threads, frames, rounds).facts()
            rows.append(facts)
            note(
                f"{name}, {num_threads} threads: bare {facts['bare_frames_per_s']} frames/s, "
                f"run {facts['run_frames_per_s']} (ratio {facts['ratio']}), at most "
                f"{facts['floor_frames_per_s']} (share {facts['share_of_floor']}, of what "
                f"{num_threads} at once allow {facts['share_of_shared_floor']}); CPU a frame "
                f"{facts['bare_cpu_ms']} and {facts['run_cpu_ms']} ms"
            )
    result = {
        "what": "har-edge run next to the bare interpreter, 640 x 480 MPEG-4, every frame used",
        "machine": machine_facts(),
        "video": {**file_facts(SAMPLE), "size": SIZE, "frames": frames},
        "rows": rows,
    }
    write_result(result, out)
