"""Runtimes behind one small protocol: run a named signature, arrays in, arrays out."""

from __future__ import annotations

import importlib
import importlib.metadata
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Protocol, TypedDict

import numpy as np
from numpy.typing import NDArray

from har_edge.arrays import FloatArray
from har_edge.errors import BackendError
from har_edge.model.native_log import native_log_muted
from har_edge.model.xnnpack import int8_delegates

# Of whatever numbers a network stores.
Array = NDArray[np.integer | np.floating]

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
    """A loaded model with the signatures `encode` and `classify`."""

    name: str
    version: str

    def encode(self, frame: Array) -> Array:
        """Frame (1, H, W, 3), pixel values 0..255, to features (1, D) float32."""

    def classify(self, features: Array) -> Array:
        """Features (1, T, D) float32 to probabilities (1, C) float32."""


class _Tensor(TypedDict):
    """What is used of a tensor's details: real value = scale * (stored - zero point)."""

    dtype: type[np.integer | np.floating]
    quantization: tuple[float, int]


class _SignatureRunner(Protocol):
    """What is used of an interpreter's runner of one signature."""

    def __call__(self, **inputs: Array) -> dict[str, Array]: ...
    def get_input_details(self) -> dict[str, _Tensor]: ...
    def get_output_details(self) -> dict[str, _Tensor]: ...


class _Interpreter(Protocol):
    """What is used of the interpreters of both packages."""

    def get_signature_runner(self, signature_key: str) -> _SignatureRunner: ...


class _OnnxInput(Protocol):
    name: str
    type: str


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
    """

    def __init__(self, name: str, flatbuffer: bytes, *, num_threads: int = 1) -> None:
        """Load a flatbuffer.

        Args:
            name: A key of `TFLITE_RUNTIMES`.
            flatbuffer: The network.
            num_threads: Threads of the runtime, at least 1.

        Raises:
            BackendError: if the runtime is missing or refuses the network, or a signature
                is missing.
        """
        _, distribution = TFLITE_RUNTIMES[name]
        module = import_runtime(name)
        self.name = name
        self.version = importlib.metadata.version(distribution)
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
            present = interpreter.get_signature_list()
        except (RuntimeError, ValueError) as error:
            raise BackendError(
                f"{name} {self.version} rejects this model: {error}. Update the runtime, or "
                "convert the model again for an older one."
            ) from error
        for signature, (source, target) in SIGNATURES.items():
            found = present.get(signature)
            if found is None or found["inputs"] != [source] or found["outputs"] != [target]:
                raise BackendError(
                    f"The model should have a signature {signature}({source}) -> {target}. "
                    f"Received {present}. Make the file with har-convert."
                )
        self.interpreter = interpreter
        self.encode = _runner(interpreter, "encode")
        self.classify = _runner(interpreter, "classify")


def _runner(interpreter: _Interpreter, signature: str) -> Callable[[Array], Array]:
    """Wrap a signature as a function of one array, quantizing where the file asks for it."""
    source, target = SIGNATURES[signature]
    runner = interpreter.get_signature_runner(signature)
    to_input = _quantizer(runner.get_input_details()[source])
    to_output = _dequantizer(runner.get_output_details()[target])

    def run(array: Array) -> Array:
        return to_output(runner(**{source: to_input(array)})[target])

    return run


class OnnxBackend:
    """onnxruntime with the two networks of an ONNX pair."""

    def __init__(self, networks: tuple[bytes, bytes], *, num_threads: int = 1) -> None:
        """Load the networks of `encode` and `classify`.

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
            self.encode, self.classify = (
                _onnx_runner(
                    module.InferenceSession(network, options, providers=["CPUExecutionProvider"]),
                    *SIGNATURES[signature],
                )
                for network, signature in zip(networks, SIGNATURES, strict=True)
            )
        # onnxruntime's errors share no base class of their own.
        except Exception as error:
            raise BackendError(
                f"onnxruntime {self.version} rejects this model: {error}. Update the runtime, "
                "or convert the model again."
            ) from error


def _onnx_runner(session: _OnnxSession, source: str, target: str) -> Callable[[Array], Array]:
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
        return np.asarray(session.run([target], {source: array})[0])

    return run


def _quantizer(tensor: _Tensor) -> Callable[[Array], Array]:
    """Conversion of real values to what an input tensor stores."""
    dtype = np.dtype(tensor["dtype"])
    scale, zero_point = tensor["quantization"]
    if scale == 0:
        return lambda array: array.astype(dtype, copy=False)
    limits = np.iinfo(dtype)

    def quantize(array: Array) -> Array:
        # Pixels go straight in where the file stores them as they are.
        if array.dtype == dtype and scale == 1 and zero_point == 0:
            return array
        stored: FloatArray = np.rint(array * np.float32(1 / scale))
        stored += zero_point
        return np.clip(stored, limits.min, limits.max, out=stored).astype(dtype)

    return quantize


def _dequantizer(tensor: _Tensor) -> Callable[[Array], Array]:
    """Conversion of what an output tensor stores to real values, float32."""
    scale, zero_point = tensor["quantization"]
    if scale == 0:
        return lambda array: array
    return lambda array: (array.astype(np.float32) - np.float32(zero_point)) * np.float32(scale)


def import_runtime(name: str) -> ModuleType:
    """Import the module of a runtime of `RUNTIMES`.

    Raises:
        BackendError: if it is missing or does not load.
    """
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
    networks: bytes | tuple[bytes, ...], *, backend: str = "auto", num_threads: int = 1
) -> Backend:
    """Load a network with the given runtime, or with the first that is installed.

    Args:
        networks: A TFLite flatbuffer, alone or in a tuple, or the two networks of an ONNX pair.
        backend: `auto` or one of `RUNTIMES`.
        num_threads: Threads of the runtime, at least 1.

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
    fitting = (ONNX_RUNTIME,) if len(networks) == 2 else tuple(TFLITE_RUNTIMES)
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
            encode, classify = networks
            return OnnxBackend((encode, classify), num_threads=num_threads)
        return TfliteBackend(name, networks[0], num_threads=num_threads)
    raise BackendError(" ".join(reasons))
