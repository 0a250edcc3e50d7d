"""Machine facts, of this machine and of a made-up Raspberry Pi."""

from __future__ import annotations

import json
import os
import platform
from datetime import datetime
from pathlib import Path

import pytest

from har_edge.machine import cpu_name, machine_facts, os_name, package_versions

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
    }
    for name, content in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
    return tmp_path


def test_a_raspberry_pi_is_named(pi: Path) -> None:
    facts = machine_facts(pi)
    assert facts["board"] == "Raspberry Pi 5 Model B Rev 1.0"
    assert facts["cpu"] == "Cortex-A76"
    assert facts["os"] == "Debian GNU/Linux 12 (bookworm)"
    assert facts["governor"] == "ondemand"


def test_this_machine_is_described_in_plain_values() -> None:
    facts = machine_facts()
    assert json.loads(json.dumps(facts)) == facts
    assert facts["python"] == platform.python_version()
    assert facts["cores"] == os.cpu_count()
    assert isinstance(facts["load_1min"], float)
    assert datetime.fromisoformat(str(facts["date"])).tzinfo is not None


def test_a_machine_that_tells_nothing_gives_none(tmp_path: Path) -> None:
    facts = machine_facts(tmp_path)
    assert (facts["board"], facts["os"], facts["governor"]) == (None, None, None)


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
