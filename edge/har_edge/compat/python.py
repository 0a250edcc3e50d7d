"""What we use of Python's own library that it does not document."""

from __future__ import annotations

import atexit

# Module -> names. Seen in CPython 3.10 to 3.13.
PRIVATE_NAMES = {"atexit": ("_run_exitfuncs",)}


def run_exit_functions() -> None:
    """Call all that was registered with `atexit`, the last first, as the interpreter's end does."""
    atexit._run_exitfuncs()
