"""Machine facts, of this machine and of a made-up Raspberry Pi."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from datetime import datetime
from pathlib import Path

import pytest

from har_edge.machine.facts import (
    cpu_name,
    frequency_mhz,
    git_revision,
    machine_facts,
    machine_state,
    memory_bytes,
    os_name,
    package_versions,
    temperature_c,
    throttling,
)

PI_CPUINFO = """\
processor\t: 0
BogoMIPS\t: 108.00
CPU implementer\t: 0x41
CPU part\t: 0xd0b

processor\t: 1
CPU part\t: 0xd0b

Model\t\t: Raspberry Pi 5 Model B Rev 1.0
"""
PC_CPUINFO = "processor\t: 0\nmodel\t\t: 17\nmodel name\t: Some: Processor\n"


@pytest.fixture
def pi(tmp_path: Path) -> Path:
    """The root of a file system as a Raspberry Pi shows it."""
    files = {
        "proc/cpuinfo": PI_CPUINFO,
        "proc/device-tree/model": "Raspberry Pi 5 Model B Rev 1.0\0",
        "etc/os-release": 'ID=debian\nPRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\n',
        "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor": "ondemand\n",
        "sys/devices/system/cpu/cpu0/cpufreq/cpuinfo_min_freq": "1500000\n",
        "sys/devices/system/cpu/cpu0/cpufreq/cpuinfo_max_freq": "2400000\n",
        "sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq": "1500000\n",
        "sys/devices/system/cpu/cpu1/cpufreq/scaling_cur_freq": "2400000\n",
        "sys/class/thermal/thermal_zone0/type": "cpu-thermal\n",
        "sys/class/thermal/thermal_zone0/temp": "61350\n",
        "sys/class/thermal/thermal_zone1/type": "rp1\n",
        "sys/class/thermal/thermal_zone1/temp": "70000\n",
        "proc/meminfo": "MemTotal: 8256512 kB\nMemFree: 1 kB\nMemAvailable: 4096000 kB\n",
    }
    for name, content in files.items():
        write(tmp_path / name, content)
    return tmp_path


def write(path: Path, content: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content, encoding="utf-8")
    return path


def test_a_raspberry_pi_is_named(pi: Path) -> None:
    facts = machine_facts(pi)
    assert facts["board"] == "Raspberry Pi 5 Model B Rev 1.0"
    assert facts["cpu"] == "Cortex-A76"
    assert facts["os"] == "Debian GNU/Linux 12 (bookworm)"
    assert facts["governor"] == "ondemand"
    assert (facts["min_frequency_mhz"], facts["max_frequency_mhz"]) == (1500.0, 2400.0)
    assert facts["frequency_mhz"] == 2400.0
    assert facts["temperature_c"] == 61.4  # not the I/O chip's
    assert facts["memory_bytes"] == 8256512 * 1024


def test_the_state_holds_what_changes(pi: Path) -> None:
    state = machine_state(pi)
    assert state["memory_available_bytes"] == 4096000 * 1024
    assert state.keys() <= machine_facts(pi).keys()
    assert json.loads(json.dumps(state)) == state


def say_throttled(root: Path, answer: str) -> None:
    script = write(root / "usr/bin/vcgencmd", f"#!/bin/sh\n[ $1 = get_throttled ] && echo {answer}")
    script.chmod(0o755)


def test_a_raspberry_pi_tells_throttling_now_and_before(pi: Path) -> None:
    assert throttling(pi) is None
    say_throttled(pi, "throttled=0x50005")
    expected = ["under-voltage", "throttled"]
    assert throttling(pi) == {"now": expected, "since_start": expected, "events": None}
    say_throttled(pi, "throttled=0x80000")
    assert throttling(pi) == {
        "now": [], "since_start": ["soft temperature limit"], "events": None,
    }  # fmt: skip
    say_throttled(pi, "throttled=0x0")
    assert throttling(pi) == {"now": [], "since_start": [], "events": None}


def test_throttling_without_vcgencmd_comes_from_the_firmwares_file(pi: Path) -> None:
    say_throttled(pi, "VCHI initialization failed")
    assert throttling(pi) is None
    (pi / "usr/bin/vcgencmd").unlink()
    write(pi / "sys/devices/platform/soc/soc:firmware/get_throttled", "20002\n")
    assert throttling(pi) == {
        "now": ["frequency capped"], "since_start": ["frequency capped"], "events": None,
    }  # fmt: skip


def test_x86_counts_throttling(tmp_path: Path) -> None:
    for core, count in enumerate((0, 0)):
        path = f"sys/devices/system/cpu/cpu{core}/thermal_throttle/core_throttle_count"
        write(tmp_path / path, f"{count}\n")
    assert throttling(tmp_path) == {"now": [], "since_start": [], "events": 0}
    write(tmp_path / path, "7\n")
    assert throttling(tmp_path) == {"now": [], "since_start": ["throttled"], "events": 7}


def test_frequency_and_temperature_where_the_kernel_tells_less(tmp_path: Path) -> None:
    write(tmp_path / "proc/cpuinfo", "cpu MHz\t\t: 2599.998\ncpu MHz\t\t: 3100.5\n")
    assert frequency_mhz(tmp_path) == 3100.5
    for number, temperature in enumerate(("broken", "41000", "43500")):
        write(tmp_path / f"sys/class/thermal/thermal_zone{number}/temp", temperature)
    assert temperature_c(tmp_path) == 43.5


def test_the_revision_of_a_checkout(tmp_path: Path) -> None:
    assert git_revision(tmp_path) is None

    def git(*arguments: str) -> str:
        names = ["-c", "user.name=A", "-c", "user.email=a@example.org"]
        command = ["git", "-C", str(tmp_path), *names, *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    git("init", "-q")
    path = write(tmp_path / "file", "1")
    git("add", "file")
    git("commit", "-qm", "first")
    head = git("rev-parse", "HEAD")[:12]
    assert git_revision(tmp_path) == head
    path.write_text("2", encoding="utf-8")
    assert git_revision(tmp_path) == f"{head}-dirty"
    assert git_revision(tmp_path / "nothing") is None


def test_this_machine_is_described_in_plain_values() -> None:
    facts = machine_facts()
    assert json.loads(json.dumps(facts)) == facts
    assert facts["python"] == platform.python_version()
    assert facts["cores"] == os.cpu_count()
    assert isinstance(facts["load_1min"], float)
    assert datetime.fromisoformat(str(facts["date"])).tzinfo is not None


def test_a_machine_that_tells_nothing_gives_none(tmp_path: Path) -> None:
    facts = machine_facts(tmp_path)
    keys = ("board", "os", "governor", "frequency_mhz", "temperature_c", "throttling")
    assert [facts[key] for key in keys] == [None] * len(keys)
    assert memory_bytes(tmp_path) == (None, None)


@pytest.mark.parametrize(
    ("cpuinfo", "name"),
    [
        (PC_CPUINFO, "Some: Processor"),
        (PI_CPUINFO, "Cortex-A76"),
        ("CPU part\t: 0xfff\n", "ARM part 0xfff"),
        ("", None),
    ],
)
def test_cpu_name(cpuinfo: str, name: str | None) -> None:
    assert cpu_name(cpuinfo) == name


@pytest.mark.parametrize(
    ("text", "name"),
    [('PRETTY_NAME="A B"\n', "A B"), ("ID=x\nPRETTY_NAME='C'\n", "C"), ("ID=x\n", None)],
)
def test_os_name(text: str, name: str | None) -> None:
    assert os_name(text) == name


def test_only_installed_packages_are_listed() -> None:
    versions = package_versions()
    assert "numpy" in versions
    assert all(versions.values())
