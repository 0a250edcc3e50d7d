"""Which cameras this machine has, asked of the kernel and not of drivers that take seconds."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from har_edge.errors import SourceError

SYSFS = Path("/sys/class/video4linux")
DEVICES = Path("/dev")


@dataclass(frozen=True)
class CameraDevice:
    """A video device of Linux.

    Attributes:
        path: Device file.
        name: What the driver calls it; empty if it does not say.
        index: Number among the nodes of one device; only 0 delivers pictures, others metadata.
    """

    path: str
    name: str
    index: int


def list_cameras(sysfs: Path = SYSFS, devices: Path = DEVICES) -> list[CameraDevice]:
    """List the video devices, in order of their numbers; empty where there is no sysfs."""
    found = []
    for device in devices.glob("video*"):
        number = re.fullmatch(r"video(\d+)", device.name)
        if number:
            facts = sysfs / device.name
            index = _read(facts / "index")
            camera = CameraDevice(
                str(device), _read(facts / "name"), int(index) if index.isdecimal() else 0
            )
            found.append((int(number[1]), camera))
    return [camera for _, camera in sorted(found, key=lambda entry: entry[0])]


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""


def device_path(device: str, *, sysfs: Path = SYSFS, devices: Path = DEVICES) -> str:
    """Find a camera's device file, before a driver is asked.

    Args:
        device: `0`, `1`, … or a device file.

    Raises:
        SourceError: if it is not there; the message lists what is.
    """
    path = devices / f"video{device}" if device.isdecimal() else Path(device)
    if not path.exists():
        raise SourceError(
            f"Camera {device} cannot be opened: there is no {path}. {advice(sysfs, devices)}"
        )
    return str(path)


def advice(sysfs: Path = SYSFS, devices: Path = DEVICES) -> str:
    """Say what cameras there are and what to try."""
    cameras = list_cameras(sysfs, devices)
    usable = [c for c in cameras if c.index == 0]
    if usable:
        named = (f"{c.path} ({c.name})" if c.name else c.path for c in usable)
        return (
            f"Found: {', '.join(named)}. Name one of them (--camera {usable[0].path}), close other "
            "programs that use it, and check that your user is in the group 'video'."
        )
    return (
        "Found no video device. Plug the camera in and look at `ls /dev/video*`; the camera of a "
        "Raspberry Pi's ribbon cable is picamera:0; in a container, pass the device on "
        "(docker run --device /dev/video0)."
    )
