"""The machine that figures were measured on, as plain values to be stored beside them."""

from __future__ import annotations

import importlib.metadata
import os
import platform
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
    return {
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "board": board,
        "cpu": cpu_name(cpuinfo) or platform.processor() or None,
        "architecture": platform.machine(),
        "cores": os.cpu_count(),
        "cores_usable": len(os.sched_getaffinity(0)),
        "governor": governor,
        "load_1min": round(os.getloadavg()[0], 2),
        "os": os_name(_read(root / "etc/os-release") or ""),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "packages": package_versions(),
    }


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
    versions = {}
    for package in PACKAGES:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return versions


def _read(path: Path) -> str | None:
    """Read a small system file; None where there is none or it is not ours to read."""
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip("\0 \n") or None
    except OSError:
        return None
