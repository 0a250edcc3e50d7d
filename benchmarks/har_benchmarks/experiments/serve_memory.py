"""What uploads cost the memory of `har-edge serve`: at their worst, and for good.

    har-bench experiment serve-memory [--rounds N] [--before CHECKOUT] [--out JSON]

A server runs as a process of its own, and gets pictures of 25 megapixels, the most that it takes
by default: four of each kind, two at a time, and the small sample after that. All the while the
memory of its processes is read, what they share once. `peak_mb` is the most of it, `after_mb` what
is left two seconds after the last answer, both beside `start_mb`. With another checkout, its server
and this one's take turns.
"""

from __future__ import annotations

import io
import threading
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import click

from har_benchmarks.experiments.checkouts import PICTURE
from har_benchmarks.experiments.result import family_mb, write_result
from har_benchmarks.experiments.serve_load import server
from har_benchmarks.experiments.turns import in_turns
from har_edge.client import Client
from har_edge.commands.harness import note
from har_edge.errors import ServerError
from har_edge.machine.facts import git_revision, machine_facts

SIDE = 5000
AT_A_TIME = 2
LOOK_S = 0.02
REST_S = 2.0
# Pillow's names of formats and modes.
KINDS = {
    "JPEG": ("JPEG", "RGB"),
    "JPEG, turned": ("JPEG", "RGB"),
    "PNG": ("PNG", "RGB"),
    "PNG with transparency": ("PNG", "RGBA"),
    "PNG of 16 bits": ("PNG", "I;16"),
    "WebP": ("WEBP", "RGB"),
    "BMP": ("BMP", "L"),
}


def large_picture(kind: str) -> bytes:
    """A plain picture of 25 megapixels."""
    from PIL import Image

    form, mode = KINDS[kind]
    stream, options = io.BytesIO(), {"PNG": {"compress_level": 1}, "WEBP": {"method": 0}}
    exif = Image.Exif()
    if kind.endswith("turned"):
        exif[0x0112] = 6
    Image.new(mode, (SIDE, SIDE)).save(stream, form, exif=exif, **options.get(form, {}))
    return stream.getvalue()


class Watch:
    """Reads a server's memory again and again, in a thread, until the block ends."""

    def __init__(self, pid: int) -> None:
        self.peak_mb = 0.0
        self._pid = pid
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._done.wait(LOOK_S):
            self.peak_mb = max(self.peak_mb, family_mb(self._pid))


def measure(
    pictures: Mapping[str, bytes], model: str, checkout: Path | None = None
) -> dict[str, dict[str, float]]:
    """Send each kind to a server of its own: memory before, at most and after, and what came.

    Raises:
        HarError: if a server does not start.
    """
    rows = {}
    for kind, content in pictures.items():
        with server(model, checkout) as (pid, port):
            client = Client(f"http://127.0.0.1:{port}")

            def ask(sent: bytes, client: Client = client) -> int:
                try:
                    client.predict(sent)
                except ServerError as error:
                    return error.status or 0
                return 200

            ask(PICTURE.read_bytes())
            start_mb = family_mb(pid)
            with Watch(pid) as watch, ThreadPoolExecutor(AT_A_TIME) as pool:
                statuses = [*pool.map(ask, [content] * (2 * AT_A_TIME))]
                ask(PICTURE.read_bytes())
                time.sleep(REST_S)
            rows[kind] = {
                "answered": statuses.count(200),
                "refused": len(statuses) - statuses.count(200),
                "start_mb": round(start_mb, 1),
                "peak_mb": round(watch.peak_mb, 1),
                "after_mb": round(family_mb(pid), 1),
            }
    return rows


@click.command()
@click.option("-m", "--model", default="har15", show_default=True, help="Model to serve.")
@click.option(
    "--before",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Measure this server and that of another checkout in turns.",
)
@click.option(
    "--rounds", type=click.IntRange(min=1), default=1, show_default=True, help="Turns of each."
)
@click.option(
    "--kind", "kinds", type=click.Choice([*KINDS]), multiple=True, help="Kind of picture; else all."
)
@click.option("-o", "--out", metavar="FILE", help="Write to this file instead of standard output.")
def command(
    model: str, before: Path | None, rounds: int, kinds: tuple[str, ...], out: str | None
) -> None:
    """Measure what large uploads cost the server's memory, at their worst and for good.

    \b
    Example:
      har-bench experiment serve-memory --before ../before --out serve-memory.json
    """
    pictures = {kind: large_picture(kind) for kind in kinds or KINDS}
    ways = {"after": lambda: measure(pictures, model)}
    if before is not None:
        checkout = before.resolve()
        ways = {"before": lambda: measure(pictures, model, checkout), **ways}
    told = in_turns(ways, rounds, warmup=0)
    for kind in pictures:
        sides = {side: found[-1][kind] for side, found in told.items()}
        note(f"{kind}: " + ", ".join(f"{side} {row}" for side, row in sides.items()))
    facts = {
        "what": "memory of a server that gets pictures of 25 megapixels; MB, shared pages once",
        "model": model,
        "at_a_time": AT_A_TIME,
        "before": None if before is None else git_revision(before),
        "after": git_revision(Path(__file__).parent),
        **told,
        "machine": machine_facts(),
    }
    write_result(facts, out or "-")
