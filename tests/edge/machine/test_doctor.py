"""What the doctor says of made-up machines, and of this one."""

from __future__ import annotations

import importlib.metadata
import json
from pathlib import Path

import pytest

from har_edge.frames.ffmpeg import HOW_TO_GET_AV
from har_edge.machine import doctor
from har_edge.machine.doctor import (  # fmt: skip
    check_cameras,
    check_display,
    check_folders,
    check_heat,
    check_machine,
    check_optional,
    check_privacy,
    check_python,
    format_findings,
)
from har_edge.machine.finding import Finding
from tests.conftest import RunCommand


def write(root: Path, files: dict[str, str]) -> Path:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
    return root


@pytest.fixture
def pi(tmp_path: Path) -> Path:
    """A Raspberry Pi 5 with a USB camera, a camera port and codecs."""
    cameras = {
        "video0": "USB Camera: Integrated", "video1": "rp1-cfe-csi2_ch0", "video10": "pispbe-input",
        "video19": "rpi-hevc-dec", "video2": "unicam-image",
    }  # fmt: skip
    files = {f"dev/{node}": "" for node in cameras}
    files |= {f"sys/class/video4linux/{node}/name": f"{n}\n" for node, n in cameras.items()}
    files |= {
        "proc/cpuinfo": "processor : 0\nFeatures : fp asimd asimddp\nCPU part : 0xd0b\n",
        "proc/device-tree/model": "Raspberry Pi 5 Model B Rev 1.0\0",
        "proc/meminfo": "MemTotal: 8000000 kB\nMemAvailable: 5000000 kB\n",
        "sys/class/thermal/thermal_zone0/type": "cpu-thermal\n",
        "sys/class/thermal/thermal_zone0/temp": "52300\n",
        "sys/devices/platform/soc/soc:firmware/get_throttled": "0\n",
        "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor": "ondemand\n",
    }
    return write(tmp_path, files)


def by_topic(findings: object) -> dict[str, Finding]:
    return {finding.topic: finding for finding in list(findings)}  # type: ignore[call-overload]


def test_a_raspberry_pi_that_is_well(pi: Path) -> None:
    found = by_topic([*check_machine(pi), *check_heat(pi)])
    assert {f.level for f in found.values()} == {"ok"}
    assert "Raspberry Pi 5" in found["processor"].text
    assert "asimd" in found["processor"].text
    assert found["temperature"].text == "52 °C"
    assert found["memory"].text == "4,883 MiB available"


def test_heat_power_and_memory_are_warned_of(pi: Path) -> None:
    write(
        pi,
        {
            "sys/class/thermal/thermal_zone0/temp": "83000\n",
            "sys/devices/platform/soc/soc:firmware/get_throttled": "50005\n",
            "proc/meminfo": "MemAvailable: 90000 kB\n",
        },
    )
    found = by_topic([*check_machine(pi), *check_heat(pi)])
    assert [found[t].level for t in ("temperature", "throttling", "memory")] == ["warn"] * 3
    assert found["throttling"].text == "now: under-voltage, throttled"
    assert "power supply" in found["throttling"].fix


def test_a_powersave_governor_on_arm(pi: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(pi, {"sys/devices/system/cpu/cpu0/cpufreq/scaling_governor": "powersave\n"})
    monkeypatch.setattr("platform.machine", lambda: "aarch64")
    finding = by_topic(check_machine(pi))["governor"]
    assert (finding.level, "tee /sys/devices" in finding.fix) == ("warn", True)


def test_a_processor_without_avx(tmp_path: Path) -> None:
    write(tmp_path, {"proc/cpuinfo": "model name : Atom\nflags : sse2 ssse3\n"})
    assert by_topic(check_machine(tmp_path))["processor"].level == "warn"


def test_cameras_codecs_and_ports(pi: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor.importlib.util, "find_spec", lambda _: None)
    usb, port = check_cameras(pi, readable=lambda _: True)
    assert (usb.level, usb.text) == ("ok", "/dev/video0 (USB Camera: Integrated)")
    assert port.level == "warn"
    assert "picamera2 is missing" in port.text
    assert "--system-site-packages" in port.fix
    forbidden, _ = check_cameras(pi, readable=lambda _: False)
    assert forbidden.level == "warn"
    assert "usermod -aG video" in forbidden.fix


def test_no_camera_is_no_failure(tmp_path: Path) -> None:
    (finding,) = check_cameras(tmp_path)
    assert finding.level == "warn"


@pytest.mark.parametrize(
    ("version", "bits", "levels"),
    [
        ((3, 11, 2), 64, ["ok", "ok"]),
        ((3, 9, 1), 64, ["fail", "ok"]),
        ((3, 11), 32, ["ok", "fail"]),
    ],
)
def test_python_and_architecture(version: tuple[int, ...], bits: int, levels: list[str]) -> None:
    assert [f.level for f in check_python(version, "aarch64", bits)] == levels


def test_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HAR_CACHE_DIR", str(tmp_path / "not" / "yet"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert [f.level for f in check_folders()] == ["ok", "ok"]
    monkeypatch.setattr(doctor.os, "access", lambda *_: False)
    found = by_topic(check_folders())
    assert (found["cache"].level, "HAR_CACHE_DIR" in found["cache"].fix) == ("warn", True)
    assert "XDG_DATA_HOME" in found["data"].fix


def test_display() -> None:
    assert "run without --show" in next(check_display({})).text
    assert next(check_display({"DISPLAY": ":0"})).text == ":0"


def test_optional_packages_with_versions_and_what_they_are_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def version(name: str) -> str:
        if name == "paho-mqtt":
            return "2.1.0"
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "version", version)
    found = by_topic(check_optional())
    assert {f.level for f in found.values()} == {"ok"}
    assert (found["paho-mqtt"].text, found["paho-mqtt"].fix) == ("2.1.0, for --mqtt", "")
    assert "RTSP" in found["av"].text and found["av"].fix == HOW_TO_GET_AV
    assert "motion JPEG" in found["simplejpeg"].text


def test_a_table_names_what_mends() -> None:
    text = format_findings([Finding("a", "ok", "fine"), Finding("bcd", "warn", "bad", "mend it")])
    assert text.splitlines() == [
        "ok    a    fine",
        "warn  bcd  bad",
        "           → mend it",
        "1 ok, 1 warn, 0 fail",
    ]


def test_this_machine(har_edge: RunCommand) -> None:
    result = har_edge("doctor", "--json")
    findings = json.loads(result.stdout)["findings"]
    failed = [f for f in findings if f["level"] == "fail"]
    assert (result.returncode, failed) == (0, [])
    assert {"python", "architecture", "model har15", "model clips", "variant int8", "camera"} <= {
        f["topic"] for f in findings
    }
    assert "golden clip within" in har_edge("doctor").stdout


def test_what_would_be_stored_and_sent_is_said() -> None:
    found = by_topic(check_privacy({}))
    assert "--private" in found["stored"].text
    assert found["sent"].text.startswith("nothing")
    told = by_topic(check_privacy({"HAR_MQTT": "mqtt://user:secret@broker"}))["sent"].text
    assert "HAR_MQTT" in told
    assert "secret" not in told
