"""What each operator costs, if the runtime reports it: onnxruntime does, LiteRT's does not."""

from __future__ import annotations

import json
import tempfile
from collections import defaultdict
from pathlib import Path
from typing import TypedDict

import numpy as np

from har_benchmarks.tasks.protocol import Job, LoadModel, Op, Tell
from har_edge.errors import BackendError
from har_edge.model.file import read_model_file
from har_edge.model.runtimes import ONNX_RUNTIME, SIGNATURES, import_runtime

NO_PROFILE = (
    "{} has no per-operator profile in its Python package. Profile the ONNX pair, or use the "
    "runtime's own benchmark program."
)


class ProfileEvent(TypedDict, total=False):
    """What is read of an event of onnxruntime's profile; `dur` is in microseconds."""

    cat: str
    name: str
    dur: float
    args: dict[str, object]


def profile(job: Job, tell: Tell, load: LoadModel) -> dict[str, list[Op]]:
    """Profile an ONNX pair.

    Args:
        job: As for `timing.timing`.
        say: Takes events.
        load: Not used: a session must be told to profile when it is made.

    Returns:
        `ops`: rows of signature, op, nodes, and the mean time of all its nodes in one call, in ms.

    Raises:
        BackendError: if the runtime gives no profile.
    """
    del load
    if job["backend"] != ONNX_RUNTIME:
        raise BackendError(NO_PROFILE.format(job["backend"]))
    runtime = import_runtime(ONNX_RUNTIME)
    file = read_model_file(job["model"])
    rows: list[Op] = []
    signatures = tuple(SIGNATURES) if file.spec.encodes else ("classify",)
    for signature, network in zip(signatures, file.networks, strict=True):
        tell("stage", name=f"profiling {signature}")
        with tempfile.TemporaryDirectory() as folder:
            options = runtime.SessionOptions()
            options.intra_op_num_threads, options.inter_op_num_threads = job["num_threads"], 1
            options.log_severity_level = 3
            options.enable_profiling = True
            options.profile_file_prefix = str(Path(folder) / "profile")
            session = runtime.InferenceSession(network, options, ["CPUExecutionProvider"])
            (given,) = session.get_inputs()
            dtype = np.uint8 if given.type == "tensor(uint8)" else np.float32
            frame = np.random.default_rng(0).integers(0, 256, given.shape).astype(dtype)
            calls = job["warmup_runs"] + job["num_runs"]
            for _ in range(calls):
                session.run(None, {given.name: frame})
            events = json.loads(Path(session.end_profiling()).read_text(encoding="utf-8"))
        rows += op_rows(signature, events, calls)
    return {"ops": rows}


def op_rows(signature: str, events: list[ProfileEvent], calls: int) -> list[Op]:
    """Add up a session's profile by kind of operator, the most expensive first."""
    time_ms: dict[str, float] = defaultdict(float)
    nodes: dict[str, set[str]] = defaultdict(set)
    for event in events:
        op = str(event.get("args", {}).get("op_name") or "")
        if event.get("cat") == "Node" and op and event["name"].endswith("_kernel_time"):
            time_ms[op] += event["dur"] / 1e3 / calls
            nodes[op].add(event["name"])
    return [
        {"signature": signature, "op": op, "nodes": len(nodes[op]), "ms": round(time_ms[op], 4)}
        for op in sorted(time_ms, key=lambda op: -time_ms[op])
    ]
