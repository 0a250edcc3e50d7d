"""What an audit finds, in our files and in those of others, against counts by hand."""

from __future__ import annotations

import io
import json
import math
import zipfile
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import numpy as np
import pytest

from har_convert.auditing.audit import audit
from har_convert.auditing.findings import Audit, Op, Signature
from har_convert.auditing.runtimes import try_runtime
from har_convert.auditing.tflite import audit_flatbuffer
from har_convert.commands import audit as audit_command
from har_convert.tflite.flatbuffer import pack_model
from har_edge.commands.harness import run_command
from har_edge.errors import GateError, ModelFileError
from har_edge.model.file import BUNDLED_FOLDER, pack_model_file, read_model_file

schema = pytest.importorskip("ai_edge_litert.schema_py_generated")

ASSETS = Path(__file__).parents[2] / "assets"
Converted = tuple[Path, "CompletedProcess[str]"]
TFLITE = ("float32", "float16", "dynamic", "int8")


def ops_of(signature: Signature) -> dict[str, Op]:
    return {op.name: op for op in signature.ops}


def signatures_of(found: Audit) -> dict[str, Signature]:
    return {signature.name: signature for signature in found.signatures}


# --- our own files


@pytest.mark.parametrize("variant", TFLITE)
def test_own_files(variant: str) -> None:
    path = ASSETS / f"tiny-{variant}.tflite"
    found = audit(path)
    assert found.size_bytes == path.stat().st_size
    assert found.not_builtin == ()
    assert found.metadata
    assert set(found.attached) == {"har.json", "labels.txt"}
    assert f"TensorFlow Lite {found.min_runtime}" == read_model_file(path).spec.min_runtime
    assert found.runtimes["litert"] == "loads and runs"
    parts = signatures_of(found)
    assert parts.keys() == {"encode", "classify"}
    (frame,), (features,) = parts["encode"].inputs, parts["encode"].outputs
    assert (frame.shape, features.shape) == ((1, 32, 32, 3), (1, 8))
    assert frame.dtype == ("uint8" if variant == "int8" else "float32")
    assert (frame.scale, frame.zero_point) == ((1.0, 0) if variant == "int8" else (0.0, 0))
    (window,), (probabilities,) = parts["classify"].inputs, parts["classify"].outputs
    assert (window.shape, probabilities.shape) == ((1, 4, 8), (1, 3))


def test_arithmetic_of_the_tiny_network() -> None:
    """Counted by hand; it is the same in all variants."""
    side = (32 - 5) // 3 + 1
    encode = side * side * 8 * (5 * 5 * 3)
    # Four steps of an LSTM of 6 units on 8 features, then a dense layer. (The first step starts
    # from zeros, so that the converter leaves its recurrent product out.)
    classify = 4 * (8 * 24) + 3 * (6 * 24) + 6 * 3
    for variant in TFLITE:
        parts = signatures_of(audit_flatbuffer((ASSETS / f"tiny-{variant}.tflite").read_bytes()))
        assert parts["encode"].macs == encode
        assert parts["classify"].macs in (classify, classify + 6 * 24)
    onnx = pytest.importorskip("onnx")
    assert onnx
    parts = signatures_of(audit(ASSETS / "tiny-onnx.encode.onnx"))
    assert parts["encode"].macs == encode


@pytest.mark.parametrize("variant", ["float32", "int8"])
def test_convolutions_are_delegated(variant: str, converted: Converted) -> None:
    found = audit_flatbuffer((converted[0] / f"colours-{variant}.tflite").read_bytes())
    parts = signatures_of(found)
    encode = ops_of(parts["encode"])
    for kind in ("CONV_2D", "DEPTHWISE_CONV_2D"):
        assert encode[kind].delegated == encode[kind].count
    assert encode["CONV_2D"].count + encode["DEPTHWISE_CONV_2D"].count == 6


def test_unpack_is_not_delegated(converted: Converted) -> None:
    found = audit_flatbuffer((converted[0] / "colours-float32.tflite").read_bytes())
    classify = ops_of(signatures_of(found)["classify"])
    assert classify["UNPACK"].delegated == 0
    assert classify["FULLY_CONNECTED"].delegated == classify["FULLY_CONNECTED"].count


@pytest.mark.parametrize("suffix", ["encode", "classify"])
@pytest.mark.parametrize("variant", ["onnx", "onnx-int8"])
def test_own_onnx_pair(variant: str, suffix: str) -> None:
    """Either file stands for the pair."""
    pytest.importorskip("onnx")
    paths = [ASSETS / f"tiny-{variant}.{part}.onnx" for part in ("encode", "classify")]
    found = audit(ASSETS / f"tiny-{variant}.{suffix}.onnx")
    assert found.size_bytes == sum(path.stat().st_size for path in paths)
    assert found.not_builtin == ()
    assert {"har.json", "labels.txt", "name", "license"} <= set(found.attached)
    assert found.min_runtime == "ONNX opset 17"
    assert found.runtimes == {"onnxruntime": "loads and runs"}
    parts = signatures_of(found)
    assert list(parts) == ["encode", "classify"]
    (frame,) = parts["encode"].inputs
    assert (frame.name, frame.shape) == ("frame", (1, 32, 32, 3))
    assert frame.dtype == ("uint8" if variant == "onnx-int8" else "float32")
    assert ops_of(parts["encode"])["Conv"].count == 1
    assert all(op.delegated is None for part in parts.values() for op in part.ops)


# --- files of others


def tensor(shape: list[int], buffer: int = 0, kind: int = 0, name: str = "t") -> Any:
    made = schema.TensorT()
    made.shape, made.buffer, made.type, made.name = shape, buffer, kind, name
    made.quantization = schema.QuantizationParametersT()
    return made


def operator(index: int, inputs: list[int], outputs: list[int], options: Any = None) -> Any:
    made = schema.OperatorT()
    made.opcodeIndex, made.inputs, made.outputs = index, inputs, outputs
    if options is not None:
        made.builtinOptions = options
        kind = type(options).__name__.removesuffix("T")
        made.builtinOptionsType = getattr(schema.BuiltinOptions, kind)
    return made


def code(name: str) -> Any:
    made = schema.OperatorCodeT()
    custom = not hasattr(schema.BuiltinOperator, name)
    made.builtinCode = (
        schema.BuiltinOperator.CUSTOM if custom else getattr(schema.BuiltinOperator, name)
    )
    made.deprecatedBuiltinCode = min(made.builtinCode, 127)
    made.customCode, made.version = name if custom else None, 1
    return made


def model_of(
    codes: list[str],
    tensors: list[Any],
    operators: list[Any],
    inputs: list[int],
    outputs: list[int],
    constants: list[np.ndarray[Any, Any]],
) -> bytes:
    """A model of one subgraph and without signatures, as older tools write it."""
    model, graph = schema.ModelT(), schema.SubGraphT()
    graph.tensors, graph.operators = tensors, operators
    graph.inputs, graph.outputs, graph.name = inputs, outputs, "main"
    model.version, model.subgraphs = 3, [graph]
    model.operatorCodes = [code(name) for name in codes]
    model.buffers = [schema.BufferT()]
    for constant in constants:
        buffer = schema.BufferT()
        buffer.data = np.frombuffer(constant.tobytes(), np.uint8)
        model.buffers.append(buffer)
    return pack_model(model)


@pytest.fixture(scope="module")
def foreign() -> bytes:
    """Convolution, depthwise convolution, reshape and dense layer, by hand."""
    random = np.random.default_rng(0)
    shapes: list[list[int]] = [[5, 3, 3, 2], [5], [1, 3, 3, 5], [5], [4, 80], [4]]
    constants = [random.normal(size=shape).astype(np.float32) for shape in shapes]
    constants.append(np.array([1, 80], np.int32))
    tensors = [
        tensor([1, 8, 8, 2], name="picture"),
        *(tensor(shape, i) for i, shape in enumerate(shapes, start=1)),
        tensor([2], 7, schema.TensorType.INT32),
        tensor([1, 4, 4, 5]),
        tensor([1, 4, 4, 5]),
        tensor([1, 80]),
        tensor([1, 4], name="answer"),
    ]
    convolution, depthwise = schema.Conv2DOptionsT(), schema.DepthwiseConv2DOptionsT()
    convolution.strideW = convolution.strideH = 2
    depthwise.strideW = depthwise.strideH = depthwise.depthMultiplier = 1
    operators = [
        operator(0, [0, 1, 2], [8], convolution),
        operator(1, [8, 3, 4], [9], depthwise),
        operator(2, [9, 7], [10], schema.ReshapeOptionsT()),
        operator(3, [10, 5, 6], [11], schema.FullyConnectedOptionsT()),
    ]
    codes = ["CONV_2D", "DEPTHWISE_CONV_2D", "RESHAPE", "FULLY_CONNECTED"]
    return model_of(codes, tensors, operators, [0], [11], constants)


def test_foreign_file_counted_by_hand(foreign: bytes, tmp_path: Path) -> None:
    path = tmp_path / "foreign.tflite"
    path.write_bytes(foreign)
    found = audit(path)
    assert found.runtimes["litert"] == "loads and runs"
    assert (found.min_runtime, found.metadata, found.attached) == ("", False, ())
    assert found.not_builtin == ()
    # The two numbers that say how to reshape are no parameters.
    assert found.parameters == (5 * 18 + 5) + (9 * 5 + 5) + (4 * 80 + 4)
    (main,) = found.signatures
    assert main.name == "main"
    assert main.macs == 16 * 5 * 18 + 16 * 5 * 9 + 4 * 80
    assert [(op.name, op.version, op.count) for op in main.ops] == [
        ("CONV_2D", 1, 1), ("DEPTHWISE_CONV_2D", 1, 1), ("FULLY_CONNECTED", 1, 1),
        ("RESHAPE", 1, 1),
    ]  # fmt: skip
    assert {op.name: op.delegated for op in main.ops if op.name != "RESHAPE"} == {
        "CONV_2D": 1, "DEPTHWISE_CONV_2D": 1, "FULLY_CONNECTED": 1,
    }  # fmt: skip
    assert [(t.name, t.shape, t.dtype) for t in (*main.inputs, *main.outputs)] == [
        ("picture", (1, 8, 8, 2), "float32"), ("answer", (1, 4), "float32"),
    ]  # fmt: skip
    # 512 bytes in; 320, 320, 320 and 16 made on the way. The first two meet, then pairs of 320.
    assert main.arena_bytes == 512 + 320


# --- memory


def chain(sizes: list[int], links: list[tuple[list[int], list[int]]], inputs: list[int],
          outputs: list[int]) -> bytes:  # fmt: skip
    """A graph of made-up ops on tensors of so many bytes."""
    tensors = [tensor([size], 0, schema.TensorType.UINT8) for size in sizes]
    operators = [operator(0, given, made) for given, made in links]
    return model_of(["Nothing"], tensors, operators, inputs, outputs, [])


def arena_of(content: bytes) -> int | None:
    (signature,) = audit_flatbuffer(content).signatures
    return signature.arena_bytes


@pytest.mark.parametrize(
    ("sizes", "links", "expected"),
    [
        # One after the other: the larger neighbours count.
        ([64, 128, 64], [([0], [1]), ([1], [2])], 192),
        # Rounded up to 64 bytes each.
        ([1, 65], [([0], [1])], 64 + 128),
        # A branch that is kept until the end.
        ([64, 64, 64], [([0], [1]), ([0, 1], [2])], 192),
        # The third fits where the first was.
        ([128, 64, 128, 64], [([0], [1]), ([1], [2]), ([2], [3])], 192),
    ],
)
def test_memory_of_small_graphs(
    sizes: list[int], links: list[tuple[list[int], list[int]]], expected: int
) -> None:
    assert arena_of(chain(sizes, links, [0], [len(sizes) - 1])) == expected


def plain_arena(
    sizes: list[int], links: list[tuple[list[int], list[int]]], outputs: list[int]
) -> int:
    """Greedy by size on a map of bytes in units of 64, moment by moment."""
    moments = len(links) + 1
    alive = np.zeros((len(sizes), moments), bool)
    for i in range(len(sizes)):
        made = next((t for t, (_, o) in enumerate(links) if i in o), 0)
        used = [t for t, (given, _) in enumerate(links) if i in given]
        last = moments - 1 if i in outputs else max(used, default=made)
        alive[i, made : last + 1] = True
    units = [-(-size // 64) for size in sizes]
    taken = np.zeros((moments, sum(units)), bool)
    top = 0
    order = sorted(range(len(sizes)), key=lambda i: (-units[i], int(alive[i].argmax())))
    for i in order:
        rows = taken[alive[i]]
        start = next(s for s in range(sum(units)) if not rows[:, s : s + units[i]].any())
        taken[alive[i], start : start + units[i]] = True
        top = max(top, start + units[i])
    return 64 * top


@pytest.mark.parametrize("seed", range(8))
def test_memory_against_a_plain_planner(seed: int) -> None:
    random = np.random.default_rng(seed)
    count = int(random.integers(4, 14))
    sizes = [int(n) for n in random.integers(1, 700, count)]
    links = [(sorted({i - 1, int(random.integers(i))}), [i]) for i in range(1, count)]
    content = chain(sizes, links, [0], [count - 1])
    assert arena_of(content) == plain_arena(sizes, links, [count - 1])
    # Never less than what is alive at one moment, never more than all at once.
    assert sizes[-1] <= (arena_of(content) or 0) <= sum(64 * math.ceil(n / 64) for n in sizes)


def test_memory_with_an_unknown_shape() -> None:
    model = schema.ModelT.InitFromPackedBuf(bytearray(chain([64, 64], [([0], [1])], [0], [1])), 0)
    model.subgraphs[0].tensors[1].shapeSignature = [-1]
    assert arena_of(pack_model(model)) is None


# --- refusals


@pytest.fixture
def flex(foreign: bytes, tmp_path: Path) -> Path:
    """A file with an op of full TensorFlow."""
    model = schema.ModelT.InitFromPackedBuf(bytearray(foreign), 0)
    model.operatorCodes[2] = code("FlexReshape")
    path = tmp_path / "flex.tflite"
    path.write_bytes(pack_model(model))
    return path


def command_of(capsys: pytest.CaptureFixture[str], *arguments: Path | str) -> tuple[Any, str, str]:
    """Run `har-convert audit`: exit code and what it printed."""
    with pytest.raises(SystemExit) as stopped:
        run_command(audit_command, [str(a) for a in arguments])
    captured = capsys.readouterr()
    return stopped.value.code or 0, captured.out, captured.err


def test_flex_ops_are_refused(flex: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert audit(flex).flex_ops == ("FlexReshape",)
    assert "refuses it" in audit(flex).runtimes["litert"]
    assert GateError.exit_code == 3
    status, out, err = command_of(capsys, flex)
    assert status == 3
    assert "FlexReshape" in out
    assert "holds ops of full TensorFlow: FlexReshape" in err
    assert "Traceback" not in err


def test_custom_ops_are_named_and_not_refused(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path = tmp_path / "custom.tflite"
    path.write_bytes(chain([64, 64], [([0], [1])], [0], [1]))
    found = audit(path)
    assert (found.not_builtin, found.flex_ops) == (("Nothing",), ())
    status, out, _ = command_of(capsys, path)
    assert status == 0
    assert "not builtin     Nothing" in out


@pytest.mark.parametrize(
    "content",
    [b"", b"text", b"\x1c\0\0\0TFL3", b"\x1c\0\0\0TFL3" + b"\xff" * 100, b"PK\x03\x04" + bytes(90)],
)
@pytest.mark.parametrize("suffix", [".tflite", ".bin"])
def test_what_is_no_model_exits_1(
    content: bytes, suffix: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / f"bad{suffix}"
    path.write_bytes(content)
    status, out, err = command_of(capsys, path)
    assert (status, out) == (1, "")
    assert f"bad{suffix}" in err


def test_missing_file_and_folder_exit_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for path in (tmp_path / "gone.tflite", tmp_path):
        status, _, err = command_of(capsys, path)
        assert status == 1
        assert "cannot be read" in err


def change_output(graph: Any) -> None:
    graph.operators[0].outputs = [99]


def change_input(graph: Any) -> None:
    graph.inputs = [99]


def change_kind(graph: Any) -> None:
    graph.operators[0].opcodeIndex = 99


def change_constant(graph: Any) -> None:
    graph.tensors[1].buffer = 99


def forget_inputs(graph: Any) -> None:
    graph.inputs = None


@pytest.mark.parametrize(
    "damage", [change_output, change_input, change_kind, change_constant, forget_inputs]
)
def test_numbers_that_lead_nowhere_are_refused(
    damage: Callable[[Any], None], foreign: bytes
) -> None:
    """What one changed byte makes of a file."""
    model = schema.ModelT.InitFromPackedBuf(bytearray(foreign), 0)
    damage(model.subgraphs[0])
    with pytest.raises(ModelFileError, match="damaged"):
        audit_flatbuffer(pack_model(model), "bad.tflite")


@pytest.mark.parametrize("share", [0.02, 0.2, 0.5, 0.8, 0.95])
def test_cut_files_end_in_an_answer(share: float, tmp_path: Path) -> None:
    """Refused where the tables are cut, and where they are not, no runtime takes them."""
    content = read_model_file(ASSETS / "tiny-float32.tflite").flatbuffer
    path = tmp_path / "cut.tflite"
    path.write_bytes(content[: int(share * len(content))])
    try:
        found = audit(path)
    except ModelFileError as error:
        assert "cut.tflite is damaged" in str(error)
    else:
        assert found.runtimes["litert"] != "loads and runs"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no protobuf at all",
        b"\x08",
    ],
)
def test_what_is_no_onnx_model_exits_1(
    content: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("onnx")
    path = tmp_path / "bad.onnx"
    path.write_bytes(content)
    status, _, err = command_of(capsys, path)
    assert status == 1
    assert "bad.onnx is no ONNX model" in err


def foreign_onnx(domain: str = "") -> bytes:
    """One matrix product with open batch, y = x w."""
    onnx = pytest.importorskip("onnx")
    helper, floats = onnx.helper, onnx.TensorProto.FLOAT
    weights = onnx.numpy_helper.from_array(np.ones((6, 5), np.float32), "w")
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"], domain=domain)],
        "anything",
        [helper.make_tensor_value_info("x", floats, ["batch", 6])],
        [helper.make_tensor_value_info("y", floats, ["batch", 5])],
        [weights],
    )
    opsets = [helper.make_opsetid("", 17), *([helper.make_opsetid(domain, 1)] if domain else [])]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=8)
    return bytes(model.SerializeToString())


def test_single_foreign_onnx_file(tmp_path: Path) -> None:
    path = tmp_path / "foreign.onnx"
    path.write_bytes(foreign_onnx())
    found = audit(path)
    (graph,) = found.signatures
    assert (graph.name, graph.macs, found.parameters) == ("graph", 5 * 6, 30)
    assert graph.inputs[0].shape == (-1, 6)
    assert (found.metadata, found.attached, found.not_builtin) == (False, (), ())
    assert found.runtimes == {"onnxruntime": "loads and runs"}


def test_onnx_product_with_a_vector(tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx")
    model = onnx.load_from_string(foreign_onnx())
    vector = onnx.numpy_helper.from_array(np.ones(6, np.float32), "w")
    model.graph.initializer[0].CopyFrom(vector)
    model.graph.output[0].type.tensor_type.shape.dim.pop()
    (tmp_path / "vector.onnx").write_bytes(model.SerializeToString())
    (graph,) = audit(tmp_path / "vector.onnx").signatures
    assert graph.macs == 6


def test_onnx_ops_of_another_domain_are_named(tmp_path: Path) -> None:
    path = tmp_path / "foreign.onnx"
    path.write_bytes(foreign_onnx("com.example"))
    found = audit(path)
    assert found.not_builtin == ("com.example.MatMul",)
    assert found.runtimes["onnxruntime"].startswith("refuses it: ")


# --- output


@pytest.mark.parametrize("name", ["tiny-int8.tflite", "tiny-onnx.classify.onnx"])
def test_json_says_what_the_audit_says(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("onnx")
    status, out, err = command_of(capsys, ASSETS / name, "--output-format", "json")
    assert (status, err) == (0, "")
    document, found = json.loads(out), audit(ASSETS / name)
    assert document["size_bytes"] == found.size_bytes
    assert document["runtimes"] == found.runtimes
    assert [s["name"] for s in document["signatures"]] == [s.name for s in found.signatures]
    for given, signature in zip(document["signatures"], found.signatures, strict=True):
        assert given["ops"] == [vars(op) for op in signature.ops]
        assert tuple(given["inputs"][0]["shape"]) == signature.inputs[0].shape


def test_text_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = command_of(capsys, ASSETS / "tiny-int8.tflite")
    assert status == 0
    lines = out.splitlines()
    assert "not builtin     nothing" in lines
    assert "litert          loads and runs" in lines
    assert any(line.startswith("encode: 0.1 M multiply-accumulates") for line in lines)
    assert any("uint8, 1 * (q - 0)" in line for line in lines)
    ops = [
        op for signature in audit(ASSETS / "tiny-int8.tflite").signatures for op in signature.ops
    ]
    rows = [line.split() for line in lines]
    for op in ops:
        assert [op.name, str(op.version), str(op.count), str(op.delegated)] in rows


def test_attached_files_of_others_are_listed(foreign: bytes) -> None:
    buffer = io.BytesIO()
    buffer.write(foreign)
    with zipfile.ZipFile(buffer, "a") as archive:
        archive.writestr("names.txt", "a\nb\n")
    assert audit_flatbuffer(buffer.getvalue()).attached == ("names.txt",)


def test_crash_of_a_runtime_is_an_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    statement = (
        "import os, sys\nif 'har_convert.auditing.try_runtime' in sys.orig_argv:\n    os.abort()\n"
    )
    (tmp_path / "sitecustomize.py").write_text(statement, encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    assert try_runtime("litert", [ASSETS / "tiny-int8.tflite"]) == "crashes (signal 6)"


def test_installed_command(har_convert: Callable[..., CompletedProcess[str]]) -> None:
    result = har_convert("audit", ASSETS / "tiny-int8.tflite")
    assert result.returncode == 0
    assert "encode: " in result.stdout
    assert har_convert("audit").returncode == 2


def test_a_file_that_ends_the_process_is_refused(tmp_path: Path) -> None:
    file = read_model_file(BUNDLED_FOLDER / "golden" / "tiny-int8.tflite")
    network = bytearray(file.flatbuffer)
    network[16340], network[20310] = 0, 1  # LiteRT aborts on these
    path = tmp_path / "crash.tflite"
    path.write_bytes(pack_model_file(bytes(network), file.spec))
    with pytest.raises(ModelFileError, match="crash"):
        audit(path)


def test_findings_survive_json() -> None:
    found = audit(ASSETS / "tiny-int8.tflite")
    assert Audit.from_json(json.dumps(found.as_dict()).encode()) == found
