"""Convert, run, compare, and only then write model files under their names."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from har_convert.audit.audit import audit_flatbuffer, runtimes_for, try_runtime
from har_convert.onnx.export import OPSET
from har_convert.recipe import Recipe, fallbacks
from har_convert.run_folder import Run
from har_convert.tflite.sensitivity import LayerError, sensitive_layers
from har_convert.verify import (
    Outputs,
    Verification,
    compare,
    measure_latency,
    run_models,
    with_latency,
)
from har_convert.worker import ERROR_NAME, LOG_NAME, Job
from har_edge.errors import BackendError, HarError, MissingExtraError, OutputError
from har_edge.files import write_whole
from har_edge.model.file import pack_model_file, pack_onnx_file
from har_edge.model.loaded import apply_temperature, load_model
from har_edge.model.spec import ModelSpec, Variant
from har_edge.paths import display_path
from har_edge.run_folder import HeldOut

# Variants that are the same network in another format: what they may differ by at most.
EXACT: tuple[Variant, ...] = ("float32", "onnx")
MAX_DIFFERENCE = 1e-3

Say = Callable[[str], object]


class ConversionError(HarError):
    """The converter failed."""


@dataclass(frozen=True)
class Options:
    """How to verify, and what to do with a file that misses the gate.

    Attributes:
        max_accuracy_drop: The gate: most accuracy to lose, in points.
        fallback: Whether to try other recipes until one meets the gate.
        layers: Whether to measure what rounding each layer costs, whatever the gate says.
        limit: Held-out clips to verify on, 0 for all.
        verbose: Whether the converter's own log is shown too.
    """

    max_accuracy_drop: float = 1.0
    fallback: bool = False
    layers: bool = False
    limit: int = 0
    verbose: bool = False


@dataclass(frozen=True)
class Conversion:
    """What became of one variant that was asked for.

    Attributes:
        recipe: How the file was made in the end.
        result: How it compares with the Keras model.
        paths: Where it was written; empty if it missed the gate.
        size_bytes: Its size.
        reason: Why it missed the gate, or why a fallback was taken; "" if all went well.
    """

    recipe: Recipe
    result: Verification
    paths: tuple[Path, ...]
    size_bytes: int
    reason: str = ""

    @property
    def passed(self) -> bool:
        """Whether there is a file."""
        return bool(self.paths)


@dataclass(frozen=True)
class Report:
    """What a conversion gave: one entry a variant, and the layers' shares if measured."""

    conversions: tuple[Conversion, ...]
    layers: tuple[LayerError, ...] = ()


def convert(
    run: Run,
    variants: Sequence[Variant],
    out: Path,
    options: Options = Options(),
    *,
    say: Say = lambda line: None,
    progress: Callable[[int], Callable[[int], object]] | None = None,
) -> Report:
    """Convert a run to model files, each verified with the edge's own runtime.

    Args:
        run: What to convert.
        variants: Which files to make.
        out: Folder for `NAME-<variant>.*` and the converter's log.
        options: Gate and fallback.
        say: Takes a line for every step.
        progress: Given the number of clips to verify on, returns a function that is called with
            1 for every clip done.

    Raises:
        ConversionError: if the converter fails or crashes.
        DataError: if the run or the calibration data cannot be used.
        OutputError: if `out` cannot be written.
        BackendError: if no runtime loads a result.
    """
    missing = [folder for folder in (out, *out.parents) if not folder.exists()]
    _make_folder(out)
    with tempfile.TemporaryDirectory(prefix="har-convert-") as folder:
        session = _Session(run, options, Path(folder), out, say, progress)
        try:
            report = session.convert([Recipe(variant) for variant in variants])
        except MissingExtraError:  # nothing was begun: leave nothing behind
            with contextlib.suppress(OSError):
                for made in missing:
                    made.rmdir()
            raise
        except BaseException:
            session.keep_log()
            raise
        session.keep_log()
        return report


class _Session:
    """One conversion: the job folder, what Keras said, and what was made so far."""

    def __init__(
        self,
        run: Run,
        options: Options,
        folder: Path,
        out: Path,
        say: Say,
        progress: Callable[[int], Callable[[int], object]] | None,
    ) -> None:
        self.run, self.options, self.folder, self.out, self.say = run, options, folder, out, say
        self.progress = progress
        self.held_out: list[HeldOut] = run.held_out(options.limit)
        self.specs: dict[str, ModelSpec] = {}  # by recipe; finding one takes an audit

    def convert(self, recipes: Sequence[Recipe]) -> Report:
        """Make and verify all recipes, then what replaces those that miss the gate."""
        self._work(recipes, reference=True, sensitivity=self.options.layers)
        results = self._verify(recipes)
        conversions = map(self._settle, recipes, results)
        return Report(tuple(conversions), tuple(self._layers()))

    def _settle(self, recipe: Recipe, result: Verification) -> Conversion:
        """Write a file that meets the gate; else what replaces it, if there is to be a fallback."""
        miss = self._miss(recipe, result)
        if not miss:
            return Conversion(recipe, result, *self._write(recipe, result))
        if not self.options.fallback:
            return Conversion(recipe, result, (), 0, miss)
        if recipe.variant == "int8" and not self._layers():
            self._work([], sensitivity=True)
        misses = [miss]
        for candidate in fallbacks(recipe, sensitive_layers(self._layers())):
            try:
                self._work([candidate])
                (tried,) = self._verify([candidate])
                miss = self._miss(candidate, tried)
            except (BackendError, ConversionError) as error:
                # One that cannot be made, or that no runtime takes, is no way out either.
                misses.append(f"{candidate} is unusable ({str(error).splitlines()[0]})")
                continue
            if not miss:
                reason = f"{'; '.join(misses)}. Took {candidate} instead"
                return Conversion(candidate, tried, *self._write(candidate, tried), reason)
            misses.append(miss)
        return Conversion(recipe, result, (), 0, "; ".join(misses))

    def _work(
        self, recipes: Sequence[Recipe], *, reference: bool = False, sensitivity: bool = False
    ) -> None:
        """Have the other process make files."""
        run = self.run
        job = Job(
            run=str(run.folder.absolute()),
            data=str(run.data_root.absolute()) if run.data_root else "",
            calibration=str(run.calibration.absolute()) if run.calibration else "",
            calibration_frames=run.calibration_frames,
            calibration_root=str(run.calibration_root.absolute()) if run.calibration_root else "",
            limit=self.options.limit,
            recipes=tuple(recipes),
            reference=reference,
            sensitivity=sensitivity,
        )
        job.save(self.folder)
        _run_worker(self.folder, self.say)

    def _layers(self) -> list[LayerError]:
        path = self.folder / "sensitivity.json"
        if not path.is_file():
            return []
        return [LayerError(**row) for row in json.loads(path.read_text(encoding="utf-8"))]

    def _verify(self, recipes: Sequence[Recipe]) -> list[Verification]:
        """Compare freshly made files with the Keras model."""
        with np.load(self.folder / "reference.npz", allow_pickle=False) as arrays:
            # What the Keras model says, as the edge would say it.
            tempered = apply_temperature(arrays["probabilities"], self.run.spec.temperature)
            reference = Outputs(arrays["features"], tempered)
        windows, names = len(reference.probabilities), ", ".join(map(str, recipes))
        self.say(f"verifying {names} on {windows} windows")
        models = {}
        for recipe in recipes:
            place = self.folder / recipe.key
            place.mkdir(exist_ok=True)
            self.specs[recipe.key] = self._spec(recipe)
            models[recipe.key] = self._pack(recipe, place, self.specs[recipe.key])[0]
        tick = self.progress(max(1, len(self.held_out))) if self.progress else lambda done: None
        threads = min(4, os.cpu_count() or 1)
        outputs, clips = run_models(
            models, self.run, self.held_out, num_threads=threads, progress=tick
        )
        self.say("timing frames")
        latency = measure_latency(models, self.run)
        return [
            with_latency(
                compare(recipe.variant, outputs[recipe.key], reference, clips),
                latency[recipe.key],
            )
            for recipe in recipes
        ]

    def _miss(self, recipe: Recipe, result: Verification) -> str:
        """Why a file misses the gate; "" if it does not."""
        low, high = result.drop_interval
        expected = "" if result.held_out else "an expected "
        if result.drop > self.options.max_accuracy_drop:
            return (
                f"{recipe} loses {expected}{result.drop:.1f} points of accuracy (95 % "
                f"interval {low:.1f} to {high:.1f}), the gate is "
                f"{self.options.max_accuracy_drop:g}"
            )
        if recipe.variant in EXACT and result.max_difference > MAX_DIFFERENCE:
            return (
                f"{recipe} should be the same network, but a probability differs by "
                f"{result.max_difference:.2g}"
            )
        return ""

    def _spec(self, recipe: Recipe) -> ModelSpec:
        """The run's spec as a file of this recipe carries it, without what is still measured."""
        minimum = f"ONNX opset {OPSET}"
        if not recipe.variant.startswith("onnx"):
            found = audit_flatbuffer((self.folder / f"{recipe.key}.tflite").read_bytes())
            loops = {op.name for s in found.signatures for op in s.ops} & {"WHILE", "CALL_ONCE"}
            foreign = [*found.not_builtin, *sorted(loops)]
            if foreign:
                raise ConversionError(
                    f"{recipe} holds ops that small runtimes lack: {', '.join(foreign)}. Use "
                    "layers that convert to builtin ops; recurrent ones have to be unrolled."
                )
            minimum = f"TensorFlow Lite {found.min_runtime}" if found.min_runtime else ""
        return self.run.spec.with_(
            variant=recipe.variant, float_layers=recipe.float_layers, min_runtime=minimum
        )

    def _pack(self, recipe: Recipe, place: Path, spec: ModelSpec) -> list[Path]:
        """Write a recipe's files with their metadata into a folder."""
        pack = pack_onnx_file if recipe.variant.startswith("onnx") else pack_model_file
        paths = []
        for suffix in recipe.suffixes:
            network = (self.folder / f"{recipe.key}{suffix}").read_bytes()
            paths.append(place / f"{spec.name}-{recipe.variant}{suffix}")
            paths[-1].write_bytes(pack(network, spec))
        return paths

    def _write(self, recipe: Recipe, result: Verification) -> tuple[tuple[Path, ...], int]:
        """Write verified files with what was measured of them under their final names."""
        spec = self.specs[recipe.key]
        spec = spec.with_(metrics={**spec.metrics, **_metrics(result)})
        made = self._pack(recipe, self.folder / recipe.key, spec)
        load_model(made[0])
        self._try_other_runtimes(made)
        written = tuple(self.out / path.name for path in made)
        for source, target in zip(made, written, strict=True):
            write_whole(target, source.read_bytes(), advice="Make room or give another --out.")
        return written, sum(path.stat().st_size for path in written)

    def _try_other_runtimes(self, paths: Sequence[Path]) -> None:
        """Load the files in all other runtimes that are installed, and say what they refuse."""
        for name in runtimes_for(paths[0])[1:]:
            answer = try_runtime(name, paths)
            if answer != "loads and runs":
                self.say(f"note: {name} {answer}")

    def keep_log(self) -> None:
        """Keep the converter's log beside the files."""
        log = self.folder / LOG_NAME
        if not log.exists():
            return
        content = log.read_text(encoding="utf-8", errors="replace")
        try:
            (self.out / f"{self.run.spec.name}-{LOG_NAME}").write_text(content, encoding="utf-8")
        except OSError as error:  # it must not hide what went wrong before
            self.say(f"note: the converter's log cannot be kept: {error.strerror}")
        if self.options.verbose:
            self.say(content)


def _make_folder(out: Path) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=out):
            pass
    except OSError as error:
        raise OutputError(
            f"{display_path(out)} cannot be written: {error.strerror}. Give another --out."
        ) from error


def _run_worker(folder: Path, say: Say) -> None:
    """Run `har_convert.worker` on a job in a process of its own."""
    command = [sys.executable, "-m", "har_convert.worker", str(folder)]
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
    if (folder / ERROR_NAME).exists():
        raise ConversionError((folder / ERROR_NAME).read_text(encoding="utf-8"))
    log = folder / LOG_NAME
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines() if log.exists() else []
    for extra in ("tensorflow", "keras", "tf2onnx", "onnx", "onnxruntime"):
        if any(f"No module named '{extra}'" in line for line in lines):
            raise MissingExtraError("convert", extra)
    if process.returncode < 0:
        raise ConversionError(
            f"TensorFlow's converter crashed (signal {-process.returncode}). The log lies in the "
            "output folder; try another variant or another TensorFlow release."
        )
    last = next((line for line in reversed(lines) if line.strip()), "no message")
    raise ConversionError(f"The conversion failed: {last}. The log lies in the output folder.")


def _metrics(result: Verification) -> dict[str, float]:
    """What was measured of a file, as its spec keeps it."""
    measured = {
        "verified_clips": float(result.clips),
        "verified_windows": float(result.windows),
        "verified_on_held_out": float(result.held_out),
        "top_1_agreement_with_keras": result.agreement,
        "max_probability_difference": result.max_difference,
        "feature_cosine": result.feature_cosine,
        "accuracy_drop_points": result.drop,
        "accuracy_drop_low": result.drop_interval[0],
        "accuracy_drop_high": result.drop_interval[1],
        "encode_ms": result.encode_ms,
        "classify_ms": result.classify_ms,
    }
    if result.accuracy is not None and result.keras_accuracy is not None:
        measured["verified_accuracy"] = result.accuracy
        measured["verified_keras_accuracy"] = result.keras_accuracy
    return measured


def advise(conversions: Iterable[Conversion]) -> str:
    """Say which of the files that met the gate to use instead of those that did not."""
    passed = [c for c in conversions if c.passed]
    if not passed:
        return "Let --fallback find one that does, or make --float16."
    best = min(passed, key=lambda c: c.size_bytes)
    return f"Use {best.recipe.variant} ({best.result.drop:.1f} points), or let --fallback choose."
