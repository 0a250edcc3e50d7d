"""Keras to ONNX with tf2onnx: one network each for `encode` and `classify`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from har_edge.model.spec import ModelSpec

if TYPE_CHECKING:
    import keras

# Old enough for the runtimes of Raspberry Pi OS, new enough for per-channel QDQ.
OPSET = 17


def export_onnx(
    encoder: keras.Model | None, classifier: keras.Model, spec: ModelSpec
) -> tuple[bytes, ...]:
    """Export both parts in float32, or the head alone without encoder, batch fixed to 1."""
    clip = spec.clip
    window = (1, clip.num_frames, spec.row_size)
    head = _export(classifier, "features", window, "probabilities")
    if encoder is None:
        return (head,)
    return _export(encoder, "frame", (1, *clip.frame_shape), "features"), head


def _export(part: keras.Model, source: str, shape: tuple[int, ...], target: str) -> bytes:
    import tensorflow as tf
    import tf2onnx

    signature = [tf.TensorSpec(shape, tf.float32, name=source)]
    function = tf.function(lambda x: {target: part(x, training=False)}, input_signature=signature)
    network, _ = tf2onnx.convert.from_function(function, input_signature=signature, opset=OPSET)
    return bytes(network.SerializeToString())


def take_pixels(network: bytes) -> bytes:
    """Let an `encode` network take uint8 pixels, a quarter of the bytes to hand over."""
    import onnx

    model = onnx.load_from_string(network)
    frame = model.graph.input[0]
    cast = onnx.helper.make_node("Cast", ["frame"], ["frame_float"], to=onnx.TensorProto.FLOAT)
    for node in model.graph.node:
        node.input[:] = ["frame_float" if name == "frame" else name for name in node.input]
    model.graph.node.insert(0, cast)
    frame.type.tensor_type.elem_type = onnx.TensorProto.UINT8
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())
