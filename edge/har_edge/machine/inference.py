"""Do the runtimes load, and do they compute what they should?"""

from __future__ import annotations

import importlib.metadata
import time
from collections.abc import Iterable, Iterator
from statistics import median

from har_edge.errors import BackendError, HarError
from har_edge.machine.finding import Finding, Findings
from har_edge.machine.golden import (
    ONNX_VARIANTS,
    TFLITE_VARIANTS,
    TOLERANCE,
    VARIANT_TOLERANCES,
    check_golden,
    variant_model,
)
from har_edge.model.file import BUNDLED
from har_edge.model.loaded import load_model
from har_edge.model.runtimes import ONNX_RUNTIME, RUNTIMES, TFLITE_RUNTIMES, import_runtime
from har_edge.model.spec import Variant
from har_edge.model.xnnpack import int8_delegates
from har_edge.paths import SEVERAL_PEOPLE, sample_path
from har_edge.people.open import BUNDLED_PEOPLE, open_locator
from har_edge.sources.files import VideoSource

REINSTALL = "pip install --force-reinstall har-edge"
# People in each picture of the bundled clip that is looked at.
PEOPLE_IN_CLIP = 2


def crashes_with_numpy(runtime: str) -> bool:
    """Whether to leave a runtime alone: built against numpy 1, it may take the process with it."""
    numpy_major = int(importlib.metadata.version("numpy").split(".")[0])
    return runtime == "tflite-runtime" and numpy_major >= 2


def check_runtimes() -> Findings:
    """Each runtime: whether it loads, fits numpy and has fast 8-bit kernels."""
    working = []
    for name in RUNTIMES:
        distribution = TFLITE_RUNTIMES.get(name, (name, name))[1]
        try:
            version = importlib.metadata.version(distribution)
        except importlib.metadata.PackageNotFoundError:
            continue
        if crashes_with_numpy(name):
            text = f"{version} crashes with numpy {importlib.metadata.version('numpy')}"
            yield Finding(name, "warn", text, 'pip install "numpy<2", or pip uninstall it')
            continue
        try:
            module = import_runtime(name)
        except BackendError as error:
            yield Finding(name, "warn", str(error), f"pip install --force-reinstall {distribution}")
            continue
        working.append(name)
        if name == "tflite-runtime" and not int8_delegates(module, 1):
            text = f"{version}, without XNNPACK's 8-bit kernels: int8 files run slowly"
            yield Finding(name, "warn", text, "pip install ai-edge-litert")
        else:
            yield Finding(name, "ok", version)
    if not set(working) & TFLITE_RUNTIMES.keys():
        text = "none that can run .tflite files"
        yield Finding("runtimes", "fail", text, "pip install ai-edge-litert")


def check_models() -> Findings:
    """Run the golden clip through the bundled models, and time a frame."""
    for name in BUNDLED:
        try:
            model = load_model(name)
            result = check_golden(model)
        except HarError as error:
            yield Finding(f"model {name}", "fail", str(error), REINSTALL)
            continue
        if result is None:
            text = "no golden numbers for this file"
            yield Finding(f"model {name}", "warn", text, REINSTALL)
            continue
        runtime = f"{model.backend.name} {model.backend.version}"
        text = (
            f"golden clip within {result.difference:.2g} (at most {TOLERANCE}) on {runtime}; "
            f"{result.frame_ms:.1f} ms per frame, 1 thread"
        )
        if result.passed:
            yield Finding(f"model {name}", "ok", text)
            continue
        if not result.same_tensor:
            text += "; resizing gives different pixels"
            fix = "pip install --force-reinstall opencv-python"
        else:
            fix = f"pip install --upgrade {TFLITE_RUNTIMES[model.backend.name][1]}"
        yield Finding(f"model {name}", "fail", f"Wrong answers: {text}", fix)


def check_variants() -> Findings:
    """Run the golden clip through one small network in every variant, on every runtime.

    The bundled models are int8 files, which a runtime may get right that fails at others: LiteRT
    1.2 and 1.3 give wrong answers for float16 files, and say nothing.
    """
    for runtime in _working(RUNTIMES):
        for variant in ONNX_VARIANTS if runtime == ONNX_RUNTIME else TFLITE_VARIANTS:
            yield _check_variant(variant, runtime)


def _check_variant(variant: Variant, runtime: str) -> Finding:
    topic, distribution = f"variant {variant}", TFLITE_RUNTIMES.get(runtime, ("", runtime))[1]
    upgrade = f"pip install --upgrade {distribution}"
    try:
        model = load_model(variant_model(variant), backend=runtime)
        result = check_golden(model)
    except BackendError as error:  # said aloud, and of files of this kind alone
        return Finding(topic, "warn", str(error), upgrade)
    except HarError as error:
        return Finding(topic, "fail", str(error), REINSTALL)
    if result is None:
        return Finding(topic, "warn", "no golden numbers for this file", REINSTALL)
    most = VARIANT_TOLERANCES[variant]
    bounds = f"{result.difference:.2g} (at most {most}) on {runtime} {model.backend.version}"
    if result.difference <= most:
        return Finding(topic, "ok", f"golden clip within {bounds}")
    text = f"Wrong answers for {variant} files: golden clip off by {bounds}"
    return Finding(topic, "fail", text, upgrade)


def check_people() -> Findings:
    """Find the people of the bundled clip with the bundled network, on every runtime for it."""
    for runtime in _working(TFLITE_RUNTIMES):
        yield _check_people(runtime, TFLITE_RUNTIMES[runtime][1])


def _working(runtimes: Iterable[str]) -> Iterator[str]:
    """Those that can be imported; whether others matter is for `check_runtimes` to say."""
    for runtime in runtimes:
        if crashes_with_numpy(runtime):
            continue
        try:
            import_runtime(runtime)
        except BackendError:
            continue
        yield runtime


def _check_people(runtime: str, distribution: str) -> Finding:
    topic, upgrade = f"network {BUNDLED_PEOPLE}", f"pip install --upgrade {distribution}"
    try:
        frames = VideoSource(sample_path(SEVERAL_PEOPLE)).look()
        locator = open_locator(BUNDLED_PEOPLE, backend=runtime)
        counts, times_ms = [], []
        for frame in frames:
            started = time.perf_counter()
            found = locator.locate(frame)
            times_ms.append((time.perf_counter() - started) * 1e3)
            counts.append(sum(person.score >= locator.sure_score for person in found))
    except BackendError as error:  # said aloud, and of this network alone
        return Finding(topic, "warn", str(error), upgrade)
    except HarError as error:
        return Finding(topic, "fail", str(error), REINSTALL)
    on = f"on {runtime} {importlib.metadata.version(distribution)}"
    if counts == [PEOPLE_IN_CLIP] * len(frames):
        text = f"finds the {PEOPLE_IN_CLIP} people of the bundled clip {on}; "
        return Finding(topic, "ok", f"{text}{median(times_ms):.1f} ms a picture, 1 thread")
    text = (
        f"Wrong answers: should find {PEOPLE_IN_CLIP} people in each of {len(frames)} pictures of "
        f"the bundled clip. Found {', '.join(map(str, counts))} {on}"
    )
    return Finding(topic, "fail", text, upgrade)
