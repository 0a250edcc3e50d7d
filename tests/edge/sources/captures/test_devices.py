"""Which cameras the kernel knows, and what is said of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from har_edge.errors import SourceError
from har_edge.sources.captures.devices import CameraDevice, advice, device_path, list_cameras


def fake_sysfs(root: Path, cameras: dict[str, tuple[str, str]]) -> tuple[Path, Path]:
    sysfs, devices = root / "sys", root / "dev"
    devices.mkdir()
    for node, (name, index) in cameras.items():
        (sysfs / node).mkdir(parents=True)
        (sysfs / node / "name").write_text(name + "\n")
        (sysfs / node / "index").write_text(index + "\n")
        (devices / node).write_text("")
    return sysfs, devices


def test_cameras_are_listed_with_their_names(tmp_path: Path) -> None:
    sysfs, devices = fake_sysfs(
        tmp_path,
        {"video10": ("Other", "0"), "video2": ("HD Webcam", "0"), "video3": ("HD Webcam", "1")},
    )
    found = list_cameras(sysfs, devices)
    assert [(Path(c.path).name, c.name, c.index) for c in found] == [
        ("video2", "HD Webcam", 0),
        ("video3", "HD Webcam", 1),
        ("video10", "Other", 0),
    ]
    assert isinstance(found[0], CameraDevice)
    said = advice(sysfs, devices)
    assert "video2 (HD Webcam)" in said and "video3" not in said
    with pytest.raises(SourceError, match=r"there is no .*video0\. Found: .*HD Webcam"):
        device_path("0", sysfs=sysfs, devices=devices)
    assert device_path("2", sysfs=sysfs, devices=devices) == found[0].path
    assert device_path(found[0].path, sysfs=sysfs, devices=devices) == found[0].path


def test_no_camera_at_all(tmp_path: Path) -> None:
    assert list_cameras(tmp_path, tmp_path) == []
    assert "Found no video device" in advice(tmp_path, tmp_path)
