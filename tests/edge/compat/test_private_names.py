"""Names that other libraries do not promise: which of them the installed releases lack."""

from __future__ import annotations

import atexit
import importlib

import pytest

from har_edge.compat import litert, python
from har_edge.model.runtimes import TFLITE_RUNTIMES
from tests.conftest import ASSETS
from tests.support.private_names import missing_names


def test_python_has_the_names_we_use() -> None:
    assert missing_names(python.PRIVATE_NAMES, {"atexit": atexit}) == {}


@pytest.mark.parametrize("runtime", TFLITE_RUNTIMES)
def test_the_runtime_has_the_names_we_use(runtime: str) -> None:
    module = pytest.importorskip(TFLITE_RUNTIMES[runtime][0])
    interpreter = module.Interpreter(model_path=str(ASSETS / "tiny-int8.tflite"))
    owners = {
        "module": importlib.import_module(TFLITE_RUNTIMES[runtime][0]),
        "Interpreter": interpreter,
        "SignatureRunner": interpreter.get_signature_runner("encode"),
    }
    assert missing_names(litert.PRIVATE_NAMES, owners) == {}


def test_a_name_that_is_gone_is_named() -> None:
    table = {"atexit": ("register", "_no_such_name")}
    assert missing_names(table, {"atexit": atexit}) == {"atexit": ["_no_such_name"]}
