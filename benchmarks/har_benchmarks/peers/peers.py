"""What else could be run instead: other runtimes and tools on the same frames, in the same run."""

from __future__ import annotations

import contextlib
import random
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import numpy as np

from har_benchmarks.execute.jobs import JobError, run_job
from har_benchmarks.plan.cases import find_models
from har_benchmarks.results.document import (
    SCHEMA_VERSION,
    MachineRecord,
    PeerRecord,
    PeerResult,
    PeersRecord,
    PeerSummary,
    Report,
)
from har_benchmarks.stats import summarise
from har_benchmarks.tasks.protocol import State
from har_edge import __version__
from har_edge.arrays import Pixels
from har_edge.errors import DataError, SourceError
from har_edge.frames.sampling import FrameSampler
from har_edge.machine.facts import machine_facts
from har_edge.paths import display_path
from har_edge.say import Say
from har_edge.sources.open import open_source

WORKER = Path(__file__).with_name("worker.py")
# Name in the table, and what it does with a frame.
PEERS = {
    "har-edge": ("har-edge", "each frame encoded once, window classified"),
    "har-edge-clip": ("har-edge, no streaming", "same file, whole window anew"),
    "litert": ("plain LiteRT loop", "same file and calls, by hand"),
    "onnxruntime": ("plain onnxruntime loop", "the ONNX pair, by hand"),
    "keras": ("Keras predict", "the Keras model, whole window anew"),
    "mediapipe-classifier": ("MediaPipe ImageClassifier", "its graph, each frame alone"),
    "mediapipe": ("MediaPipe Pose", "33 landmarks, no action"),
    "ultralytics": ("Ultralytics classify", "its own model, each frame alone"),
}
# Peers that need a file of the user's.
NEEDED_FILE = {
    "onnxruntime": "--onnx FILE.encode.onnx",
    "keras": "--keras MODEL.keras",
    "mediapipe-classifier": "--mediapipe MODEL.tflite",
    "ultralytics": "--ultralytics WEIGHTS",
}
# Peers that live in the same Python as another one.
SAME_PYTHON = {"mediapipe-classifier": "mediapipe"}


@dataclass(frozen=True)
class PeerSettings:
    """How the peers are run.

    Attributes:
        model: Our model: a bundled name or a file.
        files: Peer to the files that it is to run, one after the other; those that need one and
            have none are left out with that reason.
        pythons: Peer to the Python that has it, where it is not this one.
        num_threads: Threads and cores that each gets.
        rounds: Times that each is run, in turns.
        max_frames: Frames to take of the video.
        timeout_s: Seconds without a sign after which a peer is given up.
    """

    model: str = "clips"
    files: Mapping[str, Sequence[str]] = field(default_factory=dict)
    pythons: Mapping[str, str] = field(default_factory=dict)
    num_threads: int = 1
    rounds: int = 3
    max_frames: int = 48
    timeout_s: float = 120.0


def run_peers(video: str, settings: PeerSettings, *, note: Say) -> PeersRecord:
    """Run every peer that is there on the frames of a video.

    Args:
        video: The file; its frames are sampled at our model's rate, once for all.
        settings: See `PeerSettings`.
        note: Takes lines for the user.

    Returns:
        `video`, `frames`, and under `peers` a row each, for each of its files: `name`, `does`,
        `file`, `status` (ok or skipped), `reason`, `version`, `summary`, and the raw `rounds`.

    Raises:
        SourceError: if the video cannot be read.
        DataError: if it is shorter than two windows.
    """
    (model,) = find_models([settings.model])
    frames = read_frames(video, model.frame_rate_hz, settings.max_frames)
    if len(frames) <= model.num_frames:
        raise DataError(
            f"{display_path(video)} should have more than {model.num_frames} frames at "
            f"{model.frame_rate_hz:g} Hz, one window. Received {len(frames)}. Take a longer video."
        )
    runs = [(name, file) for name in PEERS for file in settings.files.get(name, ("",))]
    rows = {(name, file): _row(name, file) for name, file in runs}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "frames.npy"
        np.save(path, frames)
        job = {
            "model": model.path,
            "labels": model.labels,
            "frames": str(path),
            "skip": model.num_frames,
            "num_threads": settings.num_threads,
        }
        for number in range(settings.rounds):
            order = [run for run, row in rows.items() if row["status"] == "ok"]
            random.Random(number).shuffle(order)
            note(f"round {number + 1}: {', '.join(name for name, _ in order)}")
            for name, file in order:
                path_of = {"file": str(Path(file).absolute())} if file else {}
                _run(name, rows[name, file], {**job, **path_of}, settings)
    _summarise(list(rows.values()), rows["har-edge", ""], model.labels)
    return {
        "video": Path(video).name,
        "frames": len(frames),
        "height": frames.shape[1],
        "width": frames.shape[2],
        "num_threads": settings.num_threads,
        "model": model.file,
        "sha256": model.sha256,
        "machine": cast("MachineRecord", machine_facts()),
        "peers": list(rows.values()),
    }


def read_frames(video: str, frame_rate_hz: float, most: int) -> Pixels:
    """Decode and sample the start of a video, (N, h, w, 3), uint8.

    Raises:
        SourceError: if it cannot be read.
    """
    found: list[Pixels] = []
    sampler = FrameSampler(frame_rate_hz)
    with contextlib.closing(open_source(video).frames(sampler)) as frames:
        for frame in frames:
            found.append(frame.pixels)
            if len(found) == most:
                break
    if len({pixels.shape for pixels in found}) != 1:
        raise SourceError(f"{display_path(video)} should have frames of one size. Received others.")
    return np.stack(found)


def _row(name: str, file: str) -> PeerRecord:
    title, does = PEERS[name]
    missing = name in NEEDED_FILE and not file
    return {
        "peer": name,
        "name": title,
        "does": f"{does}: {Path(file).name}" if file else does,
        "file": Path(file).name,
        "status": "skipped" if missing else "ok",
        "reason": f"Give {NEEDED_FILE[name]}." if missing else "",
        "version": "",
        "summary": cast("PeerSummary", {}),
        "rounds": [],
    }


def _run(name: str, row: PeerRecord, job: Mapping[str, object], settings: PeerSettings) -> None:
    """Run a peer once; one that fails stays out of the rounds to come."""
    shared = settings.pythons.get(SAME_PYTHON.get(name, name), sys.executable)
    command = [settings.pythons.get(name, shared), str(WORKER)]
    try:
        result, environment = run_job(
            {**job, "peer": name}, command=command, timeout_s=settings.timeout_s
        )
    except (JobError, OSError) as error:
        row["status"], row["reason"] = "skipped", str(error)
        return
    found = cast("PeerResult", result)
    row["version"] = found["version"]
    row["rounds"].append({**found, "machine": cast("State", environment.to_record())})


def _summarise(rows: Sequence[PeerRecord], ours: PeerRecord, labels: Sequence[str]) -> None:
    reference = ours["rounds"][0]["answers"] if ours["rounds"] else []
    for row in rows:
        if row["status"] != "ok":
            continue
        steps = summarise([ms for r in row["rounds"] for ms in r["step_ms"]])
        answers = row["rounds"][0]["answers"]
        # Another model's answers cannot be compared.
        labelled = any(answer in labels for answer in answers)
        same = [a == b for a, b in zip(answers, reference, strict=False)]
        row["summary"] = {
            "p50_ms": round(steps["p50"], 4),
            "p95_ms": round(steps["p95"], 4),
            "frames_per_second": round(1e3 / steps["mean"], 4),
            "start_ms": round(summarise([r["start_ms"] for r in row["rounds"]])["p50"], 4),
            "load_ms": round(summarise([r["load_ms"] for r in row["rounds"]])["p50"], 4),
            "peak_memory_bytes": max(r["peak_memory_bytes"] or 0 for r in row["rounds"]) or None,
            "same_answers": sum(same) / len(same) if labelled and same else None,
        }


def empty_report(peers: PeersRecord) -> Report:
    """A report of peers alone."""
    return {
        "schema_version": SCHEMA_VERSION,
        "har_edge": __version__,
        "machine": peers["machine"],
        "settings": {},
        "data": None,
        "cases": [],
        "sustained": None,
    }
