"""What a model file says of itself, and how the runtime sees it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict
from itertools import groupby
from typing import Any

from har_edge.model.loaded import load_model
from har_edge.paths import display_path
from har_edge.table import text_table


def describe(model: str | os.PathLike[str] | None, backend: str = "auto") -> dict[str, Any]:
    """Collect a model's spec, its size and the runtime that loads it, as plain values.

    Raises:
        ModelFileError: if the file is missing, damaged or not one of ours.
        BackendError: if no runtime is there or it refuses the model.
    """
    loaded = load_model(model, backend=backend)
    return {
        "path": display_path(loaded.path),
        "size_bytes": loaded.size_bytes,
        "backend": f"{loaded.backend.name} {loaded.backend.version}",
        "window_s": round(loaded.spec.clip.window_s, 3),
        **asdict(loaded.spec),
    }


def format_table(facts: Mapping[str, Any]) -> str:
    """Lay the facts out in two columns, nested ones indented."""
    parts: list[str] = []
    for nested, group in groupby(facts.items(), lambda fact: isinstance(fact[1], Mapping)):
        if nested:
            for key, value in group:
                rows = [(k, _show(v)) for k, v in value.items()]
                parts += [key, text_table(rows, align="ll", indent=2)]
        else:
            parts.append(text_table([(k, _show(v)) for k, v in group], align="ll"))
    return "\n".join(part for part in parts if part)


def _show(value: Any) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    if isinstance(value, float):
        return f"{value:.4g}"
    return str(value) if value != "" else "-"
