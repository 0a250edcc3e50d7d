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
    """Waits that double, up to a limit, with a random part so that many clients spread out.

    Args:
        rng: Draws the random part.
        longest_s: No wait is longer, but for those after many refusals.

    Example:
        >>> backoff = Backoff(longest_s=8.0)
        >>> [0.5 * longest_s <= backoff.next_s() <= longest_s for longest_s in (0.5, 1, 2, 4, 8, 8)]
        [True, True, True, True, True, True]
    """

    def __init__(
        self, rng: random.Random | None = None, *, longest_s: float = LONGEST_RETRY_S
    ) -> None:
        self._rng = rng or random.Random()
        self._longest_s = longest_s
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
        longest_s = min(self._longest_s, FIRST_RETRY_S * 2.0 ** min(self.attempts, 16))
        self.attempts += 1
        return longest_s * self._rng.uniform(0.5, 1.0)
