"""Time several ways to do something in turns, so that disturbances affect all of them alike."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TypeVar

Item = TypeVar("Item")
Answer = TypeVar("Answer")


def in_turns(
    ways: Mapping[str, Callable[[], Answer]], rounds: int, *, warmup: int = 1
) -> dict[str, list[Answer]]:
    """Call each way once a round, in their order.

    Args:
        ways: Name to what is called.
        rounds: Rounds whose answers are kept.
        warmup: Rounds before these, whose answers are dropped.

    Returns:
        Name to the answers, in order of the rounds.

    Example:
        >>> in_turns({"a": lambda: 1, "b": lambda: 2}, 2)
        {'a': [1, 1], 'b': [2, 2]}
    """
    kept: dict[str, list[Answer]] = {name: [] for name in ways}
    for number in range(-warmup, rounds):
        for name, way in ways.items():
            answer = way()
            if number >= 0:
                kept[name].append(answer)
    return kept


def rotated(items: Sequence[Item], rounds: int) -> Iterator[Iterable[Item]]:
    """The items in another order each round: who came second comes first in the next.

    Example:
        >>> [list(order) for order in rotated("abc", 4)]
        [['a', 'b', 'c'], ['b', 'c', 'a'], ['c', 'a', 'b'], ['a', 'b', 'c']]
    """
    for number in range(rounds):
        first = number % len(items)
        yield [*items[first:], *items[:first]]


def elapsed_ms(call: Callable[[], object]) -> float:
    """Wall-clock time of one call, in ms."""
    started = time.perf_counter()
    call()
    return 1e3 * (time.perf_counter() - started)
