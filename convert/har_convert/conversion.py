"""Convert, run, compare, and only then write model files under their names."""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from har_convert.auditing.findings import RUNS
from har_convert.auditing.runtimes import runtimes_for, try_runtime
from har_convert.auditing.tflite import audit_flatbuffer
from har_convert.card import write_model_card
from har_convert.gate import reason_against
from har_convert.onnx.export import OPSET
from har_convert.process import ConversionError, run_worker
from har_convert.recipe import Recipe, fallbacks
from har_convert.results import Conversion, Report
from har_convert.run_folder import Run
from har_convert.tflite.sensitivity import LayerError, sensitive_layers
from har_convert.verify import (
    Outputs,
    Verification,
    compare,
    measure_latency,
    metrics_of,
    run_models,
    with_latency,
)
from har_convert.worker import LOG_NAME, Job
from har_edge.counted import counted
from har_edge.errors import BackendError, MissingExtraError, OutputError
from har_edge.exclusive import one_at_a_time
from har_edge.files import sweep, write_whole
from har_edge.model.file import pack_model_file, pack_onnx_file
from har_edge.model.loaded import apply_temperature, load_model
from har_edge.model.spec import ModelSpec, Variant
from har_edge.paths import display_path
from har_edge.run_folder import HeldOut
from har_edge.say import Say
from har_edge.temporary import temporary_folder


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


def default_folder(run: Run) -> Path:
    """Where a run's files go unless another place is named."""
    return Path("models") / run.spec.name


def convert_run(
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
        out: Folder for `NAME-<variant>.*`, the model card, checksums and the converter's log.
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
    try:
        with (
            one_at_a_time(out, "Give another --out."),
            temporary_folder("har-convert-") as folder,
        ):
            sweep(out)
            session = _Session(run, options, folder, out, say, progress)
            try:
                report = session.convert([Recipe(variant) for variant in variants])
            except MissingExtraError:
                raise
            except BaseException:
                session.keep_log()
                raise
            session.keep_log()
            if report.passed:
                write_model_card(run, out)
    except MissingExtraError:  # nothing was begun: leave nothing behind
        with contextlib.suppress(OSError):
            for made in missing:
                made.rmdir()
        raise
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
        self.held_out: list[HeldOut] = run.held_out(options.limit, say)
        self.specs: dict[str, ModelSpec] = {}  # by recipe; finding one takes an audit

    def convert(self, recipes: Sequence[Recipe]) -> Report:
        """Make and verify all recipes, then what replaces those that miss the gate."""
        self._work(recipes, reference=True, sensitivity=self.options.layers)
        results = self._verify(recipes)
        conversions = map(self._settle, recipes, results)
        return Report(self.out, tuple(conversions), tuple(self._layers()))

    def _settle(self, recipe: Recipe, result: Verification) -> Conversion:
        """Write a file that meets the gate; else what replaces it, if there is to be a fallback."""
        miss = reason_against(recipe, result, self.options.max_accuracy_drop)
        if not miss:
            return Conversion(recipe, result, *self._write(recipe, result))
        if not self.options.fallback:
            return Conversion(recipe, result, (), 0, miss)
        if recipe.variant == "int8" and self.run.spec.encodes and not self._layers():
            self._work([], sensitivity=True)
        misses = [miss]
        encodes = self.run.spec.encodes
        for candidate in fallbacks(recipe, sensitive_layers(self._layers()), encodes=encodes):
            try:
                self._work([candidate])
                (tried,) = self._verify([candidate])
                miss = reason_against(candidate, tried, self.options.max_accuracy_drop)
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
        run_worker(self.folder, self.say)

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
        self.say(f"verifying {names} on {counted(windows, 'window')}")
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

    def _spec(self, recipe: Recipe) -> ModelSpec:
        """The run's spec as a file of this recipe carries it, without what is still measured."""
        minimum = f"ONNX opset {OPSET}"
        if not recipe.variant.startswith("onnx"):
            found = audit_flatbuffer((self.folder / f"{recipe.key}.tflite").read_bytes())
            loops = {op.name for s in found.signatures for op in s.ops} & {"WHILE", "CALL_ONCE"}
            foreign = [*found.not_builtin, *sorted(loops)]
            if foreign:
                raise ConversionError(
                    f"{recipe} contains ops that small runtimes lack: {', '.join(foreign)}. Use "
                    "layers that convert to builtin ops; recurrent layers have to be unrolled."
                )
            minimum = f"TensorFlow Lite {found.min_runtime}" if found.min_runtime else ""
        layers = (*recipe.float_layers, *(["classify"] if recipe.float_classify else []))
        return self.run.spec.with_(variant=recipe.variant, float_layers=layers, min_runtime=minimum)

    def _pack(self, recipe: Recipe, place: Path, spec: ModelSpec) -> list[Path]:
        """Write a recipe's files with their metadata into a folder."""
        pack = pack_onnx_file if recipe.variant.startswith("onnx") else pack_model_file
        paths = []
        for suffix in recipe.suffixes(encodes=spec.encodes):
            network = (self.folder / f"{recipe.key}{suffix}").read_bytes()
            paths.append(place / f"{spec.name}-{recipe.variant}{suffix}")
            paths[-1].write_bytes(pack(network, spec))
        return paths

    def _write(self, recipe: Recipe, result: Verification) -> tuple[tuple[Path, ...], int]:
        """Write verified files with what was measured of them under their final names."""
        spec = self.specs[recipe.key]
        measured = metrics_of(result)
        if not spec.encodes:  # rows are given, not computed
            del measured["feature_cosine"]
        spec = spec.with_(metrics={**spec.metrics, **measured})
        made = self._pack(recipe, self.folder / recipe.key, spec)
        load_model(made[0])
        self._try_other_runtimes(made)
        written = tuple(self.out / path.name for path in made)
        for source, target in zip(made, written, strict=True):
            write_whole(
                target, source.read_bytes(), advice="Free some disk space, or give another --out."
            )
        return written, sum(path.stat().st_size for path in written)

    def _try_other_runtimes(self, paths: Sequence[Path]) -> None:
        """Load the files in all other runtimes that are installed, and say what they refuse."""
        for name in runtimes_for(paths[0])[1:]:
            answer = try_runtime(name, paths)
            if answer != RUNS:
                self.say(f"note: {name} {answer}")

    def keep_log(self) -> None:
        """Keep the converter's log next to the files."""
        log = self.folder / LOG_NAME
        if not log.exists():
            return
        content = log.read_text(encoding="utf-8", errors="replace")
        try:
            write_whole(self.out / f"{self.run.spec.name}-{LOG_NAME}", content)
        except OutputError as error:  # it must not hide what went wrong before
            self.say(f"note: the converter's log {error}")
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
