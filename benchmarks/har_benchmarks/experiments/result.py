"""What experiments are made of and what they leave: the bundled video, memory, a JSON file."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from pathlib import Path

import har_edge
from har_benchmarks.results.document import to_json
from har_edge.sinks.output import open_output

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


def family_of(pid: int) -> list[int]:
    """A process, its children, and theirs. Source: proc(5)."""
    parents: dict[int, list[int]] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it has ended meanwhile
            parents.setdefault(_parent_of(folder), []).append(int(folder.name))
    found = [pid]
    for member in found:
        found += parents.get(member, [])
    return found


def _parent_of(folder: Path) -> int:
    return int((folder / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()[1])


def family_mb(pid: int) -> float:
    """Memory of a process, its children and theirs, in MB; what they share counts once."""
    total_kb = 0
    for member in family_of(pid):
        with contextlib.suppress(OSError):
            lines = Path(f"/proc/{member}/smaps_rollup").read_text(encoding="utf-8").splitlines()
            total_kb += sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return total_kb * 1024 / 1e6
