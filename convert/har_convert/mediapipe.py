"""One graph from a still-image run for MediaPipe's ImageClassifier: picture in, probabilities out.

    python -m har_convert.mediapipe har15 --out FOLDER

`har-bench experiment mediapipe-model` runs this, and `har-bench peers --mediapipe FILE` the files.
MediaPipe takes a model with a single graph,
while ours have `encode` and `classify` apart, so this joins the two before conversion; all else is
as in `har-convert`: the same weights, preparation and quantization, and pixels of 0..255 as input,
uint8 for int8. Needs the convert extra. Writes FOLDER/NAME-mediapipe-<variant>.tflite.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray

from har_convert.auditing.tflite import audit_flatbuffer
from har_convert.recipe import Recipe
from har_convert.run_folder import find_run, load_run
from har_convert.tflite.metadata import attach_metadata
from har_convert.tflite.quantize import quantize
from har_convert.worker import Maker, load_parts
from har_edge.commands.harness import run_command
from har_edge.errors import DataError
from har_edge.model.file import pack_model_file
from har_edge.model.spec import ModelSpec, Variant

VARIANTS: tuple[Variant, ...] = ("float32", "int8")
SIGNATURE = "classify_frame"


@click.command()
@click.argument("run")
@click.option("--out", type=click.Path(path_type=Path), default=Path("models"))
def main(run: str, out: Path) -> None:
    """Make the files of RUN, a run folder or har15."""
    make_files(run, out)


def make_files(name: str, out: Path) -> None:
    """Make the files of all variants of a run.

    Raises:
        DataError: if there is no such run, or it is no still-image model.
    """
    run = load_run(find_run(name))
    if run.spec.clip.num_frames != 1 or not run.spec.encodes:
        raise DataError(
            f"{run.spec.name} should be a still-image model, with a window of one frame. "
            f"Received one with {run.spec.clip.num_frames} frames. Use har15 or another model "
            "with num_frames 1."
        )
    out.mkdir(parents=True, exist_ok=True)
    maker = Maker(run, *load_parts(run))
    for variant in VARIANTS:
        path = out / f"{run.spec.name}-mediapipe-{variant}.tflite"
        path.write_bytes(make(maker, variant))
        click.echo(path)


def make(maker: Maker, variant: Variant) -> bytes:
    """Convert a still-image model to one graph with metadata and labels.

    Raises:
        DataError: if the graph holds ops that MediaPipe's runtime lacks.
    """
    spec = maker.run.spec.with_(variant=variant)
    encoder, stem = maker.prepared if variant == "int8" else (maker.encoder, [])
    with tempfile.TemporaryDirectory() as folder:
        export_joined(encoder, maker.classifier, spec, folder)
        content = quantize(
            folder,
            Recipe(variant),
            lambda: representative(maker.calibration.frames),
            stem,
            signature_keys=[SIGNATURE],
        )
    foreign = audit_flatbuffer(content).not_builtin
    if foreign:
        raise DataError(
            f"{spec.name} should convert to builtin ops. Received {', '.join(foreign)}. Use other "
            "layers."
        )
    return pack_model_file(attach_metadata(content, spec), spec)


def export_joined(encoder: Any, classifier: Any, spec: ModelSpec, folder: str) -> None:
    """Write a SavedModel with one signature, (1, H, W, 3) pixels -> (1, C) probabilities."""
    import keras
    import tensorflow as tf

    frame = keras.Input(spec.clip.frame_shape, name="frame")
    window = keras.layers.Reshape((1, spec.feature_size))(encoder(frame, training=False))
    model = keras.Model(frame, classifier(window, training=False))
    archive = keras.export.ExportArchive()
    archive.track(model)
    archive.add_endpoint(
        SIGNATURE,
        lambda frame: {"probabilities": model(frame, training=False)},
        input_signature=[tf.TensorSpec((1, *spec.clip.frame_shape), tf.float32, name="frame")],
    )
    archive.write_out(folder, verbose=False)


def representative(frames: NDArray[np.uint8]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Real frames, and one that reaches black and white, so that int8 takes pixels as they are."""
    widest = frames[:1].copy()
    widest[0, 0, 0], widest[0, 0, 1] = 0, 255
    for frame in (*np.split(frames, len(frames)), widest):
        yield SIGNATURE, {"frame": frame.astype(np.float32)}


if __name__ == "__main__":
    run_command(main)
