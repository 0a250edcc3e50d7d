"""Ways that take turns."""

from __future__ import annotations

import time

from har_benchmarks.experiments.turns import elapsed_ms, in_turns, rotated


def test_every_round_calls_each_way_once_and_the_warm_up_is_dropped() -> None:
    calls: list[str] = []

    def way(name: str) -> int:
        calls.append(name)
        return len(calls)

    found = in_turns({"a": lambda: way("a"), "b": lambda: way("b")}, 2, warmup=1)
    assert "".join(calls) == "ababab"
    assert found == {"a": [3, 5], "b": [4, 6]}


def test_orders_give_everyone_the_first_place() -> None:
    orders = ["".join(order) for order in rotated("abc", 6)]
    assert orders == ["abc", "bca", "cab"] * 2
    assert ["".join(order) for order in rotated("ab", 2)] == ["ab", "ba"]


def test_time_is_what_passed() -> None:
    assert elapsed_ms(lambda: time.sleep(0.01)) >= 10
