"""What a frame costs besides the network: a run in float32 and the bare interpreter.

    har-bench experiment float-path VIDEO [--model FILE] [--rounds N] [--out JSON]

Both are timed in one process with one runtime thread, in rounds that take turns:

- bare: the signatures `encode` and `classify`, on tensors that lie ready;
- path: all that the runner does for a frame: read it from the video, resize, encode, classify.

A clip model samples fewer frames than a video holds, and the ones between are decoded too.
So there are two rows: frames as the model samples them, and every frame.

The runner decodes and resizes ahead on another thread, and so does this script: what the path
adds is what that does not hide. To hold everything to one core, put `taskset -c 0` in front.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from statistics import median

import click
import numpy as np

from har_benchmarks.experiments.result import write_result
from har_benchmarks.experiments.turns import rotated
from har_benchmarks.results.document import file_facts
from har_benchmarks.tasks.timing import frames_ahead
from har_edge.arrays import FloatArray, Pixels
from har_edge.commands.harness import note
from har_edge.errors import ModelFileError, SourceError
from har_edge.frames.opencv import import_cv2
from har_edge.frames.preprocess import resize_frame
from har_edge.frames.sampling import FrameSampler
from har_edge.machine.facts import machine_facts
from har_edge.model.loaded import LoadedModel, load_model
from har_edge.model.spec import MAX_FRAME_RATE_HZ
from har_edge.recognition.recognizer import Recognizer
from har_edge.sources.files import VideoSource

WARMUP_ROUNDS = 2
BARE = ("encode_ms", "classify_ms", "whole_ms")
PATH = ("decode_ms", "preprocess_ms", "encode_ms", "classify_ms", "whole_ms")

Samples = dict[str, list[float]]


@dataclass
class Row:
    """One way of sampling the video, and what was measured with it.

    Attributes:
        name: Printable name.
        frame_rate_hz: Rate of the sampler.
        frames: The sampled frames at the model's size, (H, W, 3) each.
        features: Their feature vectors, (D,) each.
        bare: Samples of each round of the bare interpreter.
        path: Samples of each round of the whole path.
    """

    name: str
    frame_rate_hz: float
    frames: list[Pixels]
    features: list[FloatArray]
    bare: list[Samples] = field(default_factory=list)
    path: list[Samples] = field(default_factory=list)

    def ratios(self) -> list[float]:
        """Path over bare, median frame by median frame, of each round."""
        pairs = zip(self.bare, self.path, strict=True)
        return [median(path["whole_ms"]) / median(bare["whole_ms"]) for bare, path in pairs]


def prepare(video: Path, model: LoadedModel, name: str, rate_hz: float, max_frames: int) -> Row:
    """Sample the video once and keep tensors of at most `max_frames` frames that count."""
    first = first_counted(model)
    row = Row(name, rate_hz, [], [])
    with contextlib.closing(VideoSource(video).frames(FrameSampler(rate_hz))) as source:
        for frame in source:
            row.frames.append(resize_frame(frame.pixels, model.spec.clip))
            row.features.append(model.encode(row.frames[-1]))
            if len(row.frames) == first + max_frames:
                break
    if len(row.frames) <= first:
        raise SourceError(
            f"{video.name} should have more than {first} frames sampled at {rate_hz:g} Hz for "
            f"this model. Received {len(row.frames)}. Use a longer video."
        )
    return row


def first_counted(model: LoadedModel) -> int:
    """Number of the first frame that counts: the window is full and the file long open."""
    return max(1, model.spec.clip.num_frames - 1)


def measure_bare(model: LoadedModel, row: Row) -> Samples:
    """Time the two signatures on the row's tensors, made ready before the clock starts."""
    num_frames = model.spec.clip.num_frames
    samples: Samples = {name: [] for name in BARE}
    for last in range(first_counted(model), len(row.frames)):
        frame = row.frames[last][np.newaxis].astype(np.float32)
        window = np.stack(row.features[last - num_frames + 1 : last + 1])[np.newaxis]
        started = time.perf_counter()
        model.backend.encode(frame)
        encoded = time.perf_counter()
        model.backend.classify(window)
        ended = time.perf_counter()
        add(samples, BARE, [encoded - started, ended - encoded, ended - started])
    return samples


def measure_path(model: LoadedModel, video: Path, row: Row) -> Samples:
    """Time the same frames as the runner takes them, from the file to the prediction."""
    recognizer = Recognizer(model)
    samples: Samples = {name: [] for name in PATH}
    with frames_ahead(video, row.frame_rate_hz, model.spec.clip) as frames:
        for number in range(len(row.frames)):
            started = time.perf_counter()
            prediction = recognizer.push(next(frames))
            whole_s = time.perf_counter() - started
            if prediction is not None and number >= first_counted(model):
                stages_ms = [float(getattr(prediction, name)) for name in PATH[:-1]]
                add(samples, PATH, [*(value / 1e3 for value in stages_ms), whole_s])
    return samples


def add(samples: Samples, names: Sequence[str], values_s: Sequence[float]) -> None:
    """Append one frame's times, in seconds, to its lists in milliseconds."""
    for name, value_s in zip(names, values_s, strict=True):
        samples[name].append(round(value_s * 1e3, 4))


def measure(model: LoadedModel, video: Path, rows: Sequence[Row], rounds: int) -> None:
    """Run the rounds, bare and path in turn, the order swapped each time."""
    for number, order in enumerate(rotated(("bare", "path"), WARMUP_ROUNDS + rounds)):
        for row in rows:
            ways = {
                "bare": partial(measure_bare, model, row),
                "path": partial(measure_path, model, video, row),
            }
            found = {name: ways[name]() for name in order}
            if number >= WARMUP_ROUNDS:
                row.bare.append(found["bare"])
                row.path.append(found["path"])


def pooled(rounds: Sequence[Samples], name: str) -> float:
    """Median over all frames of all rounds."""
    return median(value for samples in rounds for value in samples[name])


def summarise(row: Row) -> dict[str, object]:
    """Turn a row's samples into medians and ratios, and keep the samples."""
    ratios = row.ratios()
    return {
        "name": row.name,
        "frame_rate_hz": row.frame_rate_hz,
        "frames_per_round": len(row.path[0]["whole_ms"]),
        "bare_median": {name: round(pooled(row.bare, name), 4) for name in BARE},
        "path_median": {name: round(pooled(row.path, name), 4) for name in PATH},
        "ratio": {
            "median": round(median(ratios), 4),
            "min": round(min(ratios), 4),
            "max": round(max(ratios), 4),
            "rounds": [round(ratio, 4) for ratio in ratios],
        },
        "bare_rounds": row.bare,
        "path_rounds": row.path,
    }


def format_table(rows: Sequence[Row]) -> str:
    """Lay out the medians, in milliseconds, and the ratio."""
    head = ("bare", "path", "ratio", "(min - max)", "decode", "preprocess", "encode", "classify")
    lines = [f"{'ms a frame':<18} {'frames':>6}" + "".join(f" {name:>13}" for name in head)]
    for row in rows:
        ratios = row.ratios()
        cells = [
            f"{pooled(row.bare, 'whole_ms'):.2f}",
            f"{pooled(row.path, 'whole_ms'):.2f}",
            f"{median(ratios):.3f}",
            f"{min(ratios):.3f} - {max(ratios):.3f}",
            *(f"{pooled(row.path, name):.2f}" for name in PATH[:-1]),
        ]
        count = len(row.path[0]["whole_ms"])
        lines.append(f"{row.name:<18} {count:>6}" + "".join(f" {cell:>13}" for cell in cells))
    return "\n".join(lines)


def find_model(model: str | None) -> Path:
    """Take the given model, or else the newest float32 file below models/.

    Raises:
        ModelFileError: if there is none.
    """
    if model is not None:
        return Path(model)
    found = sorted(Path("models").glob("*/*-float32.tflite"), key=lambda p: p.stat().st_mtime)
    if not found:
        raise ModelFileError(
            "Expected a float32 model file at models/*/*-float32.tflite. Received none. Make "
            "one with: har-convert RUN --float32. Or give one with --model."
        )
    return found[-1]


def load_float_model(path: Path) -> LoadedModel:
    """Load a model in one thread and make sure that it is a float one.

    Raises:
        ModelFileError: if it is of another variant.
    """
    model = load_model(path, num_threads=1)
    if model.spec.variant != "float32":
        raise ModelFileError(
            f"{path.name} should be a float32 model. Received {model.spec.variant}. "
            "Make one with: har-convert RUN --float32."
        )
    return model


@click.command()
@click.argument("video", type=click.Path(path_type=Path))
@click.option("--model", metavar="FILE", help="[default: newest models/*/*-float32.tflite]")
@click.option("--rounds", type=click.IntRange(min=1), default=7, show_default=True)
@click.option(
    "--max-frames",
    type=click.IntRange(min=1),
    default=40,
    show_default=True,
    help="Most frames to count in a round.",
)
@click.option("--out", metavar="JSON", help="Write everything to this file, raw samples included.")
def command(video: Path, model: str | None, rounds: int, max_frames: int, out: str | None) -> None:
    """Measure what a frame of VIDEO costs besides the network.

    \b
    Example:
      har-bench experiment float-path video.mp4 --model mine-float32.tflite --out float-path.json
    """
    loaded = load_float_model(find_model(model))
    rate_hz = loaded.spec.clip.frame_rate_hz
    rows = [
        prepare(video, loaded, f"sampled at {rate_hz:g} Hz", rate_hz, max_frames),
        prepare(video, loaded, "every frame", MAX_FRAME_RATE_HZ, max_frames),
    ]
    report = {
        "benchmark": "float_path",
        "machine": machine_facts(),
        "model": file_facts(loaded.path),
        "runtime": f"{loaded.backend.name} {loaded.backend.version}",
        "threads": {"runtime": 1, "opencv": import_cv2().getNumThreads(), "ffmpeg": "its choice"},
        "video": {**file_facts(video), "frame_rate_hz": VideoSource(video).frame_rate_hz},
        "rounds": rounds,
        "warmup_rounds": WARMUP_ROUNDS,
    }
    measure(loaded, video, rows, rounds)
    click.echo(
        f"{loaded.path.name}, {report['runtime']}, 1 thread, {video.name}, {rounds} rounds\n"
    )
    click.echo(format_table(rows))
    if out is not None:
        write_result({**report, "rows": [summarise(row) for row in rows]}, out)
        note(f"Wrote {out}")
