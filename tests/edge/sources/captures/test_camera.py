"""Cameras of this machine, and how missing ones are reported."""

from __future__ import annotations

import subprocess
import sys
import types
from pathlib import Path

import numpy as np
import pytest

from har_edge.errors import SourceError
from har_edge.sources.captures.camera import CameraCapture, PicameraCapture
from tests.conftest import moving_square


@pytest.mark.skipif(sys.platform != "linux", reason="sysfs is Linux's")
def test_missing_camera_is_reported_at_once_and_nothing_printed(tmp_path: Path) -> None:
    code = (
        "import sys; from har_edge.sources.open import open_source\n"
        "from har_edge.frames.sampling import FrameSampler\n"
        "from har_edge.errors import SourceError\n"
        "try: next(open_source('camera:97').frames(FrameSampler(5.0)))\n"
        "except SourceError as error: print(error)"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=30
    )
    assert result.stdout.startswith("Camera 97 cannot be opened: there is no /dev/video97. F")
    assert result.stderr == ""
    with pytest.raises(SourceError, match="/dev/video97"):
        CameraCapture("97")


def test_missing_picamera_names_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "picamera2", None)
    with pytest.raises(SourceError, match="sudo apt install -y python3-picamera2"):
        PicameraCapture(0)


def test_picamera(monkeypatch: pytest.MonkeyPatch) -> None:
    """The calls of picamera2's interface; its pictures are those of libcamera's drivers."""
    calls: list[str] = []
    scene = moving_square(1)[0]

    class Picamera2:
        def __init__(self, index: int) -> None:
            calls.append(f"open {index}")

        @staticmethod
        def global_camera_info() -> list[dict[str, object]]:
            return [{"Model": "imx708"}]

        def create_video_configuration(self, main: dict[str, object]) -> dict[str, object]:
            return main

        def configure(self, config: dict[str, object]) -> None:
            calls.append(str(config["format"]))

        def start(self) -> None:
            calls.append("start")

        def capture_request(self) -> types.SimpleNamespace:
            return types.SimpleNamespace(
                make_array=lambda name: scene, release=lambda: calls.append("release")
            )

        def close(self) -> None:
            calls.append("close")

    monkeypatch.setitem(sys.modules, "picamera2", types.SimpleNamespace(Picamera2=Picamera2))
    capture = PicameraCapture(0)
    assert capture.grab() and capture.grab()
    assert np.array_equal(capture.retrieve(), scene)  # type: ignore[arg-type]
    capture.close()
    assert calls == ["open 0", "BGR888", "start", "release", "release", "close"]
    with pytest.raises(SourceError, match="Found 0: imx708"):
        PicameraCapture(1)
