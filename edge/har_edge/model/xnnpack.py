"""XNNPACK's int8 kernels in tflite-runtime, whose wheels have them but leave them off.

By default the wheel's XNNPACK takes float operators only, so that int8 files run on the built-in
kernels: 8 times slower on x86-64, and rounded twice where XNNPACK rounds once. Its library
exports the delegate's C interface, though
(https://github.com/tensorflow/tensorflow/blob/v2.14.0/tensorflow/lite/delegates/xnnpack/xnnpack_delegate.h),
through which the delegate is made here as LiteRT makes it.
"""

from __future__ import annotations

import ctypes
from types import ModuleType

from har_edge.compat.litert import native_library

SIGNED_8_BIT = 1 << 0  # TFLITE_XNNPACK_DELEGATE_FLAG_QS8
UNSIGNED_8_BIT = 1 << 1  # TFLITE_XNNPACK_DELEGATE_FLAG_QU8


class _Options(ctypes.Structure):
    """TfLiteXNNPackDelegateOptions; all that versions added behind these two is off at zero."""

    _fields_ = (
        ("num_threads", ctypes.c_int32),
        ("flags", ctypes.c_uint32),
        ("others", ctypes.c_uint64 * 8),
    )


class Int8Delegate:
    """XNNPACK with its default operators and the quantized ones.

    An interpreter takes it in `experimental_delegates` and keeps it as long as it lives.
    """

    def __init__(self, library: ctypes.CDLL, num_threads: int) -> None:
        """Make the delegate.

        Args:
            library: tflite-runtime's native part.
            num_threads: Threads of the runtime, at least 1.

        Raises:
            AttributeError: if the library was built without XNNPACK, as on 32-bit ARM.
            RuntimeError: if XNNPACK does not know this processor.
        """
        self._delete = library.TfLiteXNNPackDelegateDelete
        self._delete.argtypes, self._delete.restype = [ctypes.c_void_p], None
        create = library.TfLiteXNNPackDelegateCreate
        create.argtypes, create.restype = [ctypes.POINTER(_Options)], ctypes.c_void_p
        get_flags = library.TfLiteXNNPackDelegateGetFlags
        get_flags.argtypes, get_flags.restype = [ctypes.c_void_p], ctypes.c_uint32

        self._pointer = create(None)  # of the default options
        if not self._pointer:
            raise RuntimeError("XNNPACK is not for this processor")
        flags = get_flags(self._pointer) | SIGNED_8_BIT | UNSIGNED_8_BIT
        self._delete(self._pointer)
        self._pointer = create(ctypes.byref(_Options(num_threads, flags)))

    def _get_native_delegate_pointer(self) -> int:
        """Return the pointer that the interpreter asks for, as `tflite_runtime.Delegate` does."""
        return int(self._pointer)

    def __del__(self) -> None:
        if getattr(self, "_pointer", None):
            self._delete(self._pointer)


def int8_delegates(runtime: ModuleType, num_threads: int) -> list[Int8Delegate]:
    """Make what tflite-runtime's interpreter needs to run int8 files on XNNPACK.

    Args:
        runtime: The module `tflite_runtime.interpreter`.
        num_threads: Threads of the runtime, at least 1.

    Returns:
        The delegate; nothing where the library has none: its own kernels run then.
    """
    try:
        return [Int8Delegate(ctypes.CDLL(native_library(runtime)), num_threads)]
    except (AttributeError, OSError, RuntimeError):
        return []
