"""The memory that a graph needs, against a plain planner."""

from __future__ import annotations

import math

import numpy as np
import pytest

from har_convert.auditing.tflite import audit_flatbuffer
from har_convert.tflite.flatbuffer import pack_model
from tests.support.auditing import chain, schema


def arena_of(content: bytes) -> int | None:
    (signature,) = audit_flatbuffer(content).signatures
    return signature.arena_bytes


@pytest.mark.parametrize(
    ("sizes", "links", "expected"),
    [
        # One after the other: the larger neighbours count.
        ([64, 128, 64], [([0], [1]), ([1], [2])], 192),
        # Rounded up to 64 bytes each.
        ([1, 65], [([0], [1])], 64 + 128),
        # A branch that is kept until the end.
        ([64, 64, 64], [([0], [1]), ([0, 1], [2])], 192),
        # The third fits where the first was.
        ([128, 64, 128, 64], [([0], [1]), ([1], [2]), ([2], [3])], 192),
    ],
)
def test_memory_of_small_graphs(
    sizes: list[int], links: list[tuple[list[int], list[int]]], expected: int
) -> None:
    assert arena_of(chain(sizes, links, [0], [len(sizes) - 1])) == expected


def plain_arena(
    sizes: list[int], links: list[tuple[list[int], list[int]]], outputs: list[int]
) -> int:
    """Greedy by size on a map of bytes in units of 64, moment by moment."""
    moments = len(links) + 1
    alive = np.zeros((len(sizes), moments), bool)
    for i in range(len(sizes)):
        made = next((t for t, (_, o) in enumerate(links) if i in o), 0)
        used = [t for t, (given, _) in enumerate(links) if i in given]
        last = moments - 1 if i in outputs else max(used, default=made)
        alive[i, made : last + 1] = True
    units = [-(-size // 64) for size in sizes]
    taken = np.zeros((moments, sum(units)), bool)
    top = 0
    order = sorted(range(len(sizes)), key=lambda i: (-units[i], int(alive[i].argmax())))
    for i in order:
        rows = taken[alive[i]]
        start = next(s for s in range(sum(units)) if not rows[:, s : s + units[i]].any())
        taken[alive[i], start : start + units[i]] = True
        top = max(top, start + units[i])
    return 64 * top


@pytest.mark.parametrize("seed", range(8))
def test_memory_against_a_plain_planner(seed: int) -> None:
    random = np.random.default_rng(seed)
    count = int(random.integers(4, 14))
    sizes = [int(n) for n in random.integers(1, 700, count)]
    links = [(sorted({i - 1, int(random.integers(i))}), [i]) for i in range(1, count)]
    content = chain(sizes, links, [0], [count - 1])
    assert arena_of(content) == plain_arena(sizes, links, [count - 1])
    # Never less than what is alive at one moment, never more than all at once.
    assert sizes[-1] <= (arena_of(content) or 0) <= sum(64 * math.ceil(n / 64) for n in sizes)


def test_memory_with_an_unknown_shape() -> None:
    model = schema.ModelT.InitFromPackedBuf(bytearray(chain([64, 64], [([0], [1])], [0], [1])), 0)
    model.subgraphs[0].tensors[1].shapeSignature = [-1]
    assert arena_of(pack_model(model)) is None
