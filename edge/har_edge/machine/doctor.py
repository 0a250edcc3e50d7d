"""Is this machine fit, and if not, which command makes it so?

Each check looks at one thing and says what it found; none changes anything. A check fails only if
recognition cannot work, or gives wrong answers; what makes it slow, or one kind of source unusable,
is a warning.
"""

from __future__ import annotations

import getpass
import importlib.metadata
import importlib.util
import os
import platform
import shutil
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from har_edge.counted import counted
from har_edge.frames.ffmpeg import HOW_TO_GET_AV
from har_edge.machine.facts import machine_facts
from har_edge.machine.finding import Finding, Findings
from har_edge.machine.inference import check_models, check_people, check_runtimes, check_variants
from har_edge.paths import cache_folder, data_folder, display_path
from har_edge.sources.captures.devices import list_cameras
from har_edge.table import text_table

OLDEST_PYTHON = (3, 10)
HOT_C = 80.0  # where a Raspberry Pi begins to slow down
MIN_MEMORY_BYTES = 200 << 20
MIN_DISK_BYTES = 200 << 20
# Codecs and image processors of the Raspberry Pi show up as video devices, but see nothing.
NOT_CAMERAS = ("bcm2835-codec", "bcm2835-isp", "rpi-hevc", "rpivid", "pispbe")
# What the Raspberry Pi's camera ports are called; OpenCV cannot read them.
CAMERA_PORTS = ("unicam", "rp1-cfe")
# Optional packages: what each is for and the command that brings it into this environment.
OPTIONAL = {
    "simplejpeg": ("motion JPEG checked for damage", "pip install simplejpeg"),
    "av": ("every kind of video; RTSP and RTMP checked for damage", HOW_TO_GET_AV),
    "paho-mqtt": ("--mqtt", 'pip install "har-edge[mqtt]"'),
    "fastapi": ("har-edge serve", 'pip install "har-edge[serve]"'),
    "onnxruntime": ("ONNX models", 'pip install "har-edge[onnx]"'),
    "tensorflow": ("training and converting", 'pip install "har-edge[train,convert]"'),
}


def examine(root: Path = Path("/"), environ: Mapping[str, str] = os.environ) -> list[Finding]:
    """Run all checks.

    Args:
        root: Where `dev`, `proc`, `sys` and `etc` lie; anything but / is for tests.
        environ: Environment variables.
    """
    checks: list[Callable[[], Findings]] = [
        check_python,
        lambda: check_machine(root),
        lambda: check_heat(root),
        check_runtimes,
        check_models,
        check_variants,
        check_people,
        lambda: check_cameras(root),
        lambda: check_display(environ),
        check_folders,
        lambda: check_privacy(environ),
        check_optional,
    ]
    return [finding for check in checks for finding in check()]


def check_python(
    version: tuple[int, ...] = sys.version_info[:3],
    machine: str | None = None,
    bits: int = 64 if sys.maxsize > 2**32 else 32,
) -> Findings:
    """Python's version, and whether system and processor are of 64 bits."""
    shown = ".".join(map(str, version))
    machine = machine or platform.machine()
    if version[:2] < OLDEST_PYTHON:
        yield Finding("python", "fail", f"{shown} is too old", "Install Python 3.10 or newer.")
    else:
        yield Finding("python", "ok", f"{shown} in {sys.prefix}")
    if bits == 32:
        yield Finding(
            "architecture",
            "fail",
            f"32-bit Python on {machine}; there are no runtimes for it",
            "Install the 64-bit Raspberry Pi OS with Raspberry Pi Imager.",
        )
    else:
        yield Finding("architecture", "ok", f"{machine}, 64-bit")


def check_machine(root: Path) -> Findings:
    """The processor, its vector instructions, its governor, and free memory."""
    facts = machine_facts(root)
    cores = counted(int(str(facts["cores_usable"])), "core")
    name = f"{facts['board'] or facts['cpu'] or 'unknown'}, {cores}"
    flags = _cpu_flags(root)
    vectors = [f for f in ("avx", "avx2", "avx512f", "asimd", "neon", "asimddp") if f in flags]
    if flags and not {"avx", "asimd", "neon"} & flags:
        text = f"{name}; without AVX or NEON: ten times slower, and some wheels crash"
        yield Finding("processor", "warn", text, "Use another machine.")
    else:
        yield Finding("processor", "ok", f"{name}; {', '.join(vectors) or 'features unknown'}")
    governor = facts["governor"]
    if governor == "powersave" and facts["architecture"] in ("aarch64", "armv7l"):
        fix = "echo performance | sudo tee /sys/devices/system/cpu/cpu*/cpufreq/scaling_governor"
        yield Finding("governor", "warn", "powersave keeps the clock speed low", fix)
    else:
        yield Finding("governor", "ok", str(governor or "not reported by this machine"))
    memory = facts["memory_available_bytes"]
    if isinstance(memory, int):
        few = memory < MIN_MEMORY_BYTES
        fix = "Close other programs." if few else ""
        text = f"{memory / 2**20:,.0f} MiB available"
        yield Finding("memory", "warn" if few else "ok", text, fix)


def check_heat(root: Path) -> Findings:
    """Temperature, and what the processor did about it."""
    facts = machine_facts(root)
    temperature, throttled = facts["temperature_c"], facts["throttling"]
    if isinstance(temperature, float):
        hot = temperature >= HOT_C
        fix = "Fit a heat sink or a fan." if hot else ""
        yield Finding("temperature", "warn" if hot else "ok", f"{temperature:.0f} °C", fix)
    if not isinstance(throttled, dict):
        return
    now, before = throttled["now"], throttled["since_start"]
    if not now and not before:
        yield Finding("throttling", "ok", "none since start")
        return
    power = "under-voltage" in (*now, *before)
    fix = "Use the board's own power supply." if power else "Fit a heat sink or a fan."
    when = f"now: {', '.join(now)}" if now else f"since start: {', '.join(before)}"
    yield Finding("throttling", "warn", when, fix)


def check_cameras(
    root: Path, readable: Callable[[Path], bool] = lambda path: os.access(path, os.R_OK | os.W_OK)
) -> Findings:
    """Video devices with their names and rights, and what the Raspberry Pi's camera port needs."""
    cameras = _video_devices(root)
    ports = [n for _, n in cameras if n.startswith(CAMERA_PORTS)]
    usable = [(d, n) for d, n in cameras if not n.startswith((*NOT_CAMERAS, *CAMERA_PORTS))]
    for device, name in usable:
        shown = f"/dev/{device.name} ({name})"
        if readable(device):
            yield Finding("camera", "ok", shown)
        else:
            fix = f"sudo usermod -aG video {_user()}   (then log in again)"
            yield Finding("camera", "warn", f"{shown}: no permission", fix)
    if ports:
        found = importlib.util.find_spec("picamera2") is not None
        text = f"port {ports[0]}, " + ("read with picamera2" if found else "picamera2 is missing")
        fix = (
            "sudo apt install -y python3-picamera2, then create the environment with: python3 "
            "-m venv --system-site-packages"
        )
        yield Finding("camera", "ok" if found else "warn", text, "" if found else fix)
    if not usable and not ports:
        yield Finding("camera", "warn", "none found", "Plug one in; files work without it.")


def check_display(environ: Mapping[str, str]) -> Findings:
    """Whether `--show` can open a window."""
    display = environ.get("WAYLAND_DISPLAY") or environ.get("DISPLAY")
    yield Finding("display", "ok", display or "none: run without --show")


def check_folders() -> Findings:
    """Folders for caches and taught actions: rights and room."""
    for topic, folder in (("cache", cache_folder()), ("data", data_folder())):
        there = next((p for p in (folder, *folder.parents) if p.exists()), Path("/"))
        shown = display_path(folder)
        if not os.access(there, os.W_OK):
            variable = "HAR_CACHE_DIR" if topic == "cache" else "XDG_DATA_HOME"
            fix = f"export {variable}=FOLDER that you can write to"
            yield Finding(topic, "warn", f"{shown} is not writable", fix)
            continue
        free = shutil.disk_usage(there).free
        full = free < MIN_DISK_BYTES
        fix = "Delete files that you no longer need." if full else ""
        text = f"{shown}, {free / 1e9:,.1f} GB free"
        yield Finding(topic, "warn" if full else "ok", text, fix)


def check_privacy(environ: Mapping[str, str]) -> Findings:
    """What a run here would store and send without being told to by an option."""
    yield Finding(
        "stored",
        "ok",
        f"taught actions, without pictures, in {display_path(data_folder())}; video and clips only "
        "with --save-video and --save-events, and with --private without people in them",
    )
    told = [name for name in ("HAR_MQTT", "HAR_WEBHOOK") if environ.get(name)]
    sent = f"actions and events, without pictures, to the address in {' and '.join(told)}"
    yield Finding("sent", "ok", sent if told else "nothing, unless --mqtt or --webhook says so")


def check_optional() -> Findings:
    """Versions of optional packages; to do without them is fine."""
    for distribution, (purpose, command) in OPTIONAL.items():
        try:
            version = importlib.metadata.version(distribution)
        except importlib.metadata.PackageNotFoundError:
            yield Finding(distribution, "ok", f"not installed; needed only for {purpose}", command)
        else:
            yield Finding(distribution, "ok", f"{version}, for {purpose}")


def format_findings(findings: list[Finding]) -> str:
    """Lay the findings out as a table, fixes below what they mend."""
    rows: list[tuple[str, str, str]] = []
    for f in findings:
        rows.append((f.level, f.topic, f.text))
        if f.fix:
            rows.append(("", "", f"→ {f.fix}"))
    counts = {level: sum(f.level == level for f in findings) for level in ("ok", "warn", "fail")}
    said = ", ".join(f"{count} {level}" for level, count in counts.items())
    return f"{text_table(rows, align='lll')}\n{said}"


def _video_devices(root: Path) -> list[tuple[Path, str]]:
    """Video devices with the names that their drivers give them, by number."""
    found = list_cameras(root / "sys/class/video4linux", root / "dev")
    return [(Path(camera.path), camera.name or "unnamed") for camera in found]


def _cpu_flags(root: Path) -> set[str]:
    try:
        lines = (root / "proc/cpuinfo").read_text(errors="replace").splitlines()
    except OSError:
        return set()
    # "flags" on x86, "Features" on ARM.
    found = (line.partition(":")[2] for line in lines if line.startswith(("flags", "Features")))
    return set(next(found, "").split())


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # no name for this user's number
        return "$USER"
