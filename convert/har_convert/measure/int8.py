"""What int8 owes to its steps: preparation, a stem in float, and the number of frames."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np

from har_convert.recipe import Recipe
from har_convert.run_folder import Run, iter_clips
from har_convert.tflite.ptq import backbone_of, prepare, stem_of
from har_convert.verify import Outputs, Verification, compare, run_models
from har_convert.worker import Maker, copy_encoder, load_parts
from har_edge.model.file import pack_model_file

if TYPE_CHECKING:
    import keras

FRAMES = (16, 32, 64, 128, 192)


class Plain(Maker):
    """Gives the converter the weights as they were trained."""

    @cached_property
    def prepared(self) -> tuple[keras.Model, list[str]]:
        """The encoder as it is; no layer stays in float."""
        return self.encoder, []


class FloatStem(Maker):
    """Gives the converter the weights as they were trained, the stem to stay in float."""

    @cached_property
    def prepared(self) -> tuple[keras.Model, list[str]]:
        """The encoder as it is, and the layers of its stem."""
        return self.encoder, stem_of(backbone_of(self.encoder))


class RoundedStem(Maker):
    """Prepares all weights, those of the stem too."""

    @cached_property
    def prepared(self) -> tuple[keras.Model, list[str]]:
        """The encoder prepared whole; no layer stays in float."""
        encoder = copy_encoder(self.encoder)
        prepare(encoder, self.calibration.frames, float_stem=False)
        return encoder, []


def measure_int8(run: Run, limit: int) -> dict[str, dict[str, float]]:
    """Convert a run without and with preparation and float stem, then with fewer frames.

    Args:
        run: What to convert.
        limit: Held-out clips to compare on, at most.

    Returns:
        What was measured, by the name of each way.
    """
    parts = load_parts(run)
    makers = {
        "plain": Plain(run, *parts),
        "plain, stem in float": FloatStem(run, *parts),
        "prepared, stem in int8": RoundedStem(run, *parts),
        "prepared": Maker(run, *parts),
    }
    for frames in FRAMES:
        makers[f"prepared, {frames} frames"] = Maker(
            replace(run, calibration_frames=frames), *parts
        )
    clips = (makers["plain"].predict(clip) for clip in iter_clips(run, run.held_out(limit)))
    features, probabilities = map(np.concatenate, zip(*clips, strict=True))
    return measure(run, makers, Outputs(features, probabilities), limit)


def measure(
    run: Run, makers: dict[str, Maker], reference: Outputs, limit: int
) -> dict[str, dict[str, float]]:
    """Make an int8 file with each maker and compare them all with Keras."""
    with TemporaryDirectory() as folder:
        paths = {}
        for i, (name, maker) in enumerate(makers.items()):
            (content,) = maker.make(Recipe("int8"))
            paths[name] = Path(folder) / f"{i}.tflite"
            paths[name].write_bytes(pack_model_file(content, run.spec.with_(variant="int8")))
        outputs, clips = run_models(paths, run, run.held_out(limit), num_threads=2)
    found = {name: compare("int8", o, reference, clips) for name, o in outputs.items()}
    return {name: _row(result) for name, result in found.items()}


def _row(result: Verification) -> dict[str, float]:
    low, high = result.drop_interval
    return {
        "windows": result.windows,
        "top_1_agreement_with_keras": round(result.agreement, 4),
        "feature_cosine": round(result.feature_cosine, 5),
        "max_probability_difference": round(result.max_difference, 4),
        "accuracy_drop_points": round(result.drop, 2),
        "accuracy_drop_low": round(low, 2),
        "accuracy_drop_high": round(high, 2),
    }
