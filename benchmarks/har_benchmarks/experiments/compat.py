"""Private names of LiteRT's Python package that experiments use, as seen in ai-edge-litert 2.3."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Protocol


class _Wrapper(Protocol):
    """The package's native interpreter."""

    def Invoke(self, subgraph: int) -> object:  # noqa: N802
        """Run one network on what lies in its inputs."""


class SignatureRunner(Protocol):
    """What `Interpreter.get_signature_runner` gives."""

    _interpreter_wrapper: _Wrapper
    _subgraph_index: int


def invocation(runner: SignatureRunner) -> Callable[[], object]:
    """The bare call of a signature: its inputs in place, its outputs not read."""
    return partial(runner._interpreter_wrapper.Invoke, runner._subgraph_index)
