"""Run a model file once on zeros: `python -m har_convert.auditing.try_runtime RUNTIME FILE...`.

A program of its own, for a runtime may end the process on a file that it does not understand.
Exit code 0 if all went well; the last line of standard error says why not.
"""

from __future__ import annotations

import resource
import sys
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import DTypeLike, NDArray

from har_edge.model.runtimes import ONNX_RUNTIME, import_runtime

# Memory that it may take beside this many times the file.
LIMIT_BYTES, LIMIT_TIMES = 2 << 30, 16


def main() -> None:
    """Try each file."""
    name, *paths = sys.argv[1:]
    limit = LIMIT_BYTES + LIMIT_TIMES * sum(Path(path).stat().st_size for path in paths)
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    for path in paths:
        try:
            (_try_onnx if name == ONNX_RUNTIME else _try_tflite)(name, path)
        # Whatever a runtime raises is its answer.
        except Exception as error:
            sys.exit(" ".join(str(error).split()) or type(error).__name__)


def _try_tflite(name: str, path: str) -> None:
    module = import_runtime(name)
    interpreter = module.Interpreter(model_path=path, num_threads=1)
    interpreter.allocate_tensors()
    signatures = interpreter.get_signature_list()
    for key in signatures:
        runner = interpreter.get_signature_runner(key)
        runner(**{n: _zeros(d["shape"], d["dtype"]) for n, d in runner.get_input_details().items()})
    if not signatures:
        for detail in interpreter.get_input_details():
            interpreter.set_tensor(detail["index"], _zeros(detail["shape"], detail["dtype"]))
        interpreter.invoke()


def _try_onnx(name: str, path: str) -> None:
    module = import_runtime(name)
    session = module.InferenceSession(path, providers=["CPUExecutionProvider"])
    types = {"tensor(uint8)": np.uint8, "tensor(int64)": np.int64, "tensor(int8)": np.int8}
    inputs = {}
    for given in session.get_inputs():
        shape = [n if isinstance(n, int) else 1 for n in given.shape]
        inputs[given.name] = _zeros(shape, types.get(given.type, np.float32))
    session.run(None, inputs)


def _zeros(shape: Iterable[int], dtype: DTypeLike) -> NDArray[np.generic]:
    return np.zeros([max(1, int(n)) for n in shape], dtype)


if __name__ == "__main__":
    main()
