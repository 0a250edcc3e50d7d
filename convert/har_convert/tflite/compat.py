"""What we use of TensorFlow's converter and of Keras that they do not document.

`PRIVATE_NAMES` lists all of it; a test says which are missing in the installed releases.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import keras
    import tensorflow as tf

# Owner -> names. The converter's were seen in TensorFlow 2.16 to 2.21, Keras's in 3.3 to 3.15.
PRIVATE_NAMES = {
    "tensorflow.lite.python.convert": ("mlir_quantize",),
    "TFLiteConverter": (
        "_experimental_calibrate_only",
        "_experimental_disable_per_channel_quantization_for_dense_layers",
    ),
    "Layer": ("_inbound_nodes", "_outbound_nodes"),
    "KerasTensor": ("_keras_history",),
}


def leave_dense_layers_per_tensor(converter: tf.lite.TFLiteConverter) -> None:
    """Have the converter give a dense layer's weights one scale, not one a filter."""
    converter._experimental_disable_per_channel_quantization_for_dense_layers = True


def calibrate(converter: tf.lite.TFLiteConverter) -> bytes:
    """Do the first half of the conversion to int8: a float network that knows its ranges."""
    converter._experimental_calibrate_only = True
    return bytes(converter.convert())


def round_network(calibrated: bytes, *, keep_float: Sequence[str]) -> bytes:
    """Do the second half: round what `calibrate` gave, inputs to uint8.

    Args:
        calibrated: Flatbuffer.
        keep_float: Names of ops that are left as they are.
    """
    import tensorflow as tf
    from tensorflow.lite.python.convert import mlir_quantize

    return bytes(
        mlir_quantize(calibrated, input_data_type=tf.uint8, denylisted_nodes=list(keep_float))
    )


def input_of(network: keras.Model) -> keras.KerasTensor:
    """What a nested network was called on last."""
    return network._inbound_nodes[-1].input_tensors[0]


def layers_before(layer: keras.Layer) -> list[keras.Layer]:
    """The layers whose outputs a layer reads, each call of it in turn."""
    return [origin_of(t) for node in layer._inbound_nodes for t in node.input_tensors]


def layers_after(layer: keras.Layer) -> list[keras.Layer]:
    """The layers that read a layer's output."""
    return [node.operation for node in layer._outbound_nodes]


def origin_of(tensor: keras.KerasTensor) -> keras.Layer:
    """The layer that a symbolic tensor came out of."""
    return tensor._keras_history.operation
