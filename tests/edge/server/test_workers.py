"""Processes that share out uploads: what one of them meets is nobody else's business."""

from __future__ import annotations

import asyncio
import io
import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

pytest.importorskip("fastapi", reason="needs the extra serve")

from har_edge.config import ModelConfig, RequestLimits, ServeConfig
from har_edge.errors import ModelFileError, SourceError
from har_edge.server.messages import Answered, Kind, Upload, nameless_file
from har_edge.server.workers import Workers
from tests.conftest import ASSETS
from tests.support.hostile import growing_clip, large_picture
from tests.support.processes import (
    children_of,
    end_of,
    peak_bytes,
    private_bytes,
    states_of,
    threads_of,
)
from tests.support.serving import CLIP, PICTURE, encode_picture, wait_for

TINY = ASSETS / "tiny-int8.tflite"
MakeWorkers = Callable[..., Workers]


@pytest.fixture
def make_workers() -> Iterator[MakeWorkers]:
    made: list[Workers] = []

    def make(count: int, model: Path = TINY, **limits: object) -> Workers:
        bounds = RequestLimits(**limits)  # type: ignore[arg-type]
        config = ServeConfig(model=model, workers=count, limits=bounds)
        made.append(Workers(config, [ModelConfig(model)]))
        return made[-1]

    yield make
    for workers in made:
        workers.close()


def upload(content: bytes, kind: Kind = "image", form: str = "JPEG") -> Upload:
    return Upload(io.BytesIO(content), kind, form, len(content))


def in_a_file(content: bytes, kind: Kind, form: str) -> Upload:
    """As large uploads come."""
    file = nameless_file(in_memory=False)
    file.write(content)
    return Upload(file, kind, form, len(content))


def picture() -> Upload:
    return upload(PICTURE.read_bytes())


def clip() -> Upload:
    return upload(CLIP.read_bytes(), "clip", "MP4")


def nursery() -> int:
    (found,) = children_of(os.getpid(), "har_edge.server.worker")
    return found


def worker_pids(count: int) -> list[int]:
    """Of the workers of the only server that this process has, as soon as all are there."""
    wait_for(lambda: len(children_of(nursery(), "har_edge.server.worker")) == count)
    return children_of(nursery(), "har_edge.server.worker")


def hold(pids: list[int]) -> None:
    """Stop processes, as if they hung in native code."""
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    wait_for(lambda: states_of(pids) == {"T"})


@pytest.mark.parametrize("model", ["tiny-int8.tflite", "tiny-onnx.encode.onnx"])
def test_workers_are_forked_from_a_process_of_one_thread(
    make_workers: MakeWorkers, model: str
) -> None:
    """A fork takes one thread along: locks of others would never open."""
    if model.endswith(".onnx"):
        pytest.importorskip("onnxruntime")
    workers = make_workers(3, ASSETS / model)
    assert len(worker_pids(3)) == 3
    assert threads_of(nursery()) == 1

    async def run() -> list[Answered]:
        return await asyncio.gather(*(workers.run(picture(), 1) for _ in range(6)))

    answers = asyncio.run(run())
    assert len({str(json.loads(answer.body)["all_predictions"]) for answer in answers}) == 1


def test_uploads_are_answered_in_the_order_in_which_they_come(make_workers: MakeWorkers) -> None:
    workers, done = make_workers(1), list[int]()

    async def ask(number: int) -> None:
        await workers.run(picture(), 1)
        done.append(number)

    async def run() -> None:
        await asyncio.gather(*(ask(number) for number in range(20)))

    asyncio.run(run())
    assert done == list(range(20))


def test_errors_reach_who_waits_and_leave_the_process_alive(make_workers: MakeWorkers) -> None:
    workers = make_workers(1)

    async def run() -> Answered:
        with pytest.raises(SourceError, match="cut short"):
            await workers.run(upload(PICTURE.read_bytes()[:3000]), 1)
        with pytest.raises(SourceError, match="The clip") as error:
            await workers.run(upload(b"\0\0\0\x18ftypisom" + bytes(500), "clip", "MP4"), 1)
        assert "/proc" not in str(error.value)
        return await workers.run(picture(), 2)

    asyncio.run(run())
    (pid,) = worker_pids(1)
    answer = asyncio.run(run())
    assert worker_pids(1) == [pid]
    assert len(json.loads(answer.body)["all_predictions"]) == 2


def test_an_upload_finds_nothing_of_the_one_before(make_workers: MakeWorkers) -> None:
    """A worker's uploads lie in the same memory, one after another, long ones and short ones."""
    workers = make_workers(1)
    short = encode_picture("JPEG", (32, 24))
    long, film = PICTURE.read_bytes(), CLIP.read_bytes()

    async def run(content: Upload) -> object:
        answer = json.loads((await workers.run(content, None)).body)
        return [answer["source"], answer["all_predictions"], answer.get("num_frames")]

    async def compare() -> None:
        for content in (long, film, short, film, short, long):
            kind: Kind = "clip" if content is film else "image"
            form = "MP4" if content is film else "JPEG"
            alone = await run(in_a_file(content, kind, form))
            assert await run(upload(content, kind, form)) == alone

    asyncio.run(compare())


def test_what_nobody_waits_for_is_not_done(make_workers: MakeWorkers) -> None:
    workers, done = make_workers(1), list[str]()

    async def ask(name: str) -> None:
        await workers.run(picture(), 1)
        done.append(name)

    async def run() -> None:
        hold(worker_pids(1))
        first, given_up, last = map(asyncio.ensure_future, map(ask, ("first", "given up", "last")))
        await asyncio.sleep(0.1)
        given_up.cancel()
        first.cancel()
        await last

    asyncio.run(run())
    assert done == ["last"]


def test_a_process_that_hangs_is_replaced(make_workers: MakeWorkers) -> None:
    workers = make_workers(2)

    async def run() -> None:
        before = worker_pids(2)
        hold(before)
        for content in (picture(), clip()):
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(workers.run(content, 1), 0.5)
        started_s = time.monotonic()
        await asyncio.gather(workers.run(picture(), 1), workers.run(clip(), 1))
        assert time.monotonic() - started_s < 5
        assert {*before}.isdisjoint(worker_pids(2))

    asyncio.run(run())


def test_a_process_that_crashes_is_replaced(make_workers: MakeWorkers) -> None:
    workers = make_workers(1)

    async def run() -> None:
        (pid,) = worker_pids(1)
        hold([pid])
        asked = asyncio.ensure_future(workers.run(picture(), 1))
        await asyncio.sleep(0.1)
        os.kill(pid, signal.SIGKILL)
        with pytest.raises(SourceError, match="ended the process"):
            await asked
        assert json.loads((await workers.run(picture(), 1)).body)["action"]

    asyncio.run(run())


def test_the_process_that_forks_them_is_replaced(make_workers: MakeWorkers) -> None:
    workers = make_workers(2)

    async def run() -> None:
        os.kill(nursery(), signal.SIGKILL)
        wait_for(lambda: not worker_pids_of_anybody())
        for _ in range(2):  # whoever asks first learns it
            with pytest.raises(SourceError):
                await workers.run(picture(), 1)
        await asyncio.gather(workers.run(picture(), 1), workers.run(picture(), 1))

    asyncio.run(run())


def worker_pids_of_anybody() -> list[int]:
    return [pid for pid in children_of(os.getpid(), "har_edge.server.worker") if not end_of(pid)]


@pytest.mark.parametrize(
    ("content", "form"),
    [
        (large_picture("PNG", "RGBA", 11_000), "PNG"),
        (growing_clip(), "AVI"),
    ],
    ids=["picture", "growing-clip"],
)
def test_what_takes_too_much_memory_is_refused(
    make_workers: MakeWorkers, content: bytes, form: str
) -> None:
    """Whatever the header says and the decoder does."""
    workers = make_workers(1, max_pixels=10**9 if form == "PNG" else 25_000_000)

    async def run() -> None:
        with pytest.raises(SourceError):
            await workers.run(upload(content, "image" if form == "PNG" else "clip", form), 1)
        assert peak_bytes(worker_pids(1)[0]) < 800 * 10**6
        assert json.loads((await workers.run(picture(), 1)).body)["action"]

    asyncio.run(run())


def test_memory_goes_back(make_workers: MakeWorkers) -> None:
    workers = make_workers(1)
    content = encode_picture("PNG", (5000, 5000), compress_level=1)

    async def run() -> None:
        await workers.run(picture(), 1)
        before = sum(map(private_bytes, worker_pids(1)))
        for _ in range(3):
            await workers.run(upload(content, form="PNG"), 1)
            await workers.run(picture(), 1)
            assert sum(map(private_bytes, worker_pids(1))) - before < 80 * 2**20

    asyncio.run(run())


def test_closing_ends_all_processes(make_workers: MakeWorkers) -> None:
    workers = make_workers(2)
    pids = [nursery(), *worker_pids(2)]
    assert len(pids) == 3
    workers.close()
    wait_for(lambda: all(map(end_of, pids)))


def test_a_model_that_does_not_load_is_an_error_at_once() -> None:
    with pytest.raises(ModelFileError):
        missing = ASSETS / "missing.tflite"
        Workers(ServeConfig(model=missing, workers=2), [ModelConfig(missing)])
    assert children_of(os.getpid(), "har_edge.server.worker") == []
