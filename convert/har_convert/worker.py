"""The half of a conversion that needs TensorFlow: `python -m har_convert.worker JOB`.

TensorFlow's converter logs to the terminal from native code and can crash there. In its own
process both are contained: its noise goes to `convert.log`, a crash becomes a message.

JOB is a folder with `job.json`, see `Job`. The program leaves the files of every recipe there,
named by its key, `reference.npz` (what the Keras model says of the clips of `iter_clips`) and
`sensitivity.json`, each if asked for, and prints a line for every step. An error that a user can
act on stands in `error.txt`.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import traceback
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from har_convert.clip import LabelledClip
from har_convert.onnx.export import export_onnx, take_pixels
from har_convert.onnx.quantize import quantize_onnx
from har_convert.recipe import CALIBRATED, Recipe
from har_convert.run_folder import Run, iter_clips, load_run
from har_convert.tflite.export import SIGNATURE_KEYS, export
from har_convert.tflite.metadata import attach_metadata
from har_convert.tflite.ptq import backbone_of, prepare, prepare_float16
from har_convert.tflite.quantize import Calibration, quantize
from har_convert.tflite.sensitivity import MAX_FRAMES, measure_sensitivity
from har_edge.children import end_with_parent
from har_edge.errors import DataError, HarError
from har_edge.run_folder import HeldOut

if TYPE_CHECKING:
    import keras

LOG_NAME = "convert.log"
ERROR_NAME = "error.txt"


@dataclass(frozen=True)
class Job:
    """What the program is to do; `job.json` holds the fields.

    Attributes:
        run: Run folder.
        data: Folder of its held-out files, or "".
        calibration: Dataset to calibrate on instead of the run's own frames, or "".
        calibration_frames: Frames to calibrate on; 0 for all at hand.
        calibration_root: Folder that the paths of that dataset start from, or "" for its own.
        limit: Held-out clips to run the Keras model on; 0 for all.
        recipes: Files to make.
        reference: Whether to run the Keras model.
        sensitivity: Whether to measure what rounding each layer costs.
    """

    run: str
    data: str = ""
    calibration: str = ""
    calibration_frames: int = 0
    calibration_root: str = ""
    limit: int = 0
    recipes: tuple[Recipe, ...] = ()
    reference: bool = True
    sensitivity: bool = False

    def save(self, folder: Path) -> None:
        """Write `job.json`."""
        (folder / "job.json").write_text(json.dumps(asdict(self)), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Job:
        """Read `job.json`."""
        values = json.loads((folder / "job.json").read_text(encoding="utf-8"))
        recipes = tuple(
            Recipe(r["variant"], tuple(r["float_layers"]), r["float_classify"])
            for r in values.pop("recipes")
        )
        return cls(**values, recipes=recipes)

    def load_run(self) -> Run:
        """Read the run folder that the job is about."""
        return load_run(
            Path(self.run),
            self.data or None,
            self.calibration or None,
            self.calibration_frames,
            self.calibration_root or None,
        )


def main() -> None:
    """Do one job."""
    do_job(lambda folder, say: work(Job.load(folder), folder, say))


def do_job(job: Callable[[Path, Callable[[str], None]], None]) -> None:
    """Do the job in a folder; tracebacks go to the log, what a user can act on to the parent."""
    end_with_parent()
    folder = Path(sys.argv[1])
    say = _redirect(folder / LOG_NAME)
    try:
        job(folder, say)
    except HarError as error:
        traceback.print_exc()
        (folder / ERROR_NAME).write_text(str(error), encoding="utf-8")
        sys.exit(1)


def work(job: Job, folder: Path, say: Callable[[str], object]) -> None:
    """Do what a job asks for."""
    run = job.load_run()
    say("loading the Keras model")
    maker = Maker(run, *load_parts(run), say)
    held_out = run.held_out(job.limit)
    if job.reference:
        say("running the Keras model for comparison")
        clips = (maker.predict(clip) for clip in iter_clips(run, held_out))
        features, probabilities = zip(*clips, strict=True)
        np.savez(
            folder / "reference.npz",
            features=np.concatenate(features),
            probabilities=np.concatenate(probabilities),
        )
    if job.sensitivity and run.spec.encodes:
        say("measuring what rounding costs in each layer")
        encoder, stem = maker.prepared
        frames = _some_frames(run, held_out)
        rows = measure_sensitivity(encoder, stem, maker.calibration.frames, frames)
        text = json.dumps([asdict(row) for row in rows])
        (folder / "sensitivity.json").write_text(text, encoding="utf-8")
    for recipe in job.recipes:
        suffixes = recipe.suffixes(encodes=run.spec.encodes)
        for suffix, content in zip(suffixes, maker.make(recipe), strict=True):
            (folder / f"{recipe.key}{suffix}").write_bytes(content)


def _some_frames(run: Run, held_out: list[HeldOut]) -> NDArray[np.uint8]:
    """The middle frames of some clips to verify on, (N, H, W, 3)."""
    chosen = held_out[:: max(1, len(held_out) // MAX_FRAMES)]
    clips = list(iter_clips(run, chosen))
    if not held_out:
        return clips[0].frames[:: max(1, len(clips[0].frames) // MAX_FRAMES)]
    return np.stack([clip.frames[len(clip.frames) // 2] for clip in clips])


def _redirect(log: Path) -> Callable[[str], None]:
    """Send everything that is printed to the log; give a function that reaches the parent."""
    parent = os.fdopen(os.dup(1), "w", encoding="utf-8")
    target = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(target, 1)
    os.dup2(target, 2)

    def say(line: str) -> None:
        parent.write(line + "\n")
        parent.flush()

    return say


def load_parts(run: Run) -> tuple[keras.Model | None, keras.Model]:
    """Load the Keras model and take it apart into frame encoder and temporal head.

    Returns:
        Both; a model of poses is its head alone, without an encoder.

    Raises:
        DataError: if it cannot be loaded or is another model than the spec says.
    """
    import keras

    try:
        model = keras.models.load_model(run.model_path, compile=False)
    # Keras raises whatever zipfile, h5py and its own registry raise.
    except Exception as error:
        raise DataError(
            f"{run.model_path.name} cannot be loaded: {error}. Expected the file that har-train "
            "fit wrote. Copy it again, or train again."
        ) from error
    if not run.spec.encodes:
        return None, _check_head(model, run)
    names = [layer.name for layer in model.layers]
    if not {"frames", "classify"} <= set(names):
        raise DataError(
            f"{run.model_path.name} is another kind of model. Expected the layers frames and "
            f"classify. Received {', '.join(names[:8])}. Convert a model that har-train fit "
            "wrote."
        )
    encoder, classifier = model.get_layer("frames").layer, model.get_layer("classify")
    clip = run.spec.clip
    expected = (None, *clip.frame_shape), (None, clip.num_frames, run.spec.row_size)
    if (encoder.input_shape, classifier.input_shape) != expected:
        raise DataError(
            f"{run.model_path.name} does not fit spec.json. Expected inputs {expected}. "
            f"Received {(encoder.input_shape, classifier.input_shape)}. Copy both from the same "
            "run."
        )
    return encoder, classifier


def _check_head(model: keras.Model, run: Run) -> keras.Model:
    """Give the model of poses back if it is what the spec says."""
    spec = run.spec
    expected = (None, spec.clip.num_frames, spec.row_size), (None, len(spec.labels))
    # Of several inputs or outputs these are lists, which no shape is.
    found = model.input_shape, model.output_shape
    if found != expected:
        raise DataError(
            f"{run.model_path.name} does not fit spec.json, by which it takes windows of "
            f"{' and '.join(spec.head_inputs)}. Expected {expected}. Received {found}. Copy both "
            "from the same run."
        )
    return model


class Maker:
    """Makes files of one Keras model; what several recipes need is made once."""

    def __init__(
        self,
        run: Run,
        encoder: keras.Model | None,
        classifier: keras.Model,
        say: Callable[[str], object] = lambda line: None,
    ) -> None:
        self.run, self.encoder, self.classifier, self.say = run, encoder, classifier, say

    @cached_property
    def calibration(self) -> LabelledClip:
        """Frames and windows to calibrate on."""
        return self.run.representative(self.say)

    @cached_property
    def prepared(self) -> tuple[keras.Model, list[str]]:
        """The encoder prepared for int8, and the layers of its stem, which stay in float."""
        encoder, frames = copy_encoder(self.encoder), self.calibration.frames
        self.say(f"preparing the weights for 8 bits on {len(frames)} frames")
        return encoder, prepare(encoder, frames)

    @cached_property
    def halved(self) -> tuple[keras.Model, list[str]]:
        """The encoder with weights of half precision, and the layers that stay in float32."""
        encoder, frames = copy_encoder(self.encoder), self.calibration.frames
        self.say(f"preparing the weights for 16 bits on {len(frames)} frames")
        return encoder, prepare_float16(encoder, frames)

    def predict(self, clip: LabelledClip) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Run the Keras model on a clip: features, (N, D'), and probabilities, (M, C)."""
        features = features_of(self.encoder, clip)
        return features, np.asarray(self.classifier.predict_on_batch(features[clip.windows]))

    def _encoder_for(self, recipe: Recipe) -> tuple[keras.Model | None, list[str]]:
        """The encoder with weights as a recipe rounds them, and the layers that stay in float."""
        if self.encoder is None:
            return None, []
        if recipe.variant in CALIBRATED or recipe.variant == "dynamic":
            return self.prepared
        return self.halved if recipe.variant == "float16" else (self.encoder, [])

    def make(self, recipe: Recipe) -> tuple[bytes, ...]:
        """Make the files of a recipe."""
        encoder, stem = self._encoder_for(recipe)
        self.say(f"converting to {recipe}")
        if recipe.variant.startswith("onnx"):
            return self._make_onnx(recipe, encoder, stem)
        with tempfile.TemporaryDirectory() as saved_model:
            export(encoder, self.classifier, self.run.spec, saved_model)
            content = quantize(
                saved_model,
                recipe,
                calibration_inputs(encoder, self.calibration),
                stem,
                signature_keys=SIGNATURE_KEYS if encoder is not None else ["classify"],
            )
        return (attach_metadata(content, self.run.spec.with_(variant=recipe.variant)),)

    def _make_onnx(
        self, recipe: Recipe, encoder: keras.Model | None, stem: list[str]
    ) -> tuple[bytes, ...]:
        *others, second = export_onnx(encoder, self.classifier, self.run.spec)
        if recipe.variant == "onnx":
            return (*others, second)
        given = list(calibration_inputs(encoder, self.calibration)())
        frames = [inputs["frame"] for key, inputs in given if key == "encode"]
        windows = [inputs["features"] for key, inputs in given if key == "classify"]
        if not recipe.float_classify:
            second = quantize_onnx(second, "features", windows)
        if encoder is None:
            return (second,)
        (first,) = others
        kinds = {layer.name: type(layer).__name__ for layer in backbone_of(encoder).layers}
        convolutions = sum(kinds[name].endswith("Conv2D") for name in stem)
        first = quantize_onnx(first, "frame", frames, float_convolutions=convolutions)
        return take_pixels(first), second


def copy_encoder(model: keras.Model) -> keras.Model:
    """Copy a frame encoder, weights and all, for its preparation works in place."""
    import keras

    copy = keras.models.clone_model(model)
    copy.set_weights(model.get_weights())
    return copy


def features_of(encoder: keras.Model | None, clip: LabelledClip) -> NDArray[np.float32]:
    """What `classify` takes of a clip's frames, (N, D'): encoded, or rows of poses as they are."""
    return encode(encoder, clip.frames) if clip.rows is None else clip.rows


def encode(encoder: keras.Model, frames: NDArray[np.uint8], batch: int = 32) -> NDArray[np.float32]:
    """Encode frames with Keras, (N, D)."""
    starts = range(0, len(frames), batch)
    parts = [encoder.predict_on_batch(frames[i : i + batch].astype(np.float32)) for i in starts]
    return np.concatenate([np.asarray(part) for part in parts])


def calibration_inputs(
    encoder: keras.Model | None, clip: LabelledClip
) -> Callable[[], Calibration]:
    """Representative dataset: real frames for `encode`, real feature windows for `classify`."""
    features = features_of(encoder, clip)
    frames = [*np.split(clip.frames, len(clip.frames)), _widest(clip)] if encoder else []

    def representative() -> Calibration:
        for frame in frames:
            yield "encode", {"frame": frame.astype(np.float32)}
        for window in clip.windows:
            yield "classify", {"features": features[window][np.newaxis]}

    return representative


def _widest(clip: LabelledClip) -> NDArray[np.uint8]:
    # One frame reaches black and white, so that the input's range is 0..255 to the digit and
    # the int8 file takes pixels as they are (scale 1, zero point 0).
    widest = clip.frames[:1].copy()
    widest[0, 0, 0], widest[0, 0, 1] = 0, 255
    return widest


if __name__ == "__main__":
    main()
