"""A terminal, as far as what is written to it is concerned."""

from __future__ import annotations

import io


class Terminal(io.StringIO):
    """Says that it is a terminal, and tells what is left on it."""

    def isatty(self) -> bool:
        return True

    @property
    def lines(self) -> list[str]:
        """What is left on the screen."""
        return [line.rsplit("\r", 1)[-1] for line in self.getvalue().split("\n") if line]
