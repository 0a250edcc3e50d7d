"""Waits between attempts double, and spread out."""

from __future__ import annotations

import random

from har_edge.backoff import LONGEST_RETRY_S, Backoff


def test_waits_double_up_to_a_limit_and_differ() -> None:
    backoff = Backoff(random.Random(0))
    waits = [backoff.next_s() for _ in range(200)]
    assert 0.25 <= waits[0] <= 0.5 and 0.5 <= waits[1] <= 1.0 and 1.0 <= waits[2] <= 2.0
    assert all(LONGEST_RETRY_S / 2 <= w <= LONGEST_RETRY_S for w in waits[3:])
    assert len(set(waits)) == 200
