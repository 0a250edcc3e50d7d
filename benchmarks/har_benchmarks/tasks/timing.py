"""The clock: what a worker measures of one loaded model."""

from __future__ import annotations

import contextlib
import itertools
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from har_benchmarks.tasks.protocol import EndToEnd, Inference, Job, LoadModel, Tell, Timing
from har_edge.arrays import FloatArray, Pixels
from har_edge.frames.frame import Frame
from har_edge.model.loaded import LoadedModel
from har_edge.model.runtimes import import_runtime
from har_edge.model.spec import ClipSpec
from har_edge.recognition.finding import find_own_people
from har_edge.recognition.people import new_looker
from har_edge.recognition.recognizer import resize_ahead
from har_edge.run.lanes import Closed, Lanes, SourceOpener
from har_edge.sources.base import FrameSource
from har_edge.sources.open import open_source

# A whole clip costs T frames; a tenth of the runs is enough for its median.
CLIP_SHARE = 10
SUSTAINED_BUCKET_S = 2.0
NEVER_S = float("inf")


def timing(job: Job, tell: Tell, load: LoadModel) -> Timing:
    """Measure one round of bare inference.

    Args:
        job: `model`, `backend`, `num_threads`; `warmup_runs` and `num_runs`, calls of each kind;
            `max_secs`, where to stop earlier, of all calls together.
        say: Takes events.
        load: Loads the model.

    Returns:
        Times in ms. `load_ms`, with `import_ms` for the runtime's package before it; the first
        call of each signature; `warmup_ms`, the steps that follow; then `encode_ms` and
        `classify_ms`, each repeated on its own as benchmark tools do, `step_ms`, one frame in and
        one answer out as in streaming, and `clip_ms`, the whole window anew (T > 1 only). A model
        without `encode` spends no time on it, and has no `clip_ms`.
        `peak_memory_bytes` of the process and `memory_before_bytes`, that before loading.
    """
    tell("stage", name="importing the runtime")
    started = time.perf_counter()
    import_runtime(job["backend"])
    import_ms = 1e3 * (time.perf_counter() - started)
    memory_before = peak_memory_bytes()
    tell("stage", name="loading the model")
    started = time.perf_counter()
    model = load(job["model"], backend=job["backend"], num_threads=job["num_threads"])
    load_ms = 1e3 * (time.perf_counter() - started)
    found = _bare_inference(model, job, tell)
    return {
        "backend_version": model.backend.version,
        "import_ms": _short(import_ms),
        "load_ms": _short(load_ms),
        **found,
        "memory_before_bytes": memory_before,
        "peak_memory_bytes": peak_memory_bytes(),
    }


def _bare_inference(model: LoadedModel, job: Job, tell: Tell) -> Inference:
    """The times of a loaded model; see `timing`."""
    frames, window = _inputs(model)
    encodes = model.spec.encodes

    def encode() -> None:
        model.encode(next(frames))

    def classify() -> None:
        model.classify(window)

    def step() -> None:
        if encodes:
            encode()
        classify()

    tell("stage", name="first inference")
    first_encode_ms, first_classify_ms = _timed(encode) if encodes else 0.0, _timed(classify)
    tell("stage", name="warming up")
    part_s = job["max_secs"] / 4
    warmup_ms = repeat(step, job["warmup_runs"], part_s)
    tell("stage", name="measuring")
    found: Inference = {
        "first_encode_ms": first_encode_ms,
        "first_classify_ms": first_classify_ms,
        "warmup_ms": warmup_ms,
        "encode_ms": repeat(encode, job["num_runs"], part_s) if encodes else [0.0],
        "classify_ms": repeat(classify, job["num_runs"], part_s),
        "step_ms": repeat(step, job["num_runs"], part_s),
    }
    if model.spec.clip.windowed and not model.spec.needs_people:
        clip = np.stack([next(frames) for _ in range(model.spec.clip.num_frames)])
        runs = max(2, job["num_runs"] // CLIP_SHARE)
        found["clip_ms"] = repeat(lambda: model.classify_clip(clip), runs, part_s)
    return found


def repeat(call: Callable[[], object], runs: int, max_s: float = NEVER_S) -> list[float]:
    """Time calls, one by one.

    Args:
        call: What to time.
        runs: Number of calls.
        max_s: After so many seconds no further one is started.

    Returns:
        Times in ms, at least one if `runs` is.
    """
    ends = time.perf_counter() + max_s
    times: list[float] = []
    while len(times) < runs and (not times or time.perf_counter() < ends):
        times.append(_timed(call))
    return times


def _timed(call: Callable[[], object]) -> float:
    started = time.perf_counter()
    call()
    return _short(1e3 * (time.perf_counter() - started))


def _short(milliseconds: float) -> float:
    return round(milliseconds, 4)


def _inputs(model: LoadedModel) -> tuple[itertools.cycle[Pixels], FloatArray]:
    """Frames of noise that take turns, and a window of features."""
    generator = np.random.default_rng(0)
    clip = model.spec.clip
    frames = generator.integers(0, 256, (4, *clip.frame_shape), np.uint8)
    window = generator.random((clip.num_frames, model.spec.row_size), np.float32)
    return itertools.cycle(frames), window


def end_to_end(job: Job, tell: Tell, load: LoadModel) -> EndToEnd:
    """Measure a video from file to action, as `har-edge run` runs it.

    Where the model needs people, they are found by its own network or the bundled one, and each
    answer for a person counts.

    Args:
        job: As for `timing`, `video` beside it.
        say: Takes events.
        load: Loads the model.

    Returns:
        Times of each frame in ms by part, their sum as `latency_ms`; `wall_s` and `frames` over
        all of it, in which decoding and resizing the next frame hide behind the model.
    """
    tell("stage", name="loading the model")
    model = load(job["model"], backend=job["backend"], num_threads=job["num_threads"])
    spec, people = model.spec, find_own_people(model)
    looker = new_looker(model, people)
    found: EndToEnd = {
        "decode_ms": [], "preprocess_ms": [], "encode_ms": [], "classify_ms": [],
        "latency_ms": [], "frames": 0, "wall_s": 0.0,
    }  # fmt: skip
    tell("stage", name="running the video")
    started = time.perf_counter()
    size = spec.clip if people is None else None
    with frames_ahead(job["video"], spec.clip.frame_rate_hz, size) as video_frames:
        for frame in video_frames:
            seen = looker.look(frame)
            found["frames"] += 1
            for prediction in seen.predictions:
                found["decode_ms"].append(_short(prediction.decode_ms))
                found["preprocess_ms"].append(_short(prediction.preprocess_ms))
                found["encode_ms"].append(_short(prediction.encode_ms))
                found["classify_ms"].append(_short(prediction.classify_ms))
                found["latency_ms"].append(_short(prediction.latency_ms))
            if time.perf_counter() - started > job["max_secs"]:
                break
    found["wall_s"] = round(time.perf_counter() - started, 4)
    return found


@contextlib.contextmanager
def frames_ahead(
    video: str | os.PathLike[str], rate_hz: float, clip: ClipSpec | None
) -> Iterator[Iterator[Frame]]:
    """Read and resize a video as the runner does: on another thread, a few frames ahead.

    Args:
        video: The file.
        rate_hz: Rate at which frames are sampled.
        clip: The model's size; None where it looks at people and not at whole pictures.

    Yields:
        The frames; taking them raises SourceError where the file is damaged.
    """

    def take(lanes: Lanes) -> Iterator[Frame]:
        for _, item in lanes:
            if isinstance(item, Frame):
                yield item
            elif isinstance(item, Closed) and item.error is not None:
                raise item.error

    def resize(frame: Frame, source: FrameSource) -> Frame:
        return frame if clip is None else resize_ahead(frame, clip)

    opener = SourceOpener(str(video), lambda _: open_source(video))
    with Lanes([opener], rate_hz, work=resize) as lanes:
        yield take(lanes)


def sustained(job: Job, tell: Tell, load: LoadModel) -> dict[str, int]:
    """Run without a pause and say every few seconds how fast: heat slows machines down.

    Args:
        job: As for `timing`, `minutes` beside it.
        say: Takes events: `sample` with `at_s`, seconds since the start, and `p50_ms`.
        load: Loads the model.
    """
    tell("stage", name="loading the model")
    model = load(job["model"], backend=job["backend"], num_threads=job["num_threads"])
    frames, window = _inputs(model)

    def step() -> None:
        if model.spec.encodes:
            model.encode(next(frames))
        model.classify(window)

    repeat(step, job["warmup_runs"])
    tell("stage", name="running without a pause")
    started = time.perf_counter()
    runs = 0
    while (at_s := time.perf_counter() - started) < 60 * job["minutes"]:
        times = repeat(step, 10**9, SUSTAINED_BUCKET_S)
        runs += len(times)
        tell("sample", at_s=round(at_s, 2), p50_ms=_short(float(np.median(times))), runs=len(times))
    return {"runs": runs}


def peak_memory_bytes() -> int | None:
    """Peak resident memory of this process; None if the kernel does not report it.

    Not `ru_maxrss`: it starts from the size of the process that started this one.
    """
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
    except OSError:
        return None
    for line in status.splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return None
