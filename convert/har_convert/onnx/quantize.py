"""An ONNX network to 8 bits.

onnxruntime's static quantizer writes int8 as QDQ (quantize and dequantize pairs round float ops,
which every ONNX runtime knows how to fuse).
"""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from har_edge.model.runtimes import ONNX_RUNTIME, import_runtime

FloatArray = NDArray[np.float32]


def quantize_onnx(
    network: bytes, source: str, inputs: Iterable[FloatArray], *, float_convolutions: int = 0
) -> bytes:
    """Quantize weights (8 bits, per channel) and activations (uint8) of one network.

    Args:
        network: In float32.
        source: Name of its input.
        inputs: Calibration inputs, batch 1 each.
        float_convolutions: All nodes up to this convolution, in order, stay in float.
    """
    import_runtime(ONNX_RUNTIME)
    from onnxruntime import quantization
    from onnxruntime.quantization.shape_inference import quant_pre_process

    class Reader(quantization.CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self._rest = iter(inputs)

        def get_next(self) -> dict[str, FloatArray] | None:
            array = next(self._rest, None)
            return None if array is None else {source: array}

    with tempfile.TemporaryDirectory() as folder:
        raw, folded, result = (Path(folder) / f"{n}.onnx" for n in ("raw", "folded", "result"))
        raw.write_bytes(network)
        # Folds what the export left of batch norms into the convolutions.
        quant_pre_process(raw, folded, skip_symbolic_shape=True)
        quantization.quantize_static(
            folded,
            result,
            Reader(),
            quant_format=quantization.QuantFormat.QDQ,
            per_channel=True,
            activation_type=quantization.QuantType.QUInt8,
            weight_type=quantization.QuantType.QInt8,
            nodes_to_exclude=_nodes_until(folded, float_convolutions),
        )
        return _with_unsigned_weights(result.read_bytes())


def _with_unsigned_weights(network: bytes) -> bytes:
    """Shift int8 weights and their zero points by 128, which leaves every weight as it is.

    On x86-64 without VNNI onnxruntime multiplies uint8 by int8 in 16 bits that saturate: features
    of `har15` came out with a cosine of 0.987 beside its own arithmetic, and of 0.999 by the
    kernels for unsigned weights.

    Source: onnxruntime's "Quantize ONNX models", on U8S8 and U8U8.
    """
    import onnx
    from onnx import numpy_helper

    model = onnx.load_from_string(network)
    weights = {item.name: item for item in model.graph.initializer}
    read = [n.input for n in model.graph.node if n.op_type == "DequantizeLinear"]
    signed = {
        name
        for value, _, zero_point in read
        if value in weights and weights[value].data_type == onnx.TensorProto.INT8
        for name in (value, zero_point)
    }
    for name in signed:
        shifted = numpy_helper.to_array(weights[name]).astype(np.int16) + 128
        weights[name].CopyFrom(numpy_helper.from_array(shifted.astype(np.uint8), name))
    return bytes(model.SerializeToString())


def _nodes_until(path: Path, convolutions: int) -> list[str]:
    """Names of the nodes up to a convolution, which ONNX keeps in order of execution."""
    import onnx

    nodes = onnx.load(path).graph.node
    seen = itertools.accumulate(node.op_type == "Conv" for node in nodes)
    ends = (n for n, count in enumerate(seen, 1) if count == convolutions)
    return [node.name for node in nodes[: next(ends, 0)]] if convolutions else []
