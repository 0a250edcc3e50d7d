"""Let two cameras fail at random while `har-edge run` reads them; print what came of it as JSON.

    python tests/support/chaos/soak.py MINUTES [--seed N] [--api]

One camera speaks motion JPEG over HTTP, the other RTSP through a proxy that damages, drops and
stalls. Each picture carries the time at which it was drawn, and each frame that reaches the
recogniser is checked by it: genuine, and not old. The runner is a process of its own that runs the
command unchanged; all that is added is a note of each frame that the recogniser gets. With --api,
two threads that use `LiveSource` and `Recognizer` stand in for the command.

Exit code 0 if nothing was wrong: no made-up and no stale frame, recovery in time, exit code 130
after SIGINT.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parents[2] / "edge"), str(HERE.parents[2])]

from tests.support.chaos import pattern  # noqa: E402
from tests.support.chaos.mjpeg_server import MjpegServer  # noqa: E402
from tests.support.chaos.proxy import Proxy  # noqa: E402
from tests.support.chaos.watch import RtspServer, missing_for_rtsp  # noqa: E402

MODEL = HERE.parents[1] / "assets" / "tiny-int8.tflite"
# What a picture's age may be; a picture that stands still is believed for five seconds more.
FRESH_S, FROZEN_S = 2.0, 5.0
RECOVERED_S = 5.0
# A login that stays refused is tried again every 30 s, so that no camera locks us out.
SLOW_KINDS = {"refused": 35.0}
NOTE = "HAR_SOAK_NOTES"


# --- in the runner's process ---


def observe() -> None:
    """Write a line for each frame that a recogniser gets, before it gets it."""
    from har_edge.recognition import recognizer

    file = Path(os.environ[NOTE]).open("a", buffering=1)  # noqa: SIM115  (open until the end)
    push = recognizer.Recognizer.push

    def noted(self: Any, frame: Any, **options: Any) -> Any:
        stamp = pattern.read(frame.pixels)
        age_s = None if stamp is None else pattern.age_s(stamp)
        file.write(json.dumps([time.monotonic(), frame.source, age_s]) + "\n")
        return push(self, frame, **options)

    recognizer.Recognizer.push = noted  # type: ignore[method-assign]


def run_command(arguments: list[str]) -> None:
    """Run the command `har-edge` with its arguments."""
    from har_edge.commands.main import main

    sys.argv = ["har-edge", *arguments]
    main()


def run_api(urls: list[str]) -> int:
    """Read sources with the library; for use where the command takes only one at a time."""
    from har_edge.frames.sampling import FrameSampler
    from har_edge.model.loaded import load_model
    from har_edge.recognition.recognizer import Recognizer
    from har_edge.sources.open import open_source

    stopped = threading.Event()
    signal.signal(signal.SIGINT, lambda *_: stopped.set())
    sources = [open_source(url) for url in urls]

    def read(source: Any) -> None:
        recognizer = Recognizer(load_model(MODEL))
        for frame in source.frames(FrameSampler(5.0)):
            prediction = recognizer.push(frame)
            if prediction is not None:
                print(json.dumps({"source": source.name, "action": prediction.action}), flush=True)

    threads = [threading.Thread(target=read, args=(s,), daemon=True) for s in sources]
    for thread in threads:
        thread.start()
    stopped.wait()
    for source, thread in zip(sources, threads, strict=True):
        source.stop()
        thread.join(2.0)
    print(json.dumps({s.name: vars(s.stats) for s in sources}), file=sys.stderr)
    return 130


# --- in this process ---


@dataclass
class Camera:
    """A camera, its faults, and what was seen of it.

    Attributes:
        name: As the runner names its source.
        faults: By kind: how to begin and how to end it.
        seen_s: When the runner last got a frame of it.
        active: Kind of the fault that is on, or empty.
        ended_s: When the last fault ended.
    """

    name: str
    faults: dict[str, tuple[Callable[[], None], Callable[[], None]]]
    seen_s: float = 0.0
    active: str = ""
    ended_s: float = 0.0
    recoveries_s: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    never: list[str] = field(default_factory=list)

    def suffer(self, rng: random.Random, until_s: float) -> None:
        """Go through random faults until it is time."""
        while time.monotonic() < until_s:
            time.sleep(rng.uniform(1.5, 5.0))
            kind = rng.choice(sorted(self.faults))
            begin, end = self.faults[kind]
            self.active = kind
            begin()
            time.sleep(rng.choice((rng.uniform(0.3, 3.0), rng.uniform(6.0, 12.0))))
            end()
            self.ended_s = time.monotonic()
            if not self._recovers(kind):
                self.never.append(kind)
            self.active = ""

    def _recovers(self, kind: str) -> bool:
        while time.monotonic() < self.ended_s + 60.0:
            if self.seen_s > self.ended_s:
                self.recoveries_s[kind].append(self.seen_s - self.ended_s)
                return True
            time.sleep(0.02)
        return False


def mjpeg_camera(seed: int) -> tuple[Camera, Callable[[], None]]:
    """A motion JPEG camera, and how to close it."""
    server = MjpegServer(seed=seed)

    def mode(name: str) -> tuple[Callable[[], None], Callable[[], None]]:
        return lambda: setattr(server, "mode", name), lambda: setattr(server, "mode", "normal")

    modes = ("stalled", "cut off", "zeroed", "black", "frozen", "half dropped", "closed")
    faults = {name: mode(name) for name in modes}
    refuse, allow = mode("refused")

    def lock_out() -> None:
        refuse()
        server.stop()
        server.start()

    faults["refused"] = (lock_out, allow)
    faults["killed"] = (server.stop, server.start)
    faults["resized"] = (
        lambda: setattr(server, "size", (640, 480)),
        lambda: setattr(server, "size", (320, 240)),
    )
    return Camera(server.url, faults), server.stop


def rtsp_camera(seed: int) -> tuple[Camera, Callable[[], None]]:
    """An RTSP camera behind a proxy, and how to close it."""
    server = RtspServer()
    proxy = Proxy(server.port, seed)

    def proxied(name: str, value: float) -> tuple[Callable[[], None], Callable[[], None]]:
        return lambda: setattr(proxy, name, value), proxy.calm

    def order(line: str, back: str) -> tuple[Callable[[], None], Callable[[], None]]:
        return lambda: server.order(line), lambda: server.order(back)

    def close() -> None:
        proxy.close()
        server.stop()

    faults = {
        "stalled": proxied("stalled", True),
        "damaged": proxied("damage", 0.05),
        "half dropped": proxied("drop", 0.5),
        "few dropped": proxied("drop", 0.02),
        "key frames dropped": proxied("drop_key_frames", True),
        "black": order("black", "normal"),
        "frozen": order("frozen", "normal"),
        "resized": order("size 640x480", "size 320x240"),
        "cut": (proxy.cut, lambda: None),
        "killed": (server.stop, server.start),
    }
    return Camera(f"rtsp://127.0.0.1:{proxy.port}/cam", faults), close


@dataclass
class Tally:
    """What reached the recogniser."""

    frames: int = 0
    made_up: int = 0
    stale: int = 0
    oldest_s: float = 0.0
    oldest_frozen_s: float = 0.0
    made_up_when: list[str] = field(default_factory=list)

    def add(self, age_s: float | None, camera: Camera) -> None:
        """Judge a frame by its age and by what its camera does."""
        self.frames += 1
        if age_s is None:
            self.made_up += 1
            since_s = time.monotonic() - camera.ended_s
            now = f"during {camera.active}" if camera.active else f"{since_s:.1f} s after a fault"
            self.made_up_when.append(f"{camera.name.partition(':')[0]}, {now}")
            return
        frozen = camera.active == "frozen" or time.monotonic() < camera.ended_s + 1.0
        if frozen:
            self.oldest_frozen_s = max(self.oldest_frozen_s, age_s)
        else:
            self.oldest_s = max(self.oldest_s, age_s)
        self.stale += age_s > FRESH_S + (FROZEN_S if frozen else 0.0)


def follow(path: Path, cameras: dict[str, Camera], tally: Tally, over: threading.Event) -> None:
    """Read the notes as they are written."""
    with path.open() as file:
        line = ""
        while not over.is_set():
            line += file.readline()
            if not line.endswith("\n"):
                time.sleep(0.01)
                continue
            at_s, source, age_s = json.loads(line)
            line = ""
            tally.add(age_s, cameras[source])
            cameras[source].seen_s = at_s


def state_of(pid: int) -> tuple[float, int]:
    """Resident memory in MB, and the number of threads, of a process."""
    facts = dict(
        line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines()
    )
    return int(facts["VmRSS"].split()[0]) / 1024, int(facts["Threads"])


def soak(minutes: float, seed: int, *, api: bool) -> dict[str, Any]:
    """Run it all; see the module."""
    made = [mjpeg_camera(seed)] if missing_for_rtsp() else [mjpeg_camera(seed), rtsp_camera(seed)]
    cameras = {camera.name: camera for camera, _ in made}
    with tempfile.TemporaryDirectory() as folder:
        notes, lines = Path(folder) / "notes", Path(folder) / "lines"
        notes.touch()
        command = [sys.executable, __file__, "--child", "api" if api else "run", *cameras]
        if not api:
            command += ["--model", str(MODEL), "--output-format", "jsonl"]
        errors = (Path(folder) / "errors").open("w+")
        with lines.open("w") as out:
            runner = subprocess.Popen(
                command, stdout=out, stderr=errors, env={**os.environ, NOTE: str(notes)}
            )
        tally, over = Tally(), threading.Event()
        threading.Thread(
            target=follow, args=(notes, cameras, tally, over), daemon=True
        ).start()  # fmt: skip
        result = _endure(list(cameras.values()), runner, minutes, seed)
        over.set()
        for _, close in made:
            close()
        errors.seek(0)
        said = errors.read()
        result |= {
            "predictions": sum('"action"' in line for line in lines.read_text().splitlines()),
            "frames": vars(tally),
            "faults": _faults(cameras),
            "stderr_tail": said.splitlines()[-12:],
            "tracebacks": said.count("Traceback"),
        }
    return result


def _endure(
    cameras: list[Camera], runner: subprocess.Popen[bytes], minutes: float, seed: int
) -> dict[str, Any]:
    """Let the faults happen, watch the process, and end it."""
    started_s = time.monotonic()
    while not all(camera.seen_s for camera in cameras) and runner.poll() is None:
        time.sleep(0.1)
        if time.monotonic() > started_s + 60.0:
            break
    until_s = time.monotonic() + minutes * 60
    threads = [
        threading.Thread(target=camera.suffer, args=(random.Random(seed + i), until_s), daemon=True)
        for i, camera in enumerate(cameras)
    ]
    for thread in threads:
        thread.start()
    states: list[tuple[float, float, int]] = []
    while any(thread.is_alive() for thread in threads) and runner.poll() is None:
        memory_mb, count = state_of(runner.pid)
        states.append((round(time.monotonic() - started_s, 1), round(memory_mb, 1), count))
        time.sleep(2.0)
    alive = runner.poll() is None
    asked_s = time.monotonic()
    if alive:
        runner.send_signal(signal.SIGINT)
    try:
        code: int | None = runner.wait(15.0)
    except subprocess.TimeoutExpired:
        runner.kill()
        code = None
    step = max(1, len(states) // 60)
    return {
        "minutes": round((time.monotonic() - started_s) / 60, 2),
        "seed": seed,
        "survived": alive,
        "exit_code": code,
        "exit_s": round(time.monotonic() - asked_s, 2),
        "memory_mb": {
            "after_a_tenth": states[len(states) // 10][1] if states else None,
            "end": states[-1][1] if states else None,
            "max": max((s[1] for s in states), default=None),
        },
        "max_threads": max((s[2] for s in states), default=None),
        "time_s_memory_mb_threads": states[::step],
    }


def _faults(cameras: dict[str, Camera]) -> dict[str, Any]:
    table: dict[str, Any] = {}
    for name, camera in cameras.items():
        for kind, times_s in sorted(camera.recoveries_s.items()):
            table[f"{name.partition(':')[0]} {kind}"] = {
                "count": len(times_s),
                "median_recovery_s": round(statistics.median(times_s), 2),
                "max_recovery_s": round(max(times_s), 2),
            }
        for kind in camera.never:
            table[f"{name.partition(':')[0]} {kind} (never recovered)"] = {"count": 1}
    return table


def verdict(result: dict[str, Any]) -> list[str]:
    """What was wrong."""
    wrong = []
    if not result["survived"] or result["exit_code"] != 130 or result["tracebacks"]:
        wrong.append(f"the runner ended with {result['exit_code']}")
    for what in ("made_up", "stale"):
        if result["frames"][what]:
            wrong.append(f"{result['frames'][what]} frames were {what}")
    if not result["predictions"]:
        wrong.append("no predictions")
    for kind, facts in result["faults"].items():
        limit_s = SLOW_KINDS.get(kind.split(" ", 1)[1], RECOVERED_S)
        if facts.get("max_recovery_s", 1e9) > limit_s:
            wrong.append(f"{kind}: recovery took {facts.get('max_recovery_s', 'for ever')} s")
    return wrong


def main() -> int:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("minutes", type=float)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--api", action="store_true", help="use the library, not the command")
    options = parser.parse_args()
    from har_edge.machine.facts import machine_facts

    what = "two cameras fail at random while har-edge run reads them"
    result = {"what": what, "machine": machine_facts()}
    result |= soak(options.minutes, options.seed, api=options.api)
    result["wrong"] = verdict(result)
    print(json.dumps(result, indent=2))
    return 1 if result["wrong"] else 0


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        observe()
        sys.exit(run_api(sys.argv[3:]) if sys.argv[2] == "api" else run_command(sys.argv[2:]))
    sys.exit(main())
