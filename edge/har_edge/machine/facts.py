"""The machine that figures were measured on, as plain values to be stored with them."""

from __future__ import annotations

import contextlib
import importlib.metadata
import os
import platform
import subprocess
from datetime import datetime, timezone
from pathlib import Path

PACKAGES = (
    "har-edge",
    "ai-edge-litert",
    "tflite-runtime",
    "onnxruntime",
    "numpy",
    "opencv-python",
    "opencv-python-headless",
    "pillow",
)
# 64-bit ARM kernels give numbers, no names. These are the cores of the Raspberry Pi 3, 4 and 5.
# Source: Linux, arch/arm64/include/asm/cputype.h.
ARM_CORES = {"0xd03": "Cortex-A53", "0xd08": "Cortex-A72", "0xd0b": "Cortex-A76"}
# What a Raspberry Pi's firmware says in its bits 0 to 3 (now) and 16 to 19 (since it started).
# Source: Raspberry Pi documentation, vcgencmd, get_throttled.
PI_THROTTLING = ("under-voltage", "frequency capped", "throttled", "soft temperature limit")
PI_FIRMWARE = "sys/devices/platform/soc/soc:firmware/get_throttled"
CPU_ZONES = ("cpu", "soc", "x86_pkg", "k10temp", "coretemp")  # in the type of a thermal zone
PROGRAM_TIMEOUT_S = 5.0


def machine_facts(root: Path = Path("/")) -> dict[str, object]:
    """Collect what a reader needs to judge a timing.

    Args:
        root: Where `proc`, `sys` and `etc` lie; anything but / is for tests.

    Returns:
        Plain values that JSON can hold. What this machine does not tell is None.
    """
    # Raspberry Pi and other boards with a device tree; the kernel ends the name with a NUL.
    board = _read(root / "proc/device-tree/model")
    cpuinfo = _read(root / "proc/cpuinfo") or ""
    governor = _read(root / "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")
    frequency = root / "sys/devices/system/cpu/cpu0/cpufreq"
    return {
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "board": board,
        "cpu": cpu_name(cpuinfo) or platform.processor() or None,
        "architecture": platform.machine(),
        "cores": os.cpu_count(),
        "cores_usable": len(os.sched_getaffinity(0)),
        "governor": governor,
        "min_frequency_mhz": _scaled(_read(frequency / "cpuinfo_min_freq"), 1e-3),
        "max_frequency_mhz": _scaled(_read(frequency / "cpuinfo_max_freq"), 1e-3),
        "memory_bytes": memory_bytes(root)[0],
        **machine_state(root),
        "os": os_name(_read(root / "etc/os-release") or ""),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "packages": package_versions(),
        "git_revision": git_revision(),
    }


def machine_state(root: Path = Path("/")) -> dict[str, object]:
    """Collect what changes while a machine works: load, heat, frequency, free memory.

    Args:
        root: As for `machine_facts`.

    Returns:
        Plain values; what this machine does not tell is None.
    """
    return {
        "load_1min": round(os.getloadavg()[0], 2),
        "frequency_mhz": frequency_mhz(root),
        "temperature_c": temperature_c(root),
        "throttling": throttling(root),
        "memory_available_bytes": memory_bytes(root)[1],
    }


def frequency_mhz(root: Path = Path("/")) -> float | None:
    """Frequency of the fastest core now; what the kernel set, else what the processor says."""
    folder = root / "sys/devices/system/cpu"
    found = [
        _scaled(_read(path), 1e-3) for path in folder.glob("cpu[0-9]*/cpufreq/scaling_cur_freq")
    ]
    for line in (_read(root / "proc/cpuinfo") or "").splitlines():
        key, _, value = line.partition(":")
        if key.strip() == "cpu MHz":
            found.append(_scaled(value, 1.0))
    return max((value for value in found if value), default=None)


def temperature_c(root: Path = Path("/")) -> float | None:
    """Temperature of the processor: its own zone, else the hottest there is."""
    zones = [
        (_read(zone / "type") or "", _scaled(_read(zone / "temp"), 1e-3))
        for zone in (root / "sys/class/thermal").glob("thermal_zone*")
    ]
    known = [(kind.lower(), value) for kind, value in zones if value is not None]
    own = [value for kind, value in known if any(name in kind for name in CPU_ZONES)]
    return max(own or [value for _, value in known], default=None)


def throttling(root: Path = Path("/")) -> dict[str, object] | None:
    """What slows the processor down to protect it.

    A Raspberry Pi's firmware is asked by `vcgencmd get_throttled` or its file in sysfs, an x86
    processor's counters are read.

    Returns:
        `now` and `since_start`, the names of what is and was the case; `events`, how often the
        cores were throttled so far (x86 only, else None). None where the machine does not tell.
    """
    answer = _run(root / "usr/bin/vcgencmd", "get_throttled") or _read(root / PI_FIRMWARE)
    if answer:
        with contextlib.suppress(ValueError):  # vcgencmd without rights answers with a sentence
            bits = int(answer.rpartition("=")[2], 16)
            now, since = (
                [name for i, name in enumerate(PI_THROTTLING) if bits >> shift + i & 1]
                for shift in (0, 16)
            )
            return {"now": now, "since_start": since, "events": None}
    folder = root / "sys/devices/system/cpu"
    texts = [_read(path) for path in folder.glob("cpu*/thermal_throttle/core_throttle_count")]
    counts = [int(text) for text in texts if text and text.isdigit()]
    if not counts:
        return None
    since = ["throttled"] if any(counts) else []
    return {"now": [], "since_start": since, "events": sum(counts)}


def memory_bytes(root: Path = Path("/")) -> tuple[int | None, int | None]:
    """Memory of the machine, and what of it is to be had now."""
    found = {}
    for line in (_read(root / "proc/meminfo") or "").splitlines():
        key, _, value = line.partition(":")
        number = value.split()[:1]
        if number and number[0].isdigit():
            found[key] = int(number[0]) * 1024  # always kB
    return found.get("MemTotal"), found.get("MemAvailable")


def git_revision(folder: Path = Path(__file__).parents[3]) -> str | None:
    """Revision of the checkout that runs, with `-dirty` if files were changed; else None.

    Args:
        folder: Top of the checkout. One that holds no `.git` of its own is none: an installed
            package may lie inside somebody's repository.
    """
    if not (folder / ".git").exists():
        return None
    return _run(
        "git", "-C", folder, "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"
    )


def cpu_name(cpuinfo: str) -> str | None:
    """Find the processor's name in the text of /proc/cpuinfo, of any architecture."""
    fields: dict[str, str] = {}
    for line in cpuinfo.splitlines():
        key, colon, value = line.partition(":")
        if colon:
            fields.setdefault(key.strip(), value.strip())
    if "model name" in fields:
        return fields["model name"]
    part = fields.get("CPU part")
    return ARM_CORES.get(part, f"ARM part {part}") if part else None


def os_name(os_release: str) -> str | None:
    """Find the system's name in the text of /etc/os-release."""
    for line in os_release.splitlines():
        key, _, value = line.partition("=")
        if key == "PRETTY_NAME":
            return value.strip("\"'")
    return None


def package_versions() -> dict[str, str]:
    """Versions of the packages that decide over speed, those that are installed."""
    return installed_versions(*PACKAGES)


def installed_versions(*distributions: str) -> dict[str, str]:
    """Versions of the distributions that are installed; the others are left out."""
    versions = {}
    for name in distributions:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return versions


def _scaled(text: str | None, factor: float) -> float | None:
    """Read a number and bring it to another unit; None for anything that is no number."""
    try:
        return round(float(text or "") * factor, 1)
    except ValueError:
        return None


def _run(*command: str | Path) -> str | None:
    """Run a small program and return what it says; None where it is missing or fails."""
    try:
        result = subprocess.run(
            command, capture_output=True, text=True, timeout=PROGRAM_TIMEOUT_S, check=True
        )
    except (OSError, ValueError, subprocess.SubprocessError):
        return None
    return result.stdout.strip() or None


def _read(path: Path) -> str | None:
    """Read a small system file; None where there is none or it is not ours to read."""
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip("\0 \n") or None
    except OSError:
        return None
