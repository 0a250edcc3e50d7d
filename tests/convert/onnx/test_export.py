"""ONNX files against Keras, through onnxruntime."""

from __future__ import annotations

from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import numpy as np
import pytest

from har_convert.onnx.export import OPSET
from har_convert.run_folder import Run
from har_convert.worker import Maker, load_parts
from har_edge.model.file import read_model_file

onnx = pytest.importorskip("onnx")
ort = pytest.importorskip("onnxruntime")
pytest.importorskip("tensorflow")
pytestmark = pytest.mark.train

Converted = tuple[Path, "CompletedProcess[str]"]


def networks_of(converted: Converted, variant: str) -> tuple[bytes, ...]:
    return read_model_file(converted[0] / f"colours-{variant}.encode.onnx").networks


def run_network(network: bytes, **inputs: Any) -> Any:
    session = ort.InferenceSession(network, providers=["CPUExecutionProvider"])
    (output,) = session.run(None, inputs)
    return output


def frames_of(run: Run, dtype: Any) -> list[Any]:
    """Frames to run, batch 1, and noise that no training has seen."""
    noise = np.random.default_rng(0).integers(0, 256, (4, 32, 32, 3), np.uint8)
    return [f[np.newaxis].astype(dtype) for f in (*run.representative().frames[::6], *noise)]


def test_float_network_is_the_keras_model(run: Run, converted: Converted) -> None:
    encode, classify = networks_of(converted, "onnx")
    encoder, classifier = load_parts(run)
    features = []
    for frame in frames_of(run, np.float32):
        expected = np.asarray(encoder.predict_on_batch(frame))
        features.append(run_network(encode, frame=frame))
        assert np.abs(features[-1] - expected).max() < 1e-4 * np.abs(expected).max()
    window = np.stack(features[:3], axis=1)
    expected = np.asarray(classifier.predict_on_batch(window))
    assert np.abs(run_network(classify, features=window) - expected).max() < 1e-4


def test_int8_network_is_close_to_the_keras_model(run: Run, converted: Converted) -> None:
    encode, _ = networks_of(converted, "onnx-int8")
    encoder, _ = load_parts(run)
    for frame in frames_of(run, np.uint8)[:-4]:
        expected = np.asarray(encoder.predict_on_batch(frame.astype(np.float32)))[0]
        found = run_network(encode, frame=frame)[0]
        cosine = found @ expected / np.linalg.norm(found) / np.linalg.norm(expected)
        assert cosine > 0.995
        assert not np.array_equal(found, expected)


@pytest.mark.parametrize("variant", ["onnx", "onnx-int8"])
def test_inputs_and_outputs(variant: str, run: Run, converted: Converted) -> None:
    spec = run.spec
    pixels = onnx.TensorProto.UINT8 if variant == "onnx-int8" else onnx.TensorProto.FLOAT
    window = [1, spec.clip.num_frames, spec.feature_size]
    expected = [
        (("frame", pixels, [1, 32, 32, 3]), ("features", 1, [1, spec.feature_size])),
        (("features", 1, window), ("probabilities", 1, [1, 3])),
    ]
    for network, wanted in zip(networks_of(converted, variant), expected, strict=True):
        model = onnx.load_from_string(network)
        onnx.checker.check_model(model, full_check=True)
        found = tuple(
            (v.name, v.type.tensor_type.elem_type,
             [d.dim_value for d in v.type.tensor_type.shape.dim])
            for (v,) in (model.graph.input, model.graph.output)
        )  # fmt: skip
        assert found == wanted
        assert [(o.domain, o.version) for o in model.opset_import if o.domain == ""] == [
            ("", OPSET)
        ]


def quantized_convolutions(network: bytes) -> list[bool]:
    """Of each convolution in order, whether its input and weights come out of int8."""
    graph = onnx.load_from_string(network).graph
    producers = {name: node.op_type for node in graph.node for name in node.output}
    return [
        {producers.get(name) for name in node.input[:2]} == {"DequantizeLinear"}
        for node in graph.node
        if node.op_type == "Conv"
    ]


def test_stem_stays_in_float(converted: Converted) -> None:
    encode, _ = networks_of(converted, "onnx-int8")
    assert quantized_convolutions(encode) == [False, False, True, True, True, True]
    encode, _ = networks_of(converted, "onnx")
    assert quantized_convolutions(encode) == [False] * 6


def test_answers_are_those_of_its_own_arithmetic(run: Run, converted: Converted) -> None:
    """On every processor: signed weights saturate where x86-64 has no VNNI."""
    encode, _ = networks_of(converted, "onnx-int8")
    plain = ort.SessionOptions()
    # Unfused, pairs of quantize and dequantize surround float arithmetic.
    plain.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = ort.InferenceSession(encode, plain, providers=["CPUExecutionProvider"])
    for frame in frames_of(run, np.uint8):
        found = run_network(encode, frame=frame)[0]
        expected = session.run(None, {"frame": frame})[0][0]
        assert found @ expected / np.linalg.norm(found) / np.linalg.norm(expected) > 0.999


def test_weights_are_8_bits_per_channel(converted: Converted) -> None:
    encode, _ = networks_of(converted, "onnx-int8")
    constants = {t.name: onnx.numpy_helper.to_array(t)
                 for t in onnx.load_from_string(encode).graph.initializer}  # fmt: skip
    assert not any(a.dtype == np.int8 for a in constants.values())
    weights = [
        a.astype(int) - 128 for a in constants.values() if a.dtype == np.uint8 and a.ndim == 4
    ]
    assert len(weights) == 4
    for weight in weights:  # the largest of every filter reaches the end of the scale
        assert set(np.abs(weight).max(axis=(1, 2, 3))) == {127}


def test_classify_may_stay_in_float(run: Run) -> None:
    from har_convert.recipe import Recipe

    maker = Maker(run, *load_parts(run))
    _, classify = maker.make(Recipe("onnx-int8", float_classify=True))
    kinds = {node.op_type for node in onnx.load_from_string(classify).graph.node}
    assert "QuantizeLinear" not in kinds
    assert "Softmax" in kinds
