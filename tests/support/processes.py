"""Processes, by what the system says of them. Source: proc(5)."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable
from pathlib import Path


def children_of(pid: int, word: str) -> list[int]:
    """The children of a process whose command line has a word, oldest first."""
    found = []
    for folder in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if folder.name.isdecimal() and _fields(int(folder.name))[1] == str(pid):
                line = (folder / "cmdline").read_text()
                found += [int(folder.name)] if word in line else []
    return sorted(found)


def family_of(pid: int) -> list[int]:
    """A process, its children and theirs."""
    found = [pid]
    for member in found:
        found += children_of(member, "")
    return found


def states_of(pids: Iterable[int]) -> set[str]:
    """Their states: `T` is stopped, `Z` has ended."""
    return {_fields(pid)[0] for pid in pids}


def end_of(pid: int) -> bool:
    """Whether a process has ended."""
    try:
        return _fields(pid)[0] in "ZX"
    except OSError:
        return True


def threads_of(pid: int) -> int:
    """How many threads a process has."""
    return len([*Path(f"/proc/{pid}/task").iterdir()])


def private_bytes(pid: int) -> int:
    """What a process holds that is no file's."""
    try:
        fields = Path(f"/proc/{pid}/statm").read_text().split()
    except OSError:  # it has ended meanwhile
        return 0
    return (int(fields[1]) - int(fields[2])) * os.sysconf("SC_PAGE_SIZE")


def peak_bytes(pid: int) -> int:
    """The most memory that a process ever held."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))


def _fields(pid: int) -> list[str]:
    """What stands behind a process's name: its state, its parent, …"""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
