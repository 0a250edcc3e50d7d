"""Waits between attempts."""

from __future__ import annotations

import random

from har_edge.backoff import LONGEST_RETRY_S, QUICK_REFUSALS, REFUSED_RETRY_S, Backoff


def test_waits_double_up_to_a_limit_and_differ() -> None:
    backoff = Backoff(random.Random(0))
    waits = [backoff.next_s() for _ in range(200)]
    assert 0.25 <= waits[0] <= 0.5 and 0.5 <= waits[1] <= 1.0 and 1.0 <= waits[2] <= 2.0
    assert all(LONGEST_RETRY_S / 2 <= w <= LONGEST_RETRY_S for w in waits[3:])
    assert len(set(waits)) == 200


def test_other_limit() -> None:
    backoff = Backoff(random.Random(0), longest_s=30.0)
    waits = [backoff.next_s() for _ in range(2000)]
    assert 8.0 <= waits[5] <= 16.0
    assert all(15.0 <= w <= 30.0 for w in waits[6:])


def test_reset_starts_with_the_shortest_wait() -> None:
    backoff = Backoff(random.Random(0))
    for _ in range(10):
        backoff.next_s(refused=True)
    assert (backoff.attempts, backoff.refusals) == (10, 10)
    backoff.reset()
    assert (backoff.attempts, backoff.refusals) == (0, 0)
    assert backoff.next_s(refused=True) <= 0.5


def test_many_refusals_wait_long() -> None:
    backoff = Backoff(random.Random(0))
    quick = [backoff.next_s(refused=True) for _ in range(QUICK_REFUSALS)]
    assert max(quick) <= LONGEST_RETRY_S
    assert backoff.next_s(refused=True) == REFUSED_RETRY_S
    assert backoff.next_s() <= LONGEST_RETRY_S
