"""What we use of LiteRT and of tflite-runtime that they do not document.

Both bring TensorFlow Lite's Python interpreter, under two names.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Protocol, TypedDict

# Owner -> names. Seen in ai-edge-litert 1.4 to 2.3 and in tflite-runtime 2.14.
PRIVATE_NAMES = {
    "module": ("_interpreter_wrapper",),
    "Interpreter": ("_get_ops_details",),
    "SignatureRunner": ("_interpreter_wrapper", "_subgraph_index"),
}


class OpDetails(TypedDict):
    """One op as it will run; what a delegate took over is one op `DELEGATE`."""

    index: int
    op_name: str
    inputs: Sequence[int]
    outputs: Sequence[int]


class _Interpreter(Protocol):
    def _get_ops_details(self) -> list[OpDetails]: ...


class _Native(Protocol):
    def Invoke(self, subgraph: int) -> None: ...  # noqa: N802


class _SignatureRunner(Protocol):
    _interpreter_wrapper: _Native
    _subgraph_index: int


def native_library(interpreter_module: ModuleType) -> str:
    """Path of the library behind `…_runtime.interpreter`; XNNPACK's functions lie in it."""
    return str(interpreter_module._interpreter_wrapper.__file__)


def ops_of(interpreter: _Interpreter) -> list[OpDetails]:
    """The ops of an interpreter's first subgraph, in order of execution.

    Raises:
        AttributeError: if this release does not tell.
    """
    return interpreter._get_ops_details()


def bare_call(runner: _SignatureRunner) -> Callable[[], None]:
    """A signature's call without what goes in and comes out, as LiteRT's own benchmark times it."""
    native, subgraph = runner._interpreter_wrapper, runner._subgraph_index
    return lambda: native.Invoke(subgraph)
