"""Runtimes behind one small protocol: run a named signature, arrays in, arrays out."""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from types import ModuleType
from typing import Protocol

import numpy as np

from har_edge.errors import BackendError
from har_edge.model.formats import is_flatbuffer
from har_edge.model.native_log import native_log_muted
from har_edge.model.tensors import (
    RENEW,
    Array,
    Shape,
    Tensor,
    dequantizer,
    quantizer,
    tensor_shape,
)
from har_edge.model.xnnpack import int8_delegates

# Name -> (module with the class Interpreter, distribution). First is preferred: LiteRT is
# maintained and the faster.
TFLITE_RUNTIMES = {
    "litert": ("ai_edge_litert.interpreter", "ai-edge-litert"),
    "tflite-runtime": ("tflite_runtime.interpreter", "tflite-runtime"),
}
ONNX_RUNTIME = "onnxruntime"
RUNTIMES = (*TFLITE_RUNTIMES, ONNX_RUNTIME)
SIGNATURES = {"encode": ("frame", "features"), "classify": ("features", "probabilities")}


class Backend(Protocol):
    """A loaded model with the signatures `encode` and `classify`, or `classify` alone."""

    name: str

    @property
    def version(self) -> str:
        """Version of the package that is installed."""

    def encode(self, frame: Array) -> Array:
        """Frame (1, H, W, 3), pixel values 0..255, to features (1, D) float32.

        Raises:
            BackendError: if the model has no such signature.
        """

    def classify(self, features: Array) -> Array:
        """Features (1, T, D) float32 to probabilities (1, C) float32."""


class _SignatureRunner(Protocol):
    """What is used of an interpreter's runner of one signature."""

    def __call__(self, **inputs: Array) -> dict[str, Array]: ...
    def get_input_details(self) -> dict[str, Tensor]: ...
    def get_output_details(self) -> dict[str, Tensor]: ...


class _Interpreter(Protocol):
    """What is used of the interpreters of both packages."""

    def get_signature_list(self) -> dict[str, dict[str, list[str]]]: ...
    def get_signature_runner(self, signature_key: str) -> _SignatureRunner: ...


class _OnnxInput(Protocol):
    name: str
    type: str
    shape: list[int | str | None]


class _OnnxSession(Protocol):
    """What is used of onnxruntime's InferenceSession."""

    def get_inputs(self) -> list[_OnnxInput]: ...
    def get_outputs(self) -> list[_OnnxInput]: ...
    def run(self, outputs: list[str], inputs: Mapping[str, Array]) -> list[Array]: ...


class TfliteBackend:
    """LiteRT or tflite-runtime: two packages, one Interpreter API.

    Not thread-safe, like the interpreter it holds.

    Attributes:
        interpreter: The package's own interpreter, its tensors allocated.
        shapes: Signature -> shapes of what it takes and gives.
    """

    def __init__(
        self,
        name: str,
        flatbuffer: bytes,
        *,
        num_threads: int = 1,
        signatures: Sequence[str] = tuple(SIGNATURES),
    ) -> None:
        """Load a flatbuffer.

        Args:
            name: A key of `TFLITE_RUNTIMES`.
            flatbuffer: The network.
            num_threads: Threads of the runtime, at least 1.
            signatures: Those of `SIGNATURES` that it has.

        Raises:
            BackendError: if the runtime is missing or refuses the network, or it has other
                signatures of these.
        """
        module = import_runtime(name)
        self.name = name
        try:
            with native_log_muted():
                delegates = (
                    int8_delegates(module, num_threads) if name == "tflite-runtime" else None
                )
                interpreter = module.Interpreter(
                    model_content=flatbuffer,
                    num_threads=num_threads,
                    experimental_delegates=delegates,
                )
                # Before a signature is asked for: tflite-runtime applies XNNPACK only here, and
                # runs float32 8 times slower without it.
                interpreter.allocate_tensors()
            self._take_signatures(interpreter, signatures)
        except BackendError:
            raise
        # A damaged network makes the package's Python raise whatever comes to it.
        except Exception as error:
            raise BackendError(
                f"{name} {self.version} rejects this model: {error}. Update the runtime, or "
                "convert the model again for an older one."
            ) from error
        self.interpreter = interpreter

    @cached_property
    def version(self) -> str:
        """Version of the package that is installed."""
        import importlib.metadata  # takes as long to load as the model, and few ask

        _, distribution = TFLITE_RUNTIMES[self.name]
        return importlib.metadata.version(distribution)

    def _take_signatures(self, interpreter: _Interpreter, signatures: Sequence[str]) -> None:
        present = interpreter.get_signature_list()
        for signature, (source, target) in SIGNATURES.items():
            found = present.get(signature)
            if signature not in signatures:
                if found is None:
                    continue
                raise BackendError(
                    f"The model should have no signature but {' and '.join(signatures)}. Received "
                    f"{present}. Make the file with har-convert."
                )
            if found is None or found["inputs"] != [source] or found["outputs"] != [target]:
                raise BackendError(
                    f"The model should have a signature {signature}({source}) -> {target}. "
                    f"Received {present}. Make the file with har-convert."
                )
        runners = {name: _runner(interpreter, name) for name in signatures}
        self.shapes = {name: shapes for name, (_, shapes) in runners.items()}
        self.encode = runners["encode"][0] if "encode" in runners else encode_nothing
        self.classify = runners["classify"][0]


def encode_nothing(frame: Array) -> Array:
    """Stand for the `encode` of a model without one.

    Raises:
        BackendError: always.
    """
    raise BackendError(
        "This model has no encode: it knows people by their pose and motion, and looks at no "
        f"pixels. Received a frame of shape {frame.shape}. Give windows of rows to classify."
    )


def _runner(
    interpreter: _Interpreter, signature: str
) -> tuple[Callable[[Array], Array], tuple[Shape, Shape]]:
    """Wrap a signature as a function of one array, quantizing where the file asks for it."""
    source, target = SIGNATURES[signature]
    runner = interpreter.get_signature_runner(signature)
    given, taken = runner.get_input_details()[source], runner.get_output_details()[target]
    to_input, to_output = quantizer(given), dequantizer(taken)

    def run(array: Array) -> Array:
        try:
            return to_output(runner(**{source: to_input(array)})[target])
        except (RuntimeError, ValueError) as error:
            raise BackendError(f"The network fails in {signature}: {error}. {RENEW}") from error

    return run, (tensor_shape(given), tensor_shape(taken))


class OnnxBackend:
    """onnxruntime with the networks of an ONNX model, one for each signature.

    Attributes:
        shapes: Signature -> shapes of what it takes and gives.
    """

    def __init__(
        self,
        networks: Sequence[bytes],
        *,
        num_threads: int = 1,
        signatures: Sequence[str] = tuple(SIGNATURES),
    ) -> None:
        """Load the networks.

        Args:
            networks: One for each of the signatures, in their order.
            num_threads: Threads of the runtime, at least 1.
            signatures: Those of `SIGNATURES` that the model has.

        Raises:
            BackendError: if the runtime is missing or refuses a network.
        """
        module = import_runtime(ONNX_RUNTIME)
        self.name = ONNX_RUNTIME
        self.version = str(module.__version__)
        options = module.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = num_threads, 1
        options.log_severity_level = 3  # errors; its warnings are of no use to a user
        try:
            runners = {
                signature: _onnx_runner(
                    module.InferenceSession(
                        network,
                        options,
                        providers=["CPUExecutionProvider"],
                        enable_fallback=0,  # which is said on standard output
                    ),
                    *SIGNATURES[signature],
                )
                for network, signature in zip(networks, signatures, strict=True)
            }
        # onnxruntime's errors share no base class of their own.
        except Exception as error:
            raise BackendError(
                f"onnxruntime {self.version} rejects this model: {error}. Update the runtime, "
                "or convert the model again."
            ) from error
        self.shapes = {name: shapes for name, (_, shapes) in runners.items()}
        self.encode = runners["encode"][0] if "encode" in runners else encode_nothing
        self.classify = runners["classify"][0]


def _onnx_runner(
    session: _OnnxSession, source: str, target: str
) -> tuple[Callable[[Array], Array], tuple[Shape, Shape]]:
    """Wrap a session as a function of one array."""
    (given,) = session.get_inputs()
    if (given.name, [o.name for o in session.get_outputs()]) != (source, [target]):
        raise BackendError(
            f"the network should take {source} and give {target}. Received {given.name}"
        )
    dtype = np.uint8 if given.type == "tensor(uint8)" else np.float32

    def run(array: Array) -> Array:
        if array.dtype != dtype:
            array = array.astype(dtype)
        try:
            return np.asarray(session.run([target], {source: array})[0])
        # onnxruntime's errors share no base class of their own.
        except Exception as error:
            raise BackendError(f"The network fails in {target}: {error}. {RENEW}") from error

    return run, (_onnx_shape(given), _onnx_shape(session.get_outputs()[0]))


def _onnx_shape(tensor: _OnnxInput) -> Shape:
    return tuple(n if isinstance(n, int) else -1 for n in tensor.shape)


def import_runtime(name: str) -> ModuleType:
    """Import the module of a runtime of `RUNTIMES`; nothing else of ours imports one.

    Raises:
        BackendError: if it is missing or does not load.
    """
    # onnxruntime's wheels look for a collector on the internet as soon as they are imported, and
    # leave a number of this device in the home folder. Source: its Privacy.md.
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    module_name = TFLITE_RUNTIMES.get(name, (name,))[0]
    try:
        return importlib.import_module(module_name)
    except ImportError as error:
        missing = isinstance(error, ModuleNotFoundError)
        problem = "is not installed" if missing else f"cannot be loaded ({error})"
        extra, where = {
            "litert": ("", "64-bit systems"),
            "tflite-runtime": ("[tflite-runtime]", "Python 3.11 or older"),
        }.get(name, ("[onnx]", "64-bit systems"))
        raise BackendError(
            f'The runtime {name} {problem}. Run: pip install "har-edge{extra}" ({where}).'
        ) from error


def available_backends() -> list[str]:
    """Names of the runtimes that load on this machine, preferred first."""
    found = []
    for name in RUNTIMES:
        try:
            import_runtime(name)
        except BackendError:
            continue
        found.append(name)
    return found


def load_backend(
    networks: bytes | tuple[bytes, ...],
    *,
    backend: str = "auto",
    num_threads: int = 1,
    signatures: Sequence[str] = tuple(SIGNATURES),
) -> TfliteBackend | OnnxBackend:
    """Load a network in the runtime asked for, or in the first that is installed.

    Args:
        networks: A TFLite flatbuffer, alone or in a tuple, or the networks of an ONNX model, one
            for each signature.
        backend: `auto` or one of `RUNTIMES`.
        num_threads: Threads of the runtime, at least 1.
        signatures: Those of `SIGNATURES` that the model has.

    Raises:
        BackendError: if no runtime for it is installed, or the runtime refuses it.
    """
    if num_threads < 1:
        raise BackendError(f"num_threads must be at least 1. Received {num_threads}.")
    if backend not in ("auto", *RUNTIMES):
        raise BackendError(
            f"backend must be auto or one of {', '.join(RUNTIMES)}. Received {backend!r}."
        )
    networks = (networks,) if isinstance(networks, bytes) else networks
    flat = len(networks) == 1 and is_flatbuffer(networks[0])
    fitting = tuple(TFLITE_RUNTIMES) if flat else (ONNX_RUNTIME,)
    if backend not in ("auto", *fitting):
        raise BackendError(
            f"{backend} cannot run this kind of model. Use {' or '.join(fitting)}, or auto."
        )
    reasons = []
    for name in fitting if backend == "auto" else (backend,):
        try:
            import_runtime(name)
        except BackendError as error:
            reasons.append(str(error))
            continue
        if name == ONNX_RUNTIME:
            return OnnxBackend(networks, num_threads=num_threads, signatures=signatures)
        return TfliteBackend(name, networks[0], num_threads=num_threads, signatures=signatures)
    raise BackendError(" ".join(reasons))
