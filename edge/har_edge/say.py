"""How library code tells the user a line: it is handed a function and never prints by itself."""

from __future__ import annotations

from collections.abc import Callable

# Takes one line, without its newline; `har_edge.commands.harness.note` writes it to stderr.
Say = Callable[[str], object]
