"""A reader of pickles that runs none."""

from __future__ import annotations

import os
import pickle
import struct
from pathlib import Path

import numpy as np
import pytest

from har_edge.errors import DataError
from har_train.model import pytorch_state
from har_train.model.pytorch_state import read_state
from tests.support.pytorch_files import (
    name_of,
    number_of,
    sizes,
    state_pickle,
    text,
    write_pytorch,
)

pytestmark = pytest.mark.train

RANDOM = np.random.default_rng(0)
ARRAYS = {
    "stem.weight": RANDOM.normal(size=(4, 3, 3, 3)).astype(np.float32),
    "bn.bias": RANDOM.normal(size=(4,)).astype(np.float32),
    "bn.num_batches_tracked": np.array(7, dtype=np.int64),
}


class Opened:
    """Unpickled by `pickle`, it would run a command."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, (f"touch {self.target}",)


def refused(path: Path, message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        read_state(path)
    assert "should be weights in PyTorch's format" in str(caught.value)
    assert "Install the package it belongs to again." in str(caught.value)


def test_arrays_come_back(tmp_path: Path) -> None:
    found = read_state(write_pytorch(tmp_path / "w.pth", ARRAYS))
    assert list(found) == list(ARRAYS)
    for name, array in ARRAYS.items():
        assert found[name].dtype == array.dtype
        np.testing.assert_array_equal(found[name], array)


def test_numbers_may_lie_in_any_order(tmp_path: Path) -> None:
    array = ARRAYS["stem.weight"]
    state = described(1, (3, 2), (4, 27))
    found = read_state(write_pytorch(tmp_path / "w.pth", {"w": array}, state=state))["w"]
    expected = array.ravel()[[[1, 28], [5, 32], [9, 36]]]
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("protocol", [0, 1, 2, 4])
def test_a_pickle_that_runs_a_command_runs_nothing(protocol: int, tmp_path: Path) -> None:
    touched = tmp_path / "touched"
    state = pickle.dumps({"stem.weight": Opened(touched)}, protocol=protocol)
    refused(write_pytorch(tmp_path / "w.pth", ARRAYS, state=state), "weights do not need")
    assert not touched.exists()


@pytest.mark.parametrize(
    ("module", "name"),
    [("os", "system"), ("builtins", "eval"), ("torch", "DoubleStorage"), ("torch.jit", "load")],
)
def test_only_the_names_of_weights_are_known(module: str, name: str, tmp_path: Path) -> None:
    state = b"\x80\x02" + name_of(module, name) + b"."
    path = write_pytorch(tmp_path / "w.pth", ARRAYS, state=state)
    refused(path, f"asks for {module}.{name}, which weights do not need")


STORED = (
    b"(" + text("storage") + name_of("torch", "FloatStorage") + text("1000") + text("cpu")
    + number_of(108) + b"NtQ"
)  # fmt: skip


def described(first: int, shape: tuple[int, ...], strides: tuple[int, ...]) -> bytes:
    """A state with one tensor."""
    return (
        b"\x80\x02}" + text("w") + name_of("torch._utils", "_rebuild_tensor_v2") + b"(" + STORED
        + number_of(first) + sizes(shape) + sizes(strides) + b"t" + b"Rs."
    )  # fmt: skip


@pytest.mark.parametrize(
    ("state", "message"),
    [
        # Called with something, the table would be a copy of it.
        (b"\x80\x02ccollections\nOrderedDict\n(" + number_of(3) + b"tR.", "calls something"),
        (b"\x80\x02(lp0\n.", "wants to do LIST"),
        (b"\x80\x02" + text("a") + b"Q.", "refers to something that is no storage"),
        (b"\x80\x02}" + text("w") + number_of(3) + b"s.", "holds a int among the tensors"),
        (b"\x80\x02})" + number_of(3) + b"s.", "a key that is no text"),
        (b"\x80\x02]" + text("w") + number_of(3) + b"s.", "sets items of something"),
        (b"\x80\x02}" + number_of(3) + b"a.", "adds to something that is no list"),
        (b"\x80\x02\x85.", "takes more than there is"),
        (b"\x80\x02.", "pop from empty list"),
        (b"\x80\x02u.", "pop from empty list"),
        (b"\x80\x02h\x07.", "7"),
        (b"\x80\x02].", "no table of tensors"),
        (described(1, (4, 3, 3, 3), (27, 9, 3, 1)), "reaches beyond its storage"),
        (described(-1, (4,), (1,)), "reaches beyond its storage"),
        (described(0, (2**31 - 1,), (1,)), "reaches beyond its storage"),
        (described(0, (2, 3), (60, 60)), "reaches beyond its storage"),
        (described(0, (200,), (0,)), "reaches beyond its storage"),
        (described(0, (4, 3), (1,)), "argument 2 is shorter"),
        (described(0, (-4,), (1,)), "has no shape"),
        (described(0, (1,) * 9, (1,) * 9), "has no shape"),
    ],
)
def test_what_is_no_state_is_refused(state: bytes, message: str, tmp_path: Path) -> None:
    arrays = {"w": ARRAYS["stem.weight"]}
    refused(write_pytorch(tmp_path / "w.pth", arrays, state=state), message)


def test_deep_nests_are_no_danger(tmp_path: Path) -> None:
    """A key of tuples in tuples would overflow the stack of what hashes it."""
    state = b"\x80\x02})" + b"\x85" * 400_000 + number_of(1) + b"s."
    refused(write_pytorch(tmp_path / "w.pth", ARRAYS, state=state), "a key that is no text")


def test_endless_pickles_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pytorch_state, "MAX_INSTRUCTIONS", 100)
    state = b"\x80\x02" + b"N" * 200 + b"."
    path = write_pytorch(tmp_path / "w.pth", ARRAYS, state=state)
    refused(path, "more than 100 instructions")


def test_memory_is_not_given_for_the_asking(tmp_path: Path) -> None:
    """`pickle` makes room for all numbers up to the one that is remembered."""
    state = b"\x80\x02}r" + struct.pack("<I", 2**32 - 1) + b"."
    assert read_state(write_pytorch(tmp_path / "w.pth", {}, state=state)) == {}


@pytest.mark.parametrize("keep", [0, 1, 20, 200, 400, -1])
def test_damaged_files_are_refused(keep: int, tmp_path: Path) -> None:
    path = write_pytorch(tmp_path / "w.pth", ARRAYS)
    path.write_bytes(path.read_bytes()[:keep])
    refused(path, "Received something else")


def test_other_files_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "w.pth"
    refused(path, "No such file")
    path.write_bytes(pickle.dumps(1, 2) * 5)
    refused(path, "magic number")
    write_pytorch(path, ARRAYS)
    storage = struct.pack("<q", 108)
    path.write_bytes(path.read_bytes().replace(storage, struct.pack("<q", 2**40)))
    refused(path, "numbers, not 108")
    write_pytorch(path, ARRAYS)
    order, yes, no = b"little_endianq\x02", b"\x88", b"\x89"
    path.write_bytes(path.read_bytes().replace(order + yes, order + no))
    refused(path, "lowest byte first")
    monkeypatch.setattr(pytorch_state, "MAX_BYTES", 100)
    refused(path, "more than 100")


def test_state_of_the_test_is_the_one_of_a_pickle() -> None:
    """The made-up state says to pickle's own eyes what it says to ours."""

    class Reader(pickle.Unpickler):
        def find_class(self, module: str, name: str) -> object:
            return dict if name == "OrderedDict" else lambda *arguments: arguments

        def persistent_load(self, pid: object) -> object:
            return pid

    import io

    with pytest.raises(AttributeError):  # a dict takes no metadata
        Reader(io.BytesIO(state_pickle(ARRAYS))).load()
