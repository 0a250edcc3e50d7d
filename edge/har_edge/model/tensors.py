"""What a network stores, and the real numbers that it stands for."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypedDict

import numpy as np
from numpy.typing import NDArray

from har_edge.arrays import FloatArray
from har_edge.errors import BackendError

RENEW = "Copy the model again, or convert it again."
# Of whatever numbers a network stores.
Array = NDArray[np.integer | np.floating]
# Sizes of a tensor; -1 where any will do.
Shape = tuple[int, ...]


class Tensor(TypedDict):
    """What is used of a tensor's details: real value = scale * (stored - zero point)."""

    dtype: type[np.integer | np.floating]
    shape: NDArray[np.int32]
    shape_signature: NDArray[np.int32]
    quantization: tuple[float, int]


def tensor_shape(tensor: Tensor) -> Shape:
    """Sizes of a tensor; -1 where any will do."""
    # The signature has -1 where a size is free; without any it is empty.
    sizes = tensor["shape_signature"]
    return tuple(map(int, sizes if len(sizes) else tensor["shape"]))


def quantizer(tensor: Tensor) -> Callable[[Array], Array]:
    """Conversion of real values to what an input tensor stores."""
    dtype = np.dtype(tensor["dtype"])
    scale, zero_point = tensor["quantization"]
    _check_numbers(dtype, scale)
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


def dequantizer(tensor: Tensor) -> Callable[[Array], Array]:
    """Conversion of what an output tensor stores to real values, float32."""
    scale, zero_point = tensor["quantization"]
    _check_numbers(np.dtype(tensor["dtype"]), scale)
    if scale == 0:
        return lambda array: array
    return lambda array: (array.astype(np.float32) - np.float32(zero_point)) * np.float32(scale)


def _check_numbers(dtype: np.dtype[np.generic], scale: float) -> None:
    """Check that a tensor stores real numbers, and that only whole ones are scaled."""
    if dtype.kind not in ("iu" if scale else "iuf") or not 0 <= scale < float("inf"):
        raise BackendError(
            f"The network's tensors should be real numbers. Received {dtype} scaled by {scale}. "
            f"{RENEW}"
        )
