"""Convert a trained run to verified, self-describing model files, and look inside of any.

    import har_convert

    report = har_convert.convert("runs/mine", variants=["int8"], out="models/mine")
    print(har_convert.audit(report.paths[0]))

Importing this package loads nothing heavy.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from har_convert.api import convert
    from har_convert.auditing.audit import audit
    from har_convert.auditing.findings import Audit
    from har_convert.results import Conversion, Report

__all__ = ["Audit", "Conversion", "Report", "audit", "convert"]

_HOMES = {
    "Audit": "har_convert.auditing.findings",
    "Conversion": "har_convert.results",
    "Report": "har_convert.results",
    "audit": "har_convert.auditing.audit",
    "convert": "har_convert.api",
}


def __getattr__(name: str) -> object:
    """Import a public name when it is first asked for (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    """The public names, for completion."""
    return sorted({*globals(), *__all__})
