"""What experiments are made of and what they leave: the bundled video, memory, a JSON file."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import har_edge
from har_benchmarks.results.document import to_json
from har_edge.sinks.stream import open_output

SAMPLE = Path(har_edge.__file__).parent / "samples" / "falling.mp4"


def write_result(facts: Mapping[str, object], out: str | os.PathLike[str] | None) -> None:
    """Write an experiment's result as JSON; to standard output for `-`, nowhere for None.

    Raises:
        OutputError: if the file cannot be written.
    """
    if out is None:
        return
    text = to_json(facts)
    if os.fspath(out) == "-":
        open_output(out).write(text)
        return
    with open_output(out) as stream:
        stream.write(text)


def resident_mb(pid: int, key: str = "VmRSS") -> float:
    """Resident memory of a process in MB, now or (`VmHWM`) at its peak. Source: proc(5)."""
    lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines()
    (line,) = (line for line in lines if line.startswith(f"{key}:"))
    return int(line.split()[1]) * 1024 / 1e6
