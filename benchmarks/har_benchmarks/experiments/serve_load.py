"""What `har-edge serve` carries: many clients on one machine, all sending one picture.

    har-bench experiment serve-load [--seconds S] [--height PIXELS] [--before CHECKOUT] [--out JSON]

First one thread decodes, resizes and encodes the picture without any server; the cores times its
rate is what the machine allows, if nothing else runs. As many threads as cores doing so, before
and after, tell what it gives at the moment; and time on the cores tells what the server adds,
however busy the machine is. Then a server runs as a process of its own, and 32 clients send the
picture over loopback, each the next one as soon as it has its answer. Then 128 of them do: more
than the server lets in, so some are told to come back after a second, which they do.

With another checkout, its server and this one's are measured in turns, and told beside each other.

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
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import click
import numpy as np

from har_benchmarks.experiments.checkouts import ROOTS
from har_benchmarks.experiments.result import SAMPLE, family_mb, family_of, write_result
from har_benchmarks.experiments.turns import in_turns
from har_benchmarks.results.document import file_facts
from har_edge.commands.harness import note
from har_edge.errors import HarError
from har_edge.frames.decode import decode_image
from har_edge.frames.opencv import import_cv2
from har_edge.frames.preprocess import resize_frame
from har_edge.machine.facts import git_revision, machine_facts
from har_edge.model.loaded import load_model
from har_edge.sources.files import VideoSource

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
def server(model: str, checkout: Path | None = None) -> Iterator[tuple[int, int]]:
    """Run `har-edge serve`, with the sources of a checkout or our own; its process and its port."""
    command = [sys.executable, "-m", "har_edge", "serve", "--port", "0", "--model", model]
    paths = {"PYTHONPATH": os.pathsep.join(str(checkout / r) for r in ROOTS)} if checkout else {}
    with tempfile.TemporaryFile("w+") as said:
        process = subprocess.Popen(command, stderr=said, env={**os.environ, **paths})
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
    raise HarError(
        f"The server should start. It printed: {said.read()}. Try it by hand: har-edge serve"
    )


def server_spent_s(pid: int) -> float:
    """Time that a process, its children and theirs spent on the cores so far."""
    spent_s = 0.0
    for member in family_of(pid):
        with suppress(OSError):  # it has ended meanwhile
            stat = Path(f"/proc/{member}/stat").read_text(encoding="utf-8")
            fields = stat.rpartition(")")[2].split()
            spent_s += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return spent_s


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
        memory_mb, results = [round(family_mb(pid), 1)], {}
        for clients in (CLIENTS, CROWD):
            started_s, start = time.monotonic(), Spent.now(pid)
            load = asyncio.run(send_all(port, content, clients, seconds))
            taken_s, end = time.monotonic() - started_s, Spent.now(pid)
            answers = len(load.latencies_ms)
            memory_mb.append(round(family_mb(pid), 1))
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


def compare(
    model: str, seconds: float, height: int, before: Path, rounds: int
) -> dict[str, object]:
    """Measure the servers of two checkouts in turns.

    Raises:
        HarError: if one does not start.
    """
    content = picture(height)

    def figures(checkout: Path | None) -> dict[str, float]:
        with server(model, checkout) as (pid, port):
            asyncio.run(send_all(port, content, CLIENTS, 2.0))
            found = {"memory_mb": family_mb(pid)}
            for clients in (CLIENTS, CROWD):
                started_s, start_s = time.monotonic(), server_spent_s(pid)
                load = asyncio.run(send_all(port, content, clients, seconds))
                answers, taken_s = len(load.latencies_ms), time.monotonic() - started_s
                spent_ms = (server_spent_s(pid) - start_s) * 1e3
                found[f"{clients}_clients_hz"] = answers / taken_s
                found[f"{clients}_clients_p99_ms"] = float(np.percentile(load.latencies_ms, 99))
                found[f"{clients}_clients_cpu_ms_each"] = spent_ms / answers
                found[f"{clients}_clients_errors"] = load.errors
            return {**found, "memory_after_mb": family_mb(pid)}

    told = in_turns({"before": lambda: figures(before), "after": lambda: figures(None)}, rounds)
    rows = {
        name: {
            **{side: round(median(one[name] for one in told[side]), 2) for side in told},
            "ratios": [
                round(new[name] / old[name], 3) if old[name] else None
                for old, new in zip(told["before"], told["after"], strict=True)
            ],
        }
        for name in told["after"][0]
    }
    return {
        "what": "servers of two checkouts in turns; medians, and after to before in each round",
        "model": model,
        "picture": {"width": height * 16 // 9, "height": height, "size_bytes": len(content)},
        "seconds": seconds,
        "before": git_revision(before),
        "after": git_revision(Path(__file__).parent),
        **rows,
        "machine": machine_facts(),
    }


def _spent_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


@click.command()
@click.option("-m", "--model", default="har15", show_default=True, help="Model to serve.")
@click.option(
    "--seconds",
    type=click.FloatRange(min=1, max=120),
    default=60.0,
    show_default=True,
    help="Duration of each load.",
)
@click.option(
    "--height",
    type=click.Choice([str(height) for height in HEIGHTS]),
    default="720",
    show_default=True,
    help="Height of the 16:9 picture, in rows.",
)
@click.option(
    "--before",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Measure this server and that of another checkout in turns.",
)
@click.option(
    "--rounds", type=click.IntRange(min=1), default=5, show_default=True, help="Turns of each."
)
@click.option("-o", "--out", metavar="FILE", help="Write to this file instead of standard output.")
def command(
    model: str, seconds: float, height: str, before: Path | None, rounds: int, out: str | None
) -> None:
    """Measure how many pictures per second the server handles, for how many clients.

    \b
    Examples:
      har-bench experiment serve-load --model har15 --height 1080 --out serve-load.json
      har-bench experiment serve-load --seconds 20 --before ../before
    """
    if before is not None:
        write_result(compare(model, seconds, int(height), before.resolve(), rounds), out or "-")
        return
    facts = measure(model, seconds, int(height))
    note(f"allowed {facts['allowed']}")
    write_result(facts, out or "-")
