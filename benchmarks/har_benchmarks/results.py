"""What a benchmark leaves behind: one JSON document with the raw samples in it."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Mapping
from pathlib import Path

# A list of numbers as `json.dumps` lays it out, one a line; a string never holds a bare newline.
NUMBERS = re.compile(r"\[\n\s*-?\d[-+.\deE,\s]*\]")


def to_json(facts: Mapping[str, object]) -> str:
    """Serialise as readable JSON, with each list of numbers on one line."""
    text = json.dumps(facts, indent=2, ensure_ascii=False)
    return NUMBERS.sub(_on_one_line, text) + "\n"


def _on_one_line(match: re.Match[str]) -> str:
    return "[" + " ".join(match[0][1:-1].split()) + "]"


def file_facts(path: str | os.PathLike[str]) -> dict[str, object]:
    """Name a file so that others can tell whether theirs is the same; its folder is not told."""
    content = Path(path).read_bytes()
    return {
        "file": Path(path).name,
        "size_bytes": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
    }
