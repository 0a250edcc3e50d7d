"""The Keras network to `.tflite` files with the signature `locate`."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from har_convert.people.run import PeopleRun
from har_convert.recipe import Recipe
from har_convert.tflite.compat import calibrate, round_network
from har_convert.tflite.flatbuffer import parse_model
from har_convert.tflite.ptq import backbone_and_inputs, equalize, prepare_float16, stem_of
from har_convert.tflite.pyramid import equalize_pyramid
from har_convert.tflite.quantize import halve
from har_edge.model.spec import Variant
from har_edge.say import Say

if TYPE_CHECKING:
    import keras

SIGNATURE = "locate"
PEOPLE_VARIANTS: tuple[Variant, ...] = ("float32", "float16", "int8")
# The network inside, whose layers are rounded; the decoder behind it stays in float.
MAPS = "maps"
# Layers of the maps that stay in float: logits of middles reach from -60 to 3, and only those near
# 0 matter, where 256 steps leave a quarter to each.
FLOAT_LAYERS = ("center_out",)
# Inputs that the equalising of channels runs on.
ROUNDING_FRAMES = 12

Calibration = Iterator[tuple[str, dict[str, NDArray[np.float32]]]]


class PeopleMaker:
    """Makes files of one network; what several variants need is made once."""

    def __init__(self, run: PeopleRun, network: keras.Model, say: Say) -> None:
        self.run, self.network, self.say = run, network, say

    @cached_property
    def prepared(self) -> tuple[keras.Model, list[str]]:
        """The network prepared for int8, and the layers of its stem, which stay in float."""
        copy = _copy(self.network)
        self.say(f"equalising channels for 8 bits on {len(self._rounding)} frames")
        maps, inputs = backbone_and_inputs(copy, self._rounding)
        equalize(maps, inputs)
        equalize_pyramid(maps, inputs)
        return copy, stem_of(maps)

    @cached_property
    def halved(self) -> tuple[keras.Model, list[str]]:
        """The network with weights of half precision, and the layers that stay in float32."""
        copy = _copy(self.network)
        self.say(f"preparing the weights for 16 bits on {len(self._rounding)} frames")
        return copy, prepare_float16(copy, self._rounding)

    @property
    def _rounding(self) -> NDArray[np.uint8]:
        frames = self.run.calibration
        chosen = np.unique(np.linspace(0, len(frames) - 1, ROUNDING_FRAMES).astype(int))
        return np.asarray(frames[chosen])

    def make(self, variant: Variant) -> bytes:
        """Make the network of one variant, a flatbuffer."""
        network, stem = self.network, list[str]()
        if variant == "int8":
            network, stem = self.prepared
        elif variant == "float16":
            network, stem = self.halved
        self.say(f"converting to {Recipe(variant)}")
        with tempfile.TemporaryDirectory() as folder:
            export(network, self.run, folder)
            if variant == "int8":
                return _to_int8(folder, self.run, stem)
            content = _convert(folder)
        return content if variant == "float32" else halve(content, keep=stem)


def export(network: keras.Model, run: PeopleRun, folder: str) -> None:
    """Write a SavedModel with the signature, batch 1."""
    import keras
    import tensorflow as tf

    archive = keras.export.ExportArchive()
    archive.track(network)
    shape = (1, run.spec.height, run.spec.width, 3)
    archive.add_endpoint(
        SIGNATURE,
        lambda frame: {"people": network(frame, training=False)},
        input_signature=[tf.TensorSpec(shape, tf.float32, name="frame")],
    )
    archive.write_out(folder, verbose=False)


def _convert(folder: str) -> bytes:
    import tensorflow as tf

    converter = tf.lite.TFLiteConverter.from_saved_model(folder, signature_keys=[SIGNATURE])
    return bytes(converter.convert())


def _to_int8(folder: str, run: PeopleRun, stem: list[str]) -> bytes:
    import tensorflow as tf

    converter = tf.lite.TFLiteConverter.from_saved_model(folder, signature_keys=[SIGNATURE])
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: _inputs(run)
    calibrated = calibrate(converter)
    return round_network(calibrated, keep_float=float_ops(calibrated, stem))


def _inputs(run: PeopleRun) -> Calibration:
    # One frame reaches black and white, so that the input's range is 0..255 to the digit and
    # the int8 file takes pixels as they are (scale 1, zero point 0).
    widest = run.calibration[:1].copy()
    widest[0, 0, 0], widest[0, 0, 1] = 0, 255
    for frame in (*np.split(run.calibration, len(run.calibration)), widest):
        yield SIGNATURE, {"frame": frame.astype(np.float32)}


def float_ops(content: bytes, stem: list[str]) -> list[str]:
    """Names of the ops that stay in float: the stem, `FLOAT_LAYERS` and the decoder."""
    (graph,) = parse_model(content).subgraphs
    names = [graph.tensors[op.outputs[0]].name.decode() for op in graph.operators]
    inside = [any(f"/{MAPS}" in part and "/" in part for part in name.split(";")) for name in names]
    of_stem = [_belongs(name, stem) for name in names]
    last = max((i for i, found in enumerate(of_stem) if found), default=-1)
    return [
        n for i, n in enumerate(names) if i <= last or not inside[i] or _belongs(n, FLOAT_LAYERS)
    ]


def _belongs(name: str, layers: Sequence[str]) -> bool:
    """Whether an op of this name was made of one of some layers."""
    return any(f"/{layer}_" in f"{name}_" for layer in layers)


def _copy(model: keras.Model) -> keras.Model:
    import keras

    copy = keras.models.clone_model(model)
    copy.set_weights(model.get_weights())
    return copy
