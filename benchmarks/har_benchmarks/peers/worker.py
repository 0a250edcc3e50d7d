"""One peer in one process: what else a user could run on the same frames, timed alike.

Runs by its path under any Python that has the peer and numpy; har-edge itself is imported only by
the peers that are made of it. Speaks the protocol of `har_benchmarks.execute.worker`.
"""

from __future__ import annotations

import sys

# A script's own folder comes first on the path; our modules would hide others' of the same name.
if __name__ == "__main__":
    sys.path.pop(0)

import importlib.metadata
import json
import os
import time
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypedDict

import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]  # (h, w, 3), RGB
# Takes a frame; gives the label that the peer would show, or None for no label (yet).
Step = Callable[[Picture], "str | None"]
CLASSIFY = {"encode": ("frame", "features"), "classify": ("features", "probabilities")}


class Job(TypedDict, total=False):
    """What a peer is told: `frames` is a .npy file, of whose frames the first `skip` do not count.

    `file` is the peer's own file, if it needs one.
    """

    peer: str
    frames: str
    skip: int
    model: str
    labels: list[str]
    num_threads: int
    file: str


def har_edge_stream(job: Job) -> tuple[str, Step]:
    """har-edge as `har-edge run` runs it: each frame encoded once."""
    from har_edge.frames.frame import Frame
    from har_edge.model.loaded import load_model
    from har_edge.recognition.recognizer import Recognizer

    model = load_model(job["model"], num_threads=job["num_threads"])
    recognizer = Recognizer(model)

    def step(frame: Picture) -> str | None:
        prediction = recognizer.push(Frame(frame, 0.0, 0, "peer", 0.0))
        return prediction.action if prediction else None

    return f"{model.backend.name} {model.backend.version}", step


def har_edge_clip(job: Job) -> tuple[str, Step]:
    """The same model and runtime, the whole window anew for every frame."""
    from har_edge.frames.preprocess import resize_frame
    from har_edge.model.loaded import load_model

    model = load_model(job["model"], num_threads=job["num_threads"])
    clip = model.spec.clip
    window: deque[Picture] = deque(maxlen=clip.num_frames)

    def step(frame: Picture) -> str | None:
        window.append(resize_frame(frame, clip))
        if len(window) < clip.num_frames:
            return None
        return model.spec.labels[int(model.classify_clip(np.stack(window)).argmax())]

    return f"{model.backend.name} {model.backend.version}", step


def litert_loop(job: Job) -> tuple[str, Step]:
    """The loop that one writes by hand: OpenCV, the interpreter's signatures, a deque."""
    import cv2
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_path=job["model"], num_threads=job["num_threads"])
    encode, classify = (interpreter.get_signature_runner(name) for name in CLASSIFY)
    size, dtype = _image_size(encode.get_input_details()["frame"])
    num_frames = int(classify.get_input_details()["features"]["shape"][1])
    scale, zero_point = classify.get_input_details()["features"]["quantization"]
    out_scale, out_zero = encode.get_output_details()["features"]["quantization"]
    requantize = scale and (out_scale, out_zero) != (scale, zero_point)
    window: deque[NDArray[np.float32]] = deque(maxlen=num_frames)

    def step(frame: Picture) -> str | None:
        pixels = cv2.resize(frame, size, interpolation=cv2.INTER_LINEAR)[np.newaxis].astype(dtype)
        features = encode(frame=pixels)["features"][0]
        if requantize:
            real = (features.astype(np.float32) - out_zero) * out_scale if out_scale else features
            stored = np.rint(real / scale) + zero_point
            kind = classify.get_input_details()["features"]["dtype"]
            limits = np.iinfo(kind)
            features = np.clip(stored, limits.min, limits.max).astype(kind)
        window.append(features)
        if len(window) < num_frames:
            return None
        answer = classify(features=np.stack(window)[np.newaxis])["probabilities"]
        return str(job["labels"][int(answer[0].argmax())])

    return f"ai-edge-litert {importlib.metadata.version('ai-edge-litert')}", step


class InputDetails(TypedDict):
    """What is read of an interpreter's description of its input."""

    shape: Sequence[int]
    dtype: type[np.generic]


def _image_size(details: InputDetails) -> tuple[tuple[int, int], type[np.generic]]:
    _, height, width, _ = details["shape"]
    return (int(width), int(height)), details["dtype"]


def onnxruntime_loop(job: Job) -> tuple[str, Step]:
    """The same loop in onnxruntime, on the ONNX pair."""
    import cv2

    from har_edge.model.runtimes import ONNX_RUNTIME, import_runtime

    onnxruntime = import_runtime(ONNX_RUNTIME)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = job["num_threads"]
    options.log_severity_level = 3
    files = [job["file"], job["file"].replace(".encode.onnx", ".classify.onnx")]
    encode, classify = (
        onnxruntime.InferenceSession(file, options, ["CPUExecutionProvider"]) for file in files
    )
    _, height, width, _ = encode.get_inputs()[0].shape
    dtype = np.uint8 if encode.get_inputs()[0].type == "tensor(uint8)" else np.float32
    num_frames = classify.get_inputs()[0].shape[1]
    window: deque[NDArray[np.float32]] = deque(maxlen=num_frames)

    def step(frame: Picture) -> str | None:
        pixels = cv2.resize(frame, (width, height))[np.newaxis].astype(dtype)
        window.append(encode.run(None, {"frame": pixels})[0][0])
        if len(window) < num_frames:
            return None
        answer = classify.run(None, {"features": np.stack(window)[np.newaxis]})[0]
        return str(job["labels"][int(answer[0].argmax())])

    return f"onnxruntime {onnxruntime.__version__}", step


def keras_predict(job: Job) -> tuple[str, Step]:
    """`model.predict` on the window, for every frame: what tutorials show."""
    import cv2
    import keras
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(job["num_threads"])
    tf.config.threading.set_inter_op_parallelism_threads(1)
    model = keras.saving.load_model(job["file"], compile=False)
    _, num_frames, height, width, _ = model.input_shape
    window: deque[NDArray[np.float32]] = deque(maxlen=num_frames)

    def step(frame: Picture) -> str | None:
        window.append(cv2.resize(frame, (width, height)).astype(np.float32))
        if len(window) < num_frames:
            return None
        answer = model.predict(np.stack(window)[np.newaxis], verbose=0)
        return str(job["labels"][int(answer[0].argmax())])

    return f"Keras {keras.__version__}, TensorFlow {tf.__version__}", step


def mediapipe_pose(job: Job) -> tuple[str, Step]:
    """MediaPipe Pose (full): 33 landmarks a frame, on which a classifier would still be needed."""
    del job
    import mediapipe

    pose = mediapipe.solutions.pose.Pose(model_complexity=1)

    def step(frame: Picture) -> str | None:
        pose.process(frame)
        return None

    return f"mediapipe {mediapipe.__version__}", step


def mediapipe_classifier(job: Job) -> tuple[str, Step]:
    """MediaPipe's ImageClassifier, which resizes by itself, frame by frame."""
    import mediapipe
    from mediapipe.tasks.python import BaseOptions, vision

    options = vision.ImageClassifierOptions(
        base_options=BaseOptions(model_asset_path=job["file"]),
        running_mode=vision.RunningMode.IMAGE,
        max_results=1,
    )
    classifier = vision.ImageClassifier.create_from_options(options)

    def step(frame: Picture) -> str | None:
        image = mediapipe.Image(image_format=mediapipe.ImageFormat.SRGB, data=frame)
        return str(classifier.classify(image).classifications[0].categories[0].category_name)

    return f"mediapipe {mediapipe.__version__}", step


def ultralytics_classify(job: Job) -> tuple[str, Step]:
    """An Ultralytics classification model, frame by frame."""
    import torch
    import ultralytics

    torch.set_num_threads(job["num_threads"])
    model = ultralytics.YOLO(job["file"], task="classify")

    def step(frame: Picture) -> str | None:
        # Arrays are taken as OpenCV gives them: BGR.
        result = model.predict(frame[..., ::-1].copy(), verbose=False)[0]
        return str(result.names[result.probs.top1])

    return f"ultralytics {ultralytics.__version__}", step


PEERS: dict[str, Callable[[Job], tuple[str, Step]]] = {
    "har-edge": har_edge_stream,
    "har-edge-clip": har_edge_clip,
    "litert": litert_loop,
    "onnxruntime": onnxruntime_loop,
    "keras": keras_predict,
    "mediapipe-classifier": mediapipe_classifier,
    "mediapipe": mediapipe_pose,
    "ultralytics": ultralytics_classify,
}


def main() -> None:
    """Run the peer of the job on standard input over the frames in its file."""
    stream = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what libraries print must not disturb the protocol

    def say(event: str, **fields: object) -> None:
        stream.write(json.dumps({"event": event, **fields}) + "\n")
        stream.flush()

    job = json.load(sys.stdin)
    _hold_to_cores(job["num_threads"])
    try:
        say("result", result=measure(job, say))
    except ImportError as error:
        say("error", message=f"Not installed in {sys.executable}: {error}.")


def measure(job: Job, say: Callable[..., None]) -> dict[str, object]:
    """Time a peer on every frame.

    Args:
        job: `peer`, a key of `PEERS`; `frames`, a .npy file of (N, h, w, 3), uint8; `skip`, the
            frames that fill the window first; and what the peer needs.
        say: Takes events.

    Returns:
        `step_ms` of the frames after the skipped ones and `answers` beside them; `load_ms`,
        imports included, and `start_ms`, from there to the first answer, or to the end of the
        first frame where a peer gives none; `version`, `peak_memory_bytes`.
    """
    frames = np.load(job["frames"], mmap_mode="r")
    say("stage", name="loading")
    started = time.perf_counter()
    version, step = PEERS[job["peer"]](job)
    load_ms = 1e3 * (time.perf_counter() - started)
    say("stage", name="running")
    times, answers = [], []
    for frame in frames:
        pixels = np.ascontiguousarray(frame)
        started = time.perf_counter()
        answers.append(step(pixels))
        times.append(round(1e3 * (time.perf_counter() - started), 4))
        say("progress")
    answered = next((i for i, answer in enumerate(answers) if answer is not None), 0)
    return {
        "version": version,
        "load_ms": round(load_ms, 4),
        "start_ms": round(load_ms + sum(times[: answered + 1]), 4),
        "step_ms": times[job["skip"] :],
        "answers": answers[job["skip"] :],
        "peak_memory_bytes": _peak_memory_bytes(),
    }


def _hold_to_cores(count: int) -> None:
    """Give every peer the same cores, also those whose threads cannot be told."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:count])


def _peak_memory_bytes() -> int | None:
    """As `har_benchmarks.tasks.timing.peak_memory_bytes`, which this Python may not have."""
    try:
        lines = Path("/proc/self/status").read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return None
    found = [int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:")]
    return found[0] if found else None


if __name__ == "__main__":
    main()
