"""Would pruning or clustering the weights make the models smaller or faster?"""

from __future__ import annotations

import tempfile
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from har_convert.run_folder import Run, iter_clips
from har_convert.tflite.export import SIGNATURE_KEYS, export
from har_convert.tflite.ptq import backbone_of
from har_convert.verify import Clips, Outputs, compare, measure_latency
from har_convert.worker import Maker, load_parts
from har_edge.model.file import pack_model_file
from har_edge.run_folder import HeldOut

Array = NDArray[np.float32]


def pruned(kernel: Array, share: float) -> Array:
    """Set the smallest weights to 0."""
    return np.where(np.abs(kernel) < np.quantile(np.abs(kernel), share), 0, kernel)


def clustered(kernel: Array, values: int) -> Array:
    """Replace weights by a few values: the means of equally large groups, refined by Lloyd."""
    flat = kernel.ravel()
    centres = np.quantile(flat, (np.arange(values) + 0.5) / values)
    for _ in range(10):
        nearest = np.abs(flat[:, np.newaxis] - centres).argmin(axis=1)
        sums = np.bincount(nearest, flat, minlength=values)
        counts = np.bincount(nearest, minlength=values)
        centres = np.where(counts, sums / np.maximum(counts, 1), centres)
    return np.asarray(centres[nearest].reshape(kernel.shape), np.float32)


CHANGES: dict[str, Callable[[Array], Array]] = {
    "as trained": lambda kernel: kernel,
    "30 % pruned": lambda kernel: pruned(kernel, 0.3),
    "50 % pruned": lambda kernel: pruned(kernel, 0.5),
    "70 % pruned": lambda kernel: pruned(kernel, 0.7),
    "64 values a layer": lambda kernel: clustered(kernel, 64),
    "16 values a layer": lambda kernel: clustered(kernel, 16),
}


def measure_smaller(run: Run, limit: int) -> dict[str, dict[str, float]]:
    """Change the weights in each way and measure.

    Args:
        run: What to convert; its held-out files have to be at hand.
        limit: Held-out clips to compare on, at most.

    Returns:
        What was measured, by the name of each way.
    """
    held_out = run.held_out(limit)
    maker = Maker(run, *load_parts(run))
    reference, clips = predict(maker, held_out)
    layers = [x for x in backbone_of(maker.encoder).layers if type(x).__name__ == "Conv2D"]
    trained = [layer.get_weights() for layer in layers]
    rows, paths = dict[str, dict[str, float]](), dict[str, Path]()
    with tempfile.TemporaryDirectory() as folder:
        for i, (name, change) in enumerate(CHANGES.items()):
            for layer, (kernel, *rest) in zip(layers, trained, strict=True):
                layer.set_weights([change(kernel), *rest])
            found, _ = predict(maker, held_out)
            content = to_float32(maker, sparse="pruned" in name)
            paths[name] = Path(folder) / f"{i}.tflite"
            paths[name].write_bytes(pack_model_file(content, run.spec.with_(variant="float32")))
            result = compare("float32", found, reference, clips)
            rows[name] = {
                "accuracy_drop_points": round(result.drop, 2),
                "top_1_agreement": round(result.agreement, 4),
                "bytes": len(content),
                "bytes_compressed": len(zlib.compress(content, 9)),
            }
        latency = measure_latency(paths, run)
    for name, (encode_ms, _) in latency.items():
        rows[name]["encode_ms"] = round(encode_ms, 3)
    return rows


def predict(maker: Maker, held_out: Sequence[HeldOut]) -> tuple[Outputs, Clips]:
    """Run the Keras model on the held-out clips."""
    known = list(maker.run.spec.labels)
    parts, clip_of, targets = [], list[int](), list[int]()
    for number, clip in enumerate(iter_clips(maker.run, list(held_out))):
        parts.append(maker.predict(clip))
        clip_of += [number] * len(clip.windows)
        targets.append(known.index(clip.label))
    features, probabilities = map(np.concatenate, zip(*parts, strict=True))
    return Outputs(features, probabilities), Clips(np.array(clip_of), np.array(targets))


def to_float32(maker: Maker, *, sparse: bool) -> bytes:
    """Convert to float32, with sparse weights where asked for."""
    import tensorflow as tf

    with tempfile.TemporaryDirectory() as folder:
        export(maker.encoder, maker.classifier, maker.run.spec, folder)
        converter = tf.lite.TFLiteConverter.from_saved_model(folder, signature_keys=SIGNATURE_KEYS)
        if sparse:
            converter.optimizations = [tf.lite.Optimize.EXPERIMENTAL_SPARSITY]
        return bytes(converter.convert())
