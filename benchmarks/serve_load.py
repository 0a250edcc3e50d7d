"""What `har-edge serve` carries: many clients on one machine, all sending one picture.

    python benchmarks/serve_load.py [--seconds S] [--height PIXELS] [--out JSON]

First one thread decodes, resizes and encodes the picture without any server; the cores times its
rate is what the machine allows, if nothing else runs. As many threads as cores doing so, before
and after, tell what it gives at the moment; and time on the cores tells what the server adds,
however busy the machine is. Then a server runs as a process of its own, and 32 clients send the
picture over loopback, each the next one as soon as it has its answer. Then 128 of them do: more
than the server lets in, so some are told to come back after a second, which they do.

Rates are told as shares of what the machine allows, and of what the threads gave right before
and after. The clients, and whatever else runs, take time from the same cores; it is told whose
the difference is.
"""

from __future__ import annotations

import asyncio
import io
import os
import re
import resource
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import click
import numpy as np

import har_edge
from har_benchmarks.results.results import file_facts, to_json
from har_edge.commands.harness import note, run_command
from har_edge.errors import HarError
from har_edge.frames.decode import decode_image
from har_edge.frames.opencv import import_cv2
from har_edge.frames.preprocess import resize_frame
from har_edge.machine.facts import machine_facts
from har_edge.model.loaded import load_model
from har_edge.sinks.stream import open_output
from har_edge.sources.files import VideoSource

SAMPLE = Path(har_edge.__file__).parent / "samples" / "falling.mp4"
HEIGHTS = (480, 720, 1080)
CLIENTS, CROWD = 32, 128
START_TIMEOUT_S = 30.0


def picture(height: int = 720) -> bytes:
    """A frame of the bundled sample as a photo in 16:9, with a sensor's noise."""
    cv2, rng = import_cv2(), np.random.default_rng(0)
    size = (height * 16 // 9, height)
    frame = cv2.resize(VideoSource(SAMPLE).look()[1][..., ::-1], size).astype(np.int16)
    noisy = np.clip(frame + rng.integers(-4, 5, frame.shape), 0, 255).astype(np.uint8)
    return bytes(cv2.imencode(".jpg", noisy, [cv2.IMWRITE_JPEG_QUALITY, 85])[1])


def allowance(model_name: str, content: bytes, seconds: float) -> dict[str, float]:
    """What one thread gets done without a server, and what all cores would."""
    import_cv2().setNumThreads(1)
    model = load_model(model_name)
    stages: dict[str, list[float]] = {"decode": [], "preprocess": [], "encode": []}
    until_s = time.monotonic() + seconds
    while time.monotonic() < until_s:
        times = [time.perf_counter()]
        pixels = decode_image(io.BytesIO(content), "picture")
        times.append(time.perf_counter())
        resized = resize_frame(pixels, model.spec.clip)
        times.append(time.perf_counter())
        model.encode(resized)
        times.append(time.perf_counter())
        for stage, spent_s in zip(stages.values(), np.diff(times), strict=True):
            stage.append(spent_s * 1e3)
    medians = {f"{name}_ms": round(float(median(values)), 3) for name, values in stages.items()}
    cores = len(os.sched_getaffinity(0))
    return {**medians, "cores": cores, "allowed_hz": round(cores * 1e3 / sum(medians.values()), 2)}


def threads_hz(model_name: str, content: bytes, seconds: float) -> tuple[float, float]:
    """Pictures a second of as many threads as cores, without a server; core time of each, in ms."""
    models = [load_model(model_name) for _ in range(len(os.sched_getaffinity(0)))]
    counts, started_s, spent_s = [0] * len(models), time.monotonic(), _spent_s()

    def work(number: int) -> None:
        model = models[number]
        while time.monotonic() - started_s < seconds:
            pixels = decode_image(io.BytesIO(content), "picture")
            model.encode(resize_frame(pixels, model.spec.clip))
            counts[number] += 1

    threads = [threading.Thread(target=work, args=(i,)) for i in range(len(models))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    rate_hz = sum(counts) / (time.monotonic() - started_s)
    return round(rate_hz, 2), round((_spent_s() - spent_s) * 1e3 / sum(counts), 3)


@dataclass
class Load:
    """What clients saw.

    Attributes:
        latencies_ms: Of each picture that was recognised.
        statuses: Of all answers.
        errors: Connections that failed.
    """

    latencies_ms: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    errors: int = 0

    def summary(self, seconds: float) -> dict[str, object]:
        """Rates and percentiles."""
        p50, p95, p99 = np.percentile(self.latencies_ms, (50, 95, 99))
        return {
            "seconds": round(seconds, 2),
            "recognised_hz": round(len(self.latencies_ms) / seconds, 2),
            "p50_ms": round(float(p50), 2),
            "p95_ms": round(float(p95), 2),
            "p99_ms": round(float(p99), 2),
            "statuses": {str(status): n for status, n in sorted(self.statuses.items())},
            "errors": self.errors,
        }


async def send_all(port: int, content: bytes, clients: int, seconds: float) -> Load:
    """Let clients send one picture again and again."""
    load = Load()
    part = b'--x\r\nContent-Disposition: form-data; name="file"; filename="p"\r\n\r\n'
    body = part + content + b"\r\n--x--\r\n"
    head = (
        "POST /predict HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: multipart/form-data; "
        f"boundary=x\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    until_s = time.monotonic() + seconds
    request = head.encode() + body
    await asyncio.gather(*(_client(port, request, until_s, load) for _ in range(clients)))
    return load


async def _client(port: int, request: bytes, until_s: float, load: Load) -> None:
    while time.monotonic() < until_s:
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            try:
                while time.monotonic() < until_s:
                    await _ask(reader, writer, request, load)
            finally:
                writer.close()
        except (OSError, asyncio.IncompleteReadError):
            load.errors += 1


async def _ask(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes, load: Load
) -> None:
    started_s = time.perf_counter()
    writer.write(request)
    head = await reader.readuntil(b"\r\n\r\n")
    length = re.search(rb"(?i)content-length: (\d+)", head)
    await reader.readexactly(int(length[1]) if length else 0)
    status = int(head[9:12])
    load.statuses[status] += 1
    if status == 200:
        load.latencies_ms.append((time.perf_counter() - started_s) * 1e3)
        return
    after = re.search(rb"(?i)retry-after: (\d+)", head)
    await asyncio.sleep(float(after[1]) if after else 1.0)


@contextmanager
def server(model: str) -> Iterator[tuple[int, int]]:
    """Run `har-edge serve`; its process and its port."""
    command = [sys.executable, "-m", "har_edge", "serve", "--port", "0", "--model", model]
    with tempfile.TemporaryFile("w+") as said:
        process = subprocess.Popen(command, stderr=said)
        try:
            yield process.pid, _port(process, said)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(30)


def _port(process: subprocess.Popen[bytes], said: io.TextIOWrapper) -> int:
    until_s = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < until_s and process.poll() is None:
        said.seek(0)
        found = re.search(r"http://127\.0\.0\.1:(\d+)", said.read())
        if found:
            return int(found[1])
        time.sleep(0.1)
    said.seek(0)
    raise HarError(f"The server should start. It said: {said.read()}. Run: har-edge serve")


def resident_mb(pid: int) -> float:
    """Resident memory of a process, in MB."""
    found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    return round(int(found[1]) * 1024 / 1e6, 1) if found else float("nan")


def server_spent_s(pid: int) -> float:
    """Time that a process spent on the cores so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Spent:
    """Time on the cores so far, in s: of the clients, the server, everybody, and nobody."""

    clients_s: float
    server_s: float
    busy_s: float
    idle_s: float

    @classmethod
    def now(cls, pid: int) -> Spent:
        """Read the clocks. Source: proc(5), /proc/stat."""
        first = Path("/proc/stat").read_text().partition("\n")[0].split()[1:9]
        user, nice, system, idle, waiting, *others = map(int, first)
        ticks, tick_hz = user + nice + system + sum(others), os.sysconf("SC_CLK_TCK")
        return cls(_spent_s(), server_spent_s(pid), ticks / tick_hz, (idle + waiting) / tick_hz)

    def since(self, start: Spent, answers: int) -> dict[str, object]:
        """Shares of the machine's cores since then, and the server's time for each answer."""
        clients_s, server_s = self.clients_s - start.clients_s, self.server_s - start.server_s
        busy_s, idle_s = self.busy_s - start.busy_s, self.idle_s - start.idle_s
        shares = {
            "server": server_s,
            "clients": clients_s,
            "others": max(0.0, busy_s - server_s - clients_s),
            "idle": idle_s,
        }
        all_s = busy_s + idle_s
        return {
            **{f"{who}_share_of_cores": round(s / all_s, 3) for who, s in shares.items()},
            "server_cpu_ms_each": round(server_s * 1e3 / answers, 3),
        }


def measure(model: str, seconds: float, height: int) -> dict[str, object]:
    """Measure the allowance, then the server under both loads.

    Raises:
        HarError: if the model cannot be loaded or the server does not start.
    """
    content = picture(height)
    allowed = allowance(model, content, min(5.0, seconds))
    moments = [threads_hz(model, content, min(5.0, seconds))]
    with server(model) as (pid, port):
        asyncio.run(send_all(port, content, CLIENTS, 2.0))
        memory_mb, results = [resident_mb(pid)], {}
        for clients in (CLIENTS, CROWD):
            started_s, start = time.monotonic(), Spent.now(pid)
            load = asyncio.run(send_all(port, content, clients, seconds))
            taken_s, end = time.monotonic() - started_s, Spent.now(pid)
            answers = len(load.latencies_ms)
            memory_mb.append(resident_mb(pid))
            moments.append(threads_hz(model, content, min(5.0, seconds)))
            threads = (moments[-2][0] + moments[-1][0]) / 2
            results[f"{clients}_clients"] = {
                **load.summary(taken_s),
                "share_of_allowed": round(answers / taken_s / allowed["allowed_hz"], 3),
                "share_of_threads": round(answers / taken_s / threads, 3),
                **end.since(start, answers),
            }
    path = load_model(model).path
    return {
        "model": file_facts(path),
        "picture": {"width": height * 16 // 9, "height": height, "size_bytes": len(content)},
        "allowed": allowed,
        "threads_hz": [rate_hz for rate_hz, _ in moments],
        "threads_cpu_ms_each": [cpu_ms for _, cpu_ms in moments],
        **results,
        "memory_mb": memory_mb,
        "machine": machine_facts(),
    }


def _spent_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("-m", "--model", default="har15", show_default=True, help="Model to serve.")
@click.option(
    "--seconds",
    type=click.FloatRange(min=1, max=120),
    default=60.0,
    show_default=True,
    help="Length of each load.",
)
@click.option(
    "--height",
    type=click.Choice([str(height) for height in HEIGHTS]),
    default="720",
    show_default=True,
    help="Rows of the picture, which is in 16:9.",
)
@click.option("-o", "--out", metavar="FILE", help="Write here instead of standard output.")
def main(model: str, seconds: float, height: str, out: str | None) -> None:
    """Measure how many pictures a second the server answers."""
    facts = measure(model, seconds, int(height))
    note(f"allowed {facts['allowed']}")
    stream = open_output(out)
    stream.write(to_json(facts))
    if out:
        stream.close()


if __name__ == "__main__":
    run_command(main)
