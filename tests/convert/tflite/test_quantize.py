"""What goes from `encode` to `classify` is float32, whatever the variant."""

from __future__ import annotations

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter

from har_convert.tflite.flatbuffer import pack_model, parse_model
from har_convert.tflite.quantize import take_floats
from har_edge.model.catalogue import bundled_for
from har_edge.model.file import read_model_file, resolve_model
from tests.conftest import ASSETS

TINY = ASSETS / "tiny-int8.tflite"


def with_bytes(content: bytes) -> bytes:
    """The same network as the converter leaves it: `classify` takes bytes."""
    model = parse_model(content)
    (graph,) = (g for g in model.subgraphs if g.name == b"classify")
    (op,) = (op for op in graph.operators if graph.inputs[0] in op.inputs)
    given, taken = graph.tensors[graph.inputs[0]], graph.tensors[op.outputs[0]]
    given.type = schema.TensorType.UINT8
    given.quantization = schema.QuantizationParametersT()
    given.quantization.scale = list(taken.quantization.scale)
    given.quantization.zeroPoint = [int(taken.quantization.zeroPoint[0]) + 128]
    return pack_model(model)


@pytest.mark.parametrize(
    "model",
    [
        *bundled_for(people=False),
        *(ASSETS / f"tiny-{v}.tflite" for v in ("int8", "float32", "float16", "dynamic")),
    ],
    ids=str,
)
def test_a_plain_interpreter_feeds_one_signature_with_the_other(model: str) -> None:
    file = read_model_file(resolve_model(model))
    plain = Interpreter(model_content=file.flatbuffer)
    encode, classify = map(plain.get_signature_runner, ("encode", "classify"))
    frame = encode.get_input_details()["frame"]
    features = encode(frame=np.full(frame["shape"], 99, frame["dtype"]))["features"]
    assert features.dtype == np.float32
    window = np.repeat(features[:, np.newaxis], file.spec.clip.num_frames, axis=1)
    probabilities = classify(features=window)["probabilities"]
    assert probabilities.sum() == pytest.approx(1, abs=0.02)


def test_floats_in_place_of_bytes_change_no_answer() -> None:
    file = read_model_file(TINY)
    bytes_in = with_bytes(file.flatbuffer)
    before = Interpreter(model_content=bytes_in).get_signature_runner("classify")
    after = Interpreter(model_content=take_floats(bytes_in)).get_signature_runner("classify")
    scale, zero = before.get_input_details()["features"]["quantization"]
    assert before.get_input_details()["features"]["dtype"] == np.uint8
    random = np.random.default_rng(0)
    for _ in range(20):
        window = random.uniform(0, 255 * scale, (1, 4, 8)).astype(np.float32)
        rounded = np.clip(np.round(window / scale) + zero, 0, 255).astype(np.uint8)
        found = after(features=window)["probabilities"]
        assert np.array_equal(before(features=rounded)["probabilities"], found)


def test_what_takes_floats_stays_as_it_is() -> None:
    content = read_model_file(TINY).flatbuffer
    again = take_floats(content)
    runner = Interpreter(model_content=again).get_signature_runner("classify")
    assert runner.get_input_details()["features"]["dtype"] == np.float32
    assert len(again) == len(take_floats(again))
