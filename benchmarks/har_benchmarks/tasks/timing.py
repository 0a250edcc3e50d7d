"""The clock: what a worker measures of one loaded model."""

from __future__ import annotations

import contextlib
import itertools
import os
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from har_benchmarks.execute.worker import LoadModel, Say
from har_edge.arrays import FloatArray
from har_edge.frames.frame import Frame
from har_edge.model.loaded import LoadedModel
from har_edge.model.runtimes import import_runtime
from har_edge.model.spec import ClipSpec
from har_edge.recognition.ahead import resize_ahead
from har_edge.recognition.recognizer import Recognizer
from har_edge.run.lanes import Closed, Lanes, SourceOpener
from har_edge.sources.base import FrameSource
from har_edge.sources.open import open_source

# A whole clip costs T frames; a tenth of the runs is enough for its median.
CLIP_SHARE = 10
SUSTAINED_BUCKET_S = 2.0
NEVER_S = float("inf")


def timing(job: Mapping[str, Any], say: Say, load: LoadModel) -> dict[str, Any]:
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
        one answer out as in streaming, and `clip_ms`, the whole window anew (T > 1 only).
        `peak_memory_bytes` of the process and `memory_before_bytes`, that before loading.
    """
    say("stage", name="importing the runtime")
    started = time.perf_counter()
    import_runtime(job["backend"])
    import_ms = 1e3 * (time.perf_counter() - started)
    memory_before = peak_memory_bytes()
    say("stage", name="loading the model")
    started = time.perf_counter()
    model = load(job["model"], backend=job["backend"], num_threads=job["num_threads"])
    load_ms = 1e3 * (time.perf_counter() - started)
    found = _bare_inference(model, job, say)
    return {
        "backend_version": model.backend.version,
        "import_ms": _short(import_ms),
        "load_ms": _short(load_ms),
        **found,
        "memory_before_bytes": memory_before,
        "peak_memory_bytes": peak_memory_bytes(),
    }


def _bare_inference(model: LoadedModel, job: Mapping[str, Any], say: Say) -> dict[str, Any]:
    """The times of a loaded model; see `timing`."""
    frames, window = _inputs(model)

    def encode() -> None:
        model.encode(next(frames))

    def classify() -> None:
        model.classify(window)

    def step() -> None:
        encode()
        classify()

    say("stage", name="first inference")
    found: dict[str, Any] = {
        "first_encode_ms": _timed(encode),
        "first_classify_ms": _timed(classify),
    }
    say("stage", name="warming up")
    part_s = job["max_secs"] / 4
    found["warmup_ms"] = repeat(step, job["warmup_runs"], part_s)
    say("stage", name="measuring")
    for name, call in (("encode_ms", encode), ("classify_ms", classify), ("step_ms", step)):
        found[name] = repeat(call, job["num_runs"], part_s)
    if model.spec.clip.num_frames > 1:
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


def _inputs(model: LoadedModel) -> tuple[itertools.cycle[Any], FloatArray]:
    """Frames of noise that take turns, and a window of features."""
    generator = np.random.default_rng(0)
    clip = model.spec.clip
    frames = generator.integers(0, 256, (4, *clip.frame_shape), np.uint8)
    window = generator.random((clip.num_frames, model.spec.feature_size), np.float32)
    return itertools.cycle(frames), window


def end_to_end(job: Mapping[str, Any], say: Say, load: LoadModel) -> dict[str, Any]:
    """Measure a video from file to action, as `har-edge run` runs it.

    Args:
        job: As for `timing`, `video` beside it.
        say: Takes events.
        load: Loads the model.

    Returns:
        Times of each frame in ms by part, their sum as `latency_ms`; `wall_s` and `frames` over
        all of it, in which decoding and resizing the next frame hide behind the model.
    """
    say("stage", name="loading the model")
    model = load(job["model"], backend=job["backend"], num_threads=job["num_threads"])
    recognizer = Recognizer(model)
    parts = ("decode_ms", "preprocess_ms", "encode_ms", "classify_ms", "latency_ms")
    found: dict[str, Any] = {name: [] for name in parts}
    rate_hz = model.spec.clip.frame_rate_hz
    say("stage", name="running the video")
    started = time.perf_counter()
    count = 0
    with frames_ahead(job["video"], rate_hz, model.spec.clip) as video_frames:
        for frame in video_frames:
            prediction = recognizer.push(frame)
            count += 1
            for name in parts if prediction else ():
                found[name].append(_short(getattr(prediction, name)))
            if time.perf_counter() - started > job["max_secs"]:
                break
    wall_s = time.perf_counter() - started
    return {**found, "frames": count, "wall_s": round(wall_s, 4)}


@contextlib.contextmanager
def frames_ahead(
    video: str | os.PathLike[str], rate_hz: float, clip: ClipSpec
) -> Iterator[Iterator[Frame]]:
    """Read and resize a video as the runner does: on another thread, a few frames ahead.

    Args:
        video: The file.
        rate_hz: Rate at which frames are sampled.
        clip: The model's size.

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
        return resize_ahead(frame, clip)

    opener = SourceOpener(str(video), lambda _: open_source(video))
    with Lanes([opener], rate_hz, work=resize) as lanes:
        yield take(lanes)


def sustained(job: Mapping[str, Any], say: Say, load: LoadModel) -> dict[str, Any]:
    """Run without a pause and say every few seconds how fast: heat slows machines down.

    Args:
        job: As for `timing`, `minutes` beside it.
        say: Takes events: `sample` with `at_s`, seconds since the start, and `p50_ms`.
        load: Loads the model.
    """
    say("stage", name="loading the model")
    model = load(job["model"], backend=job["backend"], num_threads=job["num_threads"])
    frames, window = _inputs(model)

    def step() -> None:
        model.encode(next(frames))
        model.classify(window)

    repeat(step, job["warmup_runs"])
    say("stage", name="running without a pause")
    started = time.perf_counter()
    runs = 0
    while (at_s := time.perf_counter() - started) < 60 * job["minutes"]:
        times = repeat(step, 10**9, SUSTAINED_BUCKET_S)
        runs += len(times)
        say("sample", at_s=round(at_s, 2), p50_ms=_short(float(np.median(times))), runs=len(times))
    return {"runs": runs}


def peak_memory_bytes() -> int | None:
    """Most memory that this process held at once, resident; None where the kernel does not tell.

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
