"""A TFLite network as it is, whatever it takes and gives: detectors of others are run by this."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np

from har_edge.errors import BackendError
from har_edge.model.native_log import native_log_muted
from har_edge.model.runtimes import TFLITE_RUNTIMES, import_runtime
from har_edge.model.tensors import RENEW, Array, Tensor, dequantizer, quantizer, tensor_shape
from har_edge.model.xnnpack import int8_delegates


class TensorDetails(Tensor):
    """What is used of the details of an interpreter's own tensors."""

    index: int


class _Runner(Protocol):
    def __call__(self, **inputs: Array) -> Mapping[str, Array]: ...
    def get_input_details(self) -> Mapping[str, Tensor]: ...
    def get_output_details(self) -> Mapping[str, Tensor]: ...


class _Interpreter(Protocol):
    """What is used of the interpreters of both packages."""

    def get_signature_list(self) -> Mapping[str, object]: ...
    def get_signature_runner(self, signature_key: str) -> _Runner: ...
    def get_input_details(self) -> Sequence[TensorDetails]: ...
    def get_output_details(self) -> Sequence[TensorDetails]: ...
    def resize_tensor_input(self, index: int, shape: Sequence[int]) -> None: ...
    def allocate_tensors(self) -> None: ...
    def set_tensor(self, index: int, value: Array) -> None: ...
    def invoke(self) -> None: ...
    def get_tensor(self, index: int) -> Array: ...


class Network:
    """A network of one picture: pixels in, arrays out.

    Not thread-safe, like the interpreter it holds.

    Attributes:
        signatures: Names of its signatures.
        input_shape: Of the picture, (1, H, W, 3); -1 where any size will do.
        input_floats: Whether it takes real numbers, whose range is not written anywhere.
        output_shapes: Of what it gives, in order.
    """

    def __init__(
        self, flatbuffer: bytes, *, backend: str = "auto", num_threads: int = 1, shown: str = "It"
    ) -> None:
        """Load a flatbuffer.

        Args:
            flatbuffer: The network.
            backend: A key of `TFLITE_RUNTIMES`; anything else stands for the first installed.
            num_threads: Threads of the runtime.
            shown: The file that it came from, for messages.

        Raises:
            BackendError: if no runtime is there, or it refuses the network.
        """
        self._shown = shown
        self._interpreter = _load(flatbuffer, backend, num_threads, shown)
        self.signatures = tuple(self._interpreter.get_signature_list())
        self._describe()

    def _describe(self) -> None:
        given, taken = (
            self._interpreter.get_input_details(),
            self._interpreter.get_output_details(),
        )
        if len(given) != 1:
            raise BackendError(
                f"{self._shown} should take one picture. Received a network with {len(given)} "
                "inputs. Use another file."
            )
        self._given, self._taken = given[0], taken
        self.input_shape = tensor_shape(given[0])
        self.input_floats = np.dtype(given[0]["dtype"]).kind == "f"
        self.output_shapes = tuple(map(tensor_shape, taken))
        self._to_outputs = [dequantizer(tensor) for tensor in taken]

    def resize(self, height: int, width: int) -> None:
        """Fix the size of the picture, where any will do.

        Raises:
            BackendError: if the network cannot have it.
        """
        try:
            self._interpreter.resize_tensor_input(self._given["index"], (1, height, width, 3))
            self._interpreter.allocate_tensors()
        except (RuntimeError, ValueError) as error:
            raise BackendError(f"{self._shown} fails: {error}. {RENEW}") from error
        self._describe()
        self.input_shape = (1, height, width, 3)

    def run(self, picture: Array) -> list[Array]:
        """Run it on a picture, (1, H, W, 3); gives real values, in order.

        Networks of others state all kinds of scales for pixels, and mean the same by them: a whole
        number that is stored is a level of 256, from 0 or from -128.

        Raises:
            BackendError: if it fails.
        """
        interpreter = self._interpreter
        try:
            interpreter.set_tensor(self._given["index"], self._stored(picture))
            interpreter.invoke()
            found = [interpreter.get_tensor(tensor["index"]) for tensor in self._taken]
        except (RuntimeError, ValueError) as error:
            raise BackendError(f"{self._shown} fails: {error}. {RENEW}") from error
        return [convert(array) for convert, array in zip(self._to_outputs, found, strict=True)]

    def _stored(self, picture: Array) -> Array:
        dtype = np.dtype(self._given["dtype"])
        if dtype == np.int8:
            return (picture.astype(np.int16) - 128).astype(np.int8)
        return picture.astype(dtype, copy=False)

    def signature(self, name: str) -> SignatureNetwork:
        """One of its signatures, as a network of one input and one output."""
        return SignatureNetwork(name, self._interpreter.get_signature_runner(name), self._shown)


class SignatureNetwork:
    """A signature of one input and one output.

    Attributes:
        input_name, output_name: Of its tensors.
        input_shape, output_shape: Of these.
    """

    def __init__(self, name: str, runner: _Runner, shown: str) -> None:
        self._name, self._runner, self._shown = name, runner, shown
        inputs, outputs = runner.get_input_details(), runner.get_output_details()
        if len(inputs) != 1 or len(outputs) != 1:
            raise BackendError(
                f"{shown}: {name} should have one input and one output. Received {len(inputs)} "
                f"and {len(outputs)}. {RENEW}"
            )
        (self.input_name, given), (self.output_name, taken) = (
            next(iter(details.items())) for details in (inputs, outputs)
        )
        self.input_shape, self.output_shape = tensor_shape(given), tensor_shape(taken)
        self._to_input, self._to_output = quantizer(given), dequantizer(taken)

    def run(self, picture: Array) -> Array:
        """Run it on real values; gives real values.

        Raises:
            BackendError: if it fails.
        """
        try:
            return self._to_output(
                self._runner(**{self.input_name: self._to_input(picture)})[self.output_name]
            )
        except (RuntimeError, ValueError) as error:
            raise BackendError(f"{self._shown} fails in {self._name}: {error}. {RENEW}") from error


def _load(flatbuffer: bytes, backend: str, num_threads: int, shown: str) -> _Interpreter:
    names = (backend,) if backend in TFLITE_RUNTIMES else tuple(TFLITE_RUNTIMES)
    reasons = []
    for name in names:
        try:
            module = import_runtime(name)
        except BackendError as error:
            reasons.append(str(error))
            continue
        try:
            with native_log_muted():
                delegates = (
                    int8_delegates(module, num_threads) if name == "tflite-runtime" else None
                )
                interpreter: _Interpreter = module.Interpreter(
                    model_content=flatbuffer,
                    num_threads=num_threads,
                    experimental_delegates=delegates,
                )
                interpreter.allocate_tensors()
        # A damaged network makes the package's Python raise whatever comes to it.
        except Exception as error:
            raise BackendError(
                f"{name} rejects {shown}: {error}. Use another file, or update the runtime."
            ) from error
        return interpreter
    raise BackendError(" ".join(reasons))
