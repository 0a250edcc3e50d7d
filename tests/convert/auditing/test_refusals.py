"""What an audit refuses: files that are no model, are damaged or do harm."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from har_convert.auditing.audit import audit
from har_convert.auditing.findings import refuse_unloadable
from har_convert.auditing.runtimes import try_runtime
from har_convert.auditing.tflite import audit_flatbuffer
from har_convert.tflite.flatbuffer import pack_model
from har_edge.errors import GateError, ModelFileError
from har_edge.model.file import BUNDLED_FOLDER, pack_model_file, read_model_file
from tests.conftest import ASSETS
from tests.support.auditing import chain, code, command_of, schema

CASES = Path(os.environ.get("HAR_DATA", "/")).parent / "cases" / "models"


@pytest.fixture
def flex(foreign: bytes, tmp_path: Path) -> Path:
    """A file with an op of full TensorFlow."""
    model = schema.ModelT.InitFromPackedBuf(bytearray(foreign), 0)
    model.operatorCodes[2] = code("FlexReshape")
    path = tmp_path / "flex.tflite"
    path.write_bytes(pack_model(model))
    return path


def test_flex_ops_are_refused(flex: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert audit(flex).flex_ops == ("FlexReshape",)
    assert "refuses it" in audit(flex).runtimes["litert"]
    assert GateError.exit_code == 3
    status, out, err = command_of(capsys, flex)
    assert status == 3
    assert "FlexReshape" in out
    assert "contains ops of full TensorFlow: FlexReshape" in err
    assert "Traceback" not in err


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
    assert "bad.onnx is not an ONNX model" in err


@pytest.mark.parametrize(
    ("answers", "refused"),
    [
        ({}, False),
        ({"litert": "loads and runs", "tflite-runtime": "refuses it: old"}, False),
        ({"litert": "refuses it: failed to prepare"}, True),
        ({"litert": "loads and runs", "tflite-runtime": "crashes (signal 11)"}, True),
        ({"litert": "hangs (no answer in 120 s)", "tflite-runtime": "loads and runs"}, True),
    ],
)
def test_what_runtimes_say_decides(answers: dict[str, str], refused: bool) -> None:
    found = replace(audit_flatbuffer(chain([64, 64], [([0], [1])], [0], [1])), runtimes=answers)
    harms = "hangs" in str(answers) or "crashes" in str(answers)
    # Its op may come with the program that it was made for.
    for not_builtin, expected in (((), refused), (("Nothing",), harms)):
        given = replace(found, not_builtin=not_builtin)
        if not expected:
            refuse_unloadable(given)
            continue
        with pytest.raises(GateError, match="should load and run") as error:
            refuse_unloadable(given)
        assert all(f"{name} {answer}" in str(error.value) for name, answer in answers.items())


def test_crash_of_a_runtime_is_an_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    statement = (
        "import os, sys\nif 'har_convert.auditing.try_runtime' in sys.orig_argv:\n    os.abort()\n"
    )
    (tmp_path / "sitecustomize.py").write_text(statement, encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    assert try_runtime("litert", [ASSETS / "tiny-int8.tflite"]) == "crashes (signal 6)"


@pytest.mark.parametrize(
    ("name", "status"), [("hang-1", 3), ("crash-segv-1", 1), ("crash-abrt-1", 1)]
)
def test_hostile_files_are_refused(
    name: str, status: int, capsys: pytest.CaptureFixture[str]
) -> None:
    path = CASES / f"{name}.tflite"
    if not path.is_file():
        pytest.skip("the shared cases are not at hand")
    found, _, err = command_of(capsys, path)
    assert found == status
    assert ("crashes" if status == 1 else "litert refuses it") in err


@pytest.mark.parametrize("scale", [math.nan, math.inf])
def test_a_scale_that_is_no_number_is_refused(foreign: bytes, scale: float) -> None:
    model = schema.ModelT.InitFromPackedBuf(bytearray(foreign), 0)
    quantization = schema.QuantizationParametersT()
    quantization.scale, quantization.zeroPoint = [scale], [0]
    model.subgraphs[0].tensors[model.subgraphs[0].inputs[0]].quantization = quantization
    with pytest.raises(ModelFileError, match="damaged"):
        audit_flatbuffer(pack_model(model))


def test_a_file_that_ends_the_process_is_refused(tmp_path: Path) -> None:
    file = read_model_file(BUNDLED_FOLDER / "golden" / "tiny-int8.tflite")
    network = bytearray(file.flatbuffer)
    network[16340], network[20310] = 0, 1  # LiteRT aborts on these
    path = tmp_path / "crash.tflite"
    path.write_bytes(pack_model_file(bytes(network), file.spec))
    with pytest.raises(ModelFileError, match="crash"):
        audit(path)
