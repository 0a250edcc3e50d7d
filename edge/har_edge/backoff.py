"""How long to wait before the next attempt."""

from __future__ import annotations

import random

# Waits between attempts: soon at first, and never so long that a source that is back has to wait.
FIRST_RETRY_S = 0.5
LONGEST_RETRY_S = 3.0
# A camera that starts may refuse the right password for some seconds, and many lock out who gives a
# wrong one five times or more: a few refusals are retried as any loss is, further ones rarely.
QUICK_REFUSALS = 4
REFUSED_RETRY_S = 30.0


class Backoff:
    """Waits that double, up to a limit, with a random part so that many clients spread out."""

    def __init__(self, rng: random.Random | None = None) -> None:
        self._rng = rng or random.Random()
        self.attempts = self.refusals = 0

    def reset(self) -> None:
        """Start again with the shortest wait."""
        self.attempts = self.refusals = 0

    def next_s(self, *, refused: bool = False) -> float:
        """Count an attempt and give the wait before it, in seconds, the longer after refusals."""
        self.refusals += refused
        if refused and self.refusals > QUICK_REFUSALS:
            self.attempts += 1
            return REFUSED_RETRY_S
        longest_s = min(LONGEST_RETRY_S, FIRST_RETRY_S * 2.0 ** min(self.attempts, 16))
        self.attempts += 1
        return longest_s * self._rng.uniform(0.5, 1.0)
