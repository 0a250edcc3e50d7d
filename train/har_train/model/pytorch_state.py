"""Weights out of PyTorch's old file format, without PyTorch and without running a pickle.

A pickle is a program: whoever unpickles one runs it. This reads its instructions instead, one by
one, knows the two dozen that a file of weights needs, and builds nothing but texts, numbers,
tuples, lists, dicts and descriptions of tensors. Any other instruction or name is refused.

The file: four pickles (a magic number, the version, facts of the machine, the state: names to
tensors), a fifth with the keys of the storages, then each storage: its length as int64, and its
numbers.
"""

from __future__ import annotations

import io
import math
import pickletools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from har_edge.errors import DataError
from har_edge.paths import display_path
from har_train.model.types import Array

MAGIC, VERSION = 0x1950A86A20F9469CFC6C, 1001
# Four times the largest file that we know; a reader holds it in memory twice.
MAX_BYTES = 100_000_000
# Of each pickle; a network of 300 layers has 40,000.
MAX_INSTRUCTIONS = 500_000
NUMBERS: Mapping[str, np.dtype[np.generic]] = {
    "FloatStorage": np.dtype("<f4"), "LongStorage": np.dtype("<i8"),
}  # fmt: skip


def read_state(path: Path) -> dict[str, Array]:
    """Read the tensors of a file that PyTorch wrote in its format before version 1.6.

    Args:
        path: File such as `weights.pth`.

    Returns:
        Arrays by name, float32 or int64.

    Raises:
        DataError: if it is no such file, is damaged, or holds anything but weights.
    """
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise ValueError(f"it has {size} bytes, more than {MAX_BYTES}")
        return _read(io.BytesIO(path.read_bytes()))
    # What the file lacks or has too much of, in whatever part of it.
    except (OSError, ValueError, IndexError, KeyError, TypeError) as error:
        raise DataError(
            f"{display_path(path)} should be weights in PyTorch's format before version 1.6. "
            f"Received something else: {error}. Install the package it belongs to again."
        ) from error


def _read(file: io.BytesIO) -> dict[str, Array]:
    head = [_run(file), _run(file)]
    if head != [MAGIC, VERSION]:
        raise ValueError("it does not begin with PyTorch's magic number")
    machine = _run(file)
    if not isinstance(machine, dict) or machine.get("little_endian") is not True:
        raise ValueError("its numbers are not stored with their lowest byte first")
    state, keys = _run(file), _run(file)
    if not isinstance(state, dict) or not isinstance(keys, list):
        raise ValueError("its state is no table of tensors")
    tensors = {str(name): _tensor(value) for name, value in state.items()}
    storages = {tensor.storage.key: tensor.storage for tensor in tensors.values()}
    numbers = {str(key): _numbers(file, storages[str(key)]) for key in keys}
    return {name: tensor.cut(numbers[tensor.storage.key]) for name, tensor in tensors.items()}


@dataclass(frozen=True)
class _Name:
    """A name that a pickle asks for; only some, and none is ever called."""

    module: str
    name: str


ORDERED_DICT = _Name("collections", "OrderedDict")
REBUILD_TENSOR = _Name("torch._utils", "_rebuild_tensor_v2")
NAMES = {ORDERED_DICT, REBUILD_TENSOR, *(_Name("torch", name) for name in NUMBERS)}


@dataclass(frozen=True)
class _Storage:
    """Numbers further down in the file."""

    key: str
    dtype: np.dtype[np.generic]
    count: int


@dataclass(frozen=True)
class _Tensor:
    """A part of a storage: its shape, and the steps between numbers along each axis."""

    storage: _Storage
    first: int
    shape: tuple[int, ...]
    steps: tuple[int, ...]

    def cut(self, numbers: Array) -> Array:
        """Take it out of its storage's numbers."""
        pairs = zip(self.shape, self.steps, strict=True)
        last = self.first + sum((size - 1) * step for size, step in pairs)
        # Steps of 0 could make many numbers of one.
        if self.first < 0 or last >= len(numbers) or math.prod(self.shape) > len(numbers):
            raise ValueError("a tensor reaches beyond its storage")
        strides = [step * numbers.itemsize for step in self.steps]
        tensor = np.lib.stride_tricks.as_strided(numbers[self.first :], self.shape, strides)
        return np.ascontiguousarray(tensor).reshape(self.shape)


def _tensor(value: object) -> _Tensor:
    if not isinstance(value, _Tensor):
        raise ValueError(f"its state holds a {type(value).__name__} among the tensors")
    return value


def _numbers(file: io.BytesIO, storage: _Storage) -> Array:
    """Read the next storage."""
    count = int.from_bytes(file.read(8), "little")
    if count != storage.count:
        raise ValueError(f"a storage has {count} numbers, not {storage.count}")
    content = file.read(count * storage.dtype.itemsize)
    if len(content) != count * storage.dtype.itemsize:
        raise ValueError("it ends before its numbers do")
    return np.frombuffer(content, storage.dtype)


def _run(file: io.BytesIO) -> object:
    """Follow one pickle's instructions to its end."""
    machine = _Machine()
    for number, (instruction, argument, _) in enumerate(pickletools.genops(file)):
        if number >= MAX_INSTRUCTIONS:
            raise ValueError(f"a pickle in it has more than {MAX_INSTRUCTIONS} instructions")
        if instruction.name == "STOP":
            break
        machine.follow(instruction.name, argument)
    return machine.stack.pop()


class _Machine:
    """What a pickle's instructions work on: a stack, marks on it, and what is remembered."""

    def __init__(self) -> None:
        self.stack: list[object] = []
        self.marks: list[int] = []
        self.memory: dict[int, object] = {}

    def follow(self, name: str, argument: object) -> None:
        """Follow one instruction."""
        if name in VALUES:
            self.stack.append(argument if argument is not None else VALUES[name]())
        elif name in INSTRUCTIONS:
            INSTRUCTIONS[name](self, argument)
        elif name != "PROTO":
            raise ValueError(f"a pickle in it wants to do {name}, which weights do not need")

    def since_mark(self) -> list[object]:
        """Take everything above the last mark off the stack."""
        start = self.marks.pop()
        taken, self.stack[start:] = self.stack[start:], []
        return taken


def _mark(machine: _Machine, argument: object) -> None:
    machine.marks.append(len(machine.stack))


def _put(machine: _Machine, argument: object) -> None:
    assert isinstance(argument, int)
    machine.memory[argument] = machine.stack[-1]


def _get(machine: _Machine, argument: object) -> None:
    assert isinstance(argument, int)
    machine.stack.append(machine.memory[argument])


def _tuple(machine: _Machine, argument: object) -> None:
    machine.stack.append(tuple(machine.since_mark()))


def _tuple_of(count: int) -> Callable[[_Machine, object], None]:
    def make(machine: _Machine, argument: object) -> None:
        if len(machine.stack) < count:
            raise ValueError("a pickle in it takes more than there is")
        taken, machine.stack[-count:] = machine.stack[-count:], []
        machine.stack.append(tuple(taken))

    return make


def _append(machine: _Machine, argument: object) -> None:
    _extend(machine, [machine.stack.pop()])


def _appends(machine: _Machine, argument: object) -> None:
    _extend(machine, machine.since_mark())


def _extend(machine: _Machine, items: list[object]) -> None:
    target = machine.stack[-1]
    if not isinstance(target, list):
        raise ValueError("a pickle in it adds to something that is no list")
    target.extend(items)


def _set_item(machine: _Machine, argument: object) -> None:
    value, key = machine.stack.pop(), machine.stack.pop()
    _update(machine, [key, value])


def _set_items(machine: _Machine, argument: object) -> None:
    _update(machine, machine.since_mark())


def _update(machine: _Machine, items: list[object]) -> None:
    target = machine.stack[-1]
    if not isinstance(target, dict):
        raise ValueError("a pickle in it sets items of something that is no table")
    for key, value in zip(items[::2], items[1::2], strict=True):
        # Hashing other keys, such as tuples in tuples, could overflow the stack.
        if not isinstance(key, str):
            raise ValueError("a table in it has a key that is no text")
        target[key] = value


def _global(machine: _Machine, argument: object) -> None:
    module, _, name = str(argument).partition(" ")
    asked = _Name(module, name)
    if asked not in NAMES:
        raise ValueError(f"a pickle in it asks for {module}.{name}, which weights do not need")
    machine.stack.append(asked)


def _reduce(machine: _Machine, argument: object) -> None:
    """Describe what a call would have made: an empty table or a tensor."""
    arguments, asked = machine.stack.pop(), machine.stack.pop()
    if asked == ORDERED_DICT and arguments == ():
        machine.stack.append({})
    elif asked == REBUILD_TENSOR and isinstance(arguments, tuple) and len(arguments) >= 4:
        machine.stack.append(_describe(*arguments[:4]))
    else:
        raise ValueError("a pickle in it calls something that weights do not need")


def _describe(storage: object, first: object, shape: object, strides: object) -> _Tensor:
    if not isinstance(storage, _Storage) or not isinstance(first, int):
        raise ValueError("a tensor in it lies in no storage")
    return _Tensor(storage, first, _sizes(shape), _sizes(strides))


def _sizes(value: object) -> tuple[int, ...]:
    if not isinstance(value, tuple) or len(value) > 8:
        raise ValueError("a tensor in it has no shape")
    found = tuple(size for size in value if isinstance(size, int) and size >= 0)
    if len(found) != len(value):
        raise ValueError("a tensor in it has no shape")
    return found


def _persistent(machine: _Machine, argument: object) -> None:
    """Describe a storage: ("storage", type, key, place, count, None)."""
    match machine.stack.pop():
        case ("storage", _Name(name=kind), str(key), str(), int(count), None):
            machine.stack.append(_Storage(key, NUMBERS[kind], count))
        case _:
            raise ValueError("a pickle in it refers to something that is no storage")


def _build(machine: _Machine, argument: object) -> None:
    """Leave out what was attached to the state: versions of its layers."""
    machine.stack.pop()


# Those that bring a value along, and what it is where the instruction itself says so.
VALUES: Mapping[str, Callable[[], object]] = {
    "BINUNICODE": str, "BININT": int, "BININT1": int, "BININT2": int, "LONG1": int,
    "NONE": lambda: None, "NEWTRUE": lambda: True, "NEWFALSE": lambda: False,
    "EMPTY_TUPLE": tuple, "EMPTY_LIST": list, "EMPTY_DICT": dict,
}  # fmt: skip
INSTRUCTIONS: Mapping[str, Callable[[_Machine, object], None]] = {
    "MARK": _mark, "TUPLE": _tuple, "TUPLE1": _tuple_of(1), "TUPLE2": _tuple_of(2),
    "TUPLE3": _tuple_of(3), "BINPUT": _put, "LONG_BINPUT": _put, "BINGET": _get,
    "LONG_BINGET": _get, "APPEND": _append, "APPENDS": _appends, "SETITEM": _set_item,
    "SETITEMS": _set_items, "GLOBAL": _global, "REDUCE": _reduce, "BINPERSID": _persistent,
    "BUILD": _build,
}  # fmt: skip
