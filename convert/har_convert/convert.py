"""Convert, run, compare, and only then write a model file under its name."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from har_convert.run_folder import HeldOut, Run, iter_clips
from har_convert.to_tflite import LOG_NAME
from har_edge.errors import HarError, MissingExtraError, ModelFileError, OutputError
from har_edge.model_file import pack_model_file
from har_edge.preprocess import display_path
from har_edge.recognizer import apply_temperature, load_model
from har_edge.spec import Variant

VARIANTS: tuple[Variant, ...] = ("float32", "int8")


class ConversionError(HarError):
    """The converter failed."""


@dataclass(frozen=True)
class Verification:
    """How a converted file compares with the Keras model on the same windows.

    Attributes:
        variant: Which file.
        path: Where it was written.
        size_bytes: Its size.
        windows: Windows compared.
        agreement: Share of windows with the same most probable class.
        max_difference: Largest difference of any probability.
        accuracy: Share of clips recognised (mean over a clip's windows), or None without labels.
        keras_accuracy: The same for the Keras model.
        held_out: Whether the windows come from held-out files, not from calibration frames.
    """

    variant: str
    path: Path
    size_bytes: int
    windows: int
    agreement: float
    max_difference: float
    accuracy: float | None
    keras_accuracy: float | None
    held_out: bool


def convert(
    run: Run,
    variants: Sequence[Variant],
    out: Path,
    *,
    limit: int = 256,
    say: Callable[[str], object] = lambda line: None,
    verbose: bool = False,
) -> list[Verification]:
    """Convert a run to model files, each verified with the edge's own runtime.

    Args:
        run: What to convert.
        variants: Which files to make.
        out: Folder for `NAME-<variant>.tflite` and the converter's log.
        limit: Held-out clips to verify on, 0 for all.
        say: Takes a line for every step.
        verbose: Whether the converter's own log is shown too.

    Raises:
        ConversionError: if the converter fails or crashes.
        OutputError: if `out` cannot be written.
        BackendError: if no runtime loads the result.
    """
    _make_folder(out)
    held_out = run.held_out(limit)
    results = []
    with tempfile.TemporaryDirectory(prefix="har-convert-") as folder:
        job = Path(folder)
        try:
            _run_converter(job, run, variants, limit, say)
        finally:
            _keep_log(job / LOG_NAME, out / f"{run.spec.name}-{LOG_NAME}", verbose, say)
        reference = np.load(job / "reference.npy", allow_pickle=False)
        min_runtime = json.loads((job / "min_runtime.json").read_text(encoding="utf-8"))
        for variant in variants:
            say(f"verifying {variant} on {len(reference)} windows")
            content = (job / f"{variant}.tflite").read_bytes()
            target = out / f"{run.spec.name}-{variant}.tflite"
            result = _finish(
                run, variant, content, min_runtime[variant], target, held_out, reference
            )
            results.append(result)
    return results


def _make_folder(out: Path) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=out):
            pass
    except OSError as error:
        raise OutputError(
            f"{display_path(out)} cannot be written: {error.strerror}. Give another --out."
        ) from error


def _run_converter(
    job: Path, run: Run, variants: Sequence[str], limit: int, say: Callable[[str], object]
) -> None:
    """Run `har_convert.to_tflite` on a job in a process of its own."""
    settings = {
        "run": str(run.folder.absolute()),
        "data": str(run.data_root.absolute()) if run.data_root else None,
        "variants": list(variants),
        "limit": limit,
    }
    (job / "job.json").write_text(json.dumps(settings), encoding="utf-8")
    command = [sys.executable, "-m", "har_convert.to_tflite", str(job)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, encoding="utf-8") as process:
        try:
            assert process.stdout is not None
            for line in process.stdout:
                say(line.rstrip())
        except BaseException:
            process.kill()
            raise
    if process.returncode == 0:
        return
    log = (
        (job / LOG_NAME).read_text(encoding="utf-8", errors="replace")
        if (job / LOG_NAME).exists()
        else ""
    )
    if "ModuleNotFoundError: No module named 'tensorflow'" in log or "named 'keras'" in log:
        raise MissingExtraError("convert", "tensorflow")
    if process.returncode < 0:
        raise ConversionError(
            f"TensorFlow's converter crashed (signal {-process.returncode}). The log lies in the "
            "output folder; try another variant or another TensorFlow release."
        )
    last = next((line for line in reversed(log.splitlines()) if line.strip()), "no message")
    raise ConversionError(f"The conversion failed: {last}. The log lies in the output folder.")


def _keep_log(log: Path, target: Path, verbose: bool, say: Callable[[str], object]) -> None:
    if not log.exists():
        return
    content = log.read_text(encoding="utf-8", errors="replace")
    target.write_text(content, encoding="utf-8")
    if verbose:
        say(content)


def _finish(
    run: Run,
    variant: Variant,
    flatbuffer: bytes,
    min_runtime: str,
    target: Path,
    held_out: list[HeldOut],
    reference: NDArray[np.float32],
) -> Verification:
    """Pack, run and compare one variant; write it under its name if all went well."""
    spec = run.spec.with_(
        variant=variant, min_runtime=f"TensorFlow Lite {min_runtime}" if min_runtime else ""
    )
    # The file's probabilities are tempered by the edge, Keras's are not.
    reference = apply_temperature(reference, spec.temperature)
    partial = target.with_name(f".{target.name}.partial")
    try:
        partial.write_bytes(pack_model_file(flatbuffer, spec))
        probabilities, clip_of, labels = _run_model(partial, run, held_out)
        differences = np.abs(probabilities - reference)
        agreement = float((probabilities.argmax(1) == reference.argmax(1)).mean())
        result = Verification(
            variant=variant,
            path=target,
            size_bytes=0,
            windows=len(reference),
            agreement=agreement,
            max_difference=float(differences.max()),
            accuracy=_clip_accuracy(probabilities, clip_of, labels, spec.labels),
            keras_accuracy=_clip_accuracy(reference, clip_of, labels, spec.labels),
            held_out=bool(held_out),
        )
        content = pack_model_file(flatbuffer, spec.with_(metrics=_metrics(run, result)))
        partial.write_bytes(content)
        load_model(partial)
        partial.replace(target)
    except OSError as error:
        raise OutputError(f"{display_path(target)} cannot be written: {error.strerror}.") from error
    finally:
        partial.unlink(missing_ok=True)
    return Verification(**{**result.__dict__, "size_bytes": len(content)})


def _run_model(
    path: Path, run: Run, held_out: list[HeldOut]
) -> tuple[NDArray[np.float32], NDArray[np.intp], list[str]]:
    """Classify all windows with the edge's runtime: probabilities, clip numbers, labels."""
    model = load_model(path)
    rows, clip_of, labels = [], [], []
    for number, clip in enumerate(iter_clips(run, held_out)):
        features = np.stack([model.encode(frame) for frame in clip.frames])
        rows += [model.classify(features[window]) for window in clip.windows]
        clip_of += [number] * len(clip.windows)
        labels.append(clip.label)
    probabilities = np.stack(rows)
    if not np.isfinite(probabilities).all():
        raise ModelFileError(f"{path.name} gives values that are not numbers; it was not written.")
    return probabilities, np.array(clip_of), labels


def _clip_accuracy(
    probabilities: NDArray[np.float32],
    clip_of: NDArray[np.intp],
    labels: list[str],
    known: Sequence[str],
) -> float | None:
    """Share of clips whose mean over windows names their label; None without labels."""
    if not all(labels):
        return None
    sums = np.zeros((len(labels), probabilities.shape[1]))
    np.add.at(sums, clip_of, probabilities)
    return float(
        np.mean(
            [known[int(row.argmax())] == label for row, label in zip(sums, labels, strict=True)]
        )
    )


def _metrics(run: Run, result: Verification) -> dict[str, float]:
    """The run's metrics with what was measured of this file."""
    measured = {
        "verified_windows": float(result.windows),
        "verified_on_held_out": float(result.held_out),
        "top_1_agreement_with_keras": result.agreement,
        "max_probability_difference": result.max_difference,
    }
    if result.accuracy is not None:
        measured["verified_accuracy"] = result.accuracy
    return {**run.spec.metrics, **measured}
