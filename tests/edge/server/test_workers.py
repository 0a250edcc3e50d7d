"""Threads that share out jobs, each with a model of its own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from functools import partial

import pytest

pytest.importorskip("fastapi", reason="needs the extra serve")

from har_edge.errors import ModelFileError
from har_edge.model.loaded import LoadedModel, load_model
from har_edge.server.workers import Workers
from tests.conftest import ASSETS


@pytest.fixture
def make_workers() -> Iterator[Callable[[int], Workers]]:
    made: list[Workers] = []

    def make(count: int) -> Workers:
        made.append(Workers(lambda: load_model(ASSETS / "tiny-int8.tflite"), count))
        return made[-1]

    yield make
    for workers in made:
        workers.close()


def test_each_thread_has_a_model_of_its_own(make_workers: Callable[[int], Workers]) -> None:
    workers, all_there = make_workers(3), threading.Barrier(3, timeout=20)

    def job(model: LoadedModel) -> tuple[LoadedModel, str]:
        all_there.wait()
        return model, threading.current_thread().name

    async def run() -> list[tuple[LoadedModel, str]]:
        return await asyncio.gather(*(workers.run(job) for _ in range(3)))

    models, names = zip(*asyncio.run(run()), strict=True)
    assert len(set(map(id, models))) == len(set(names)) == 3


def test_jobs_are_done_in_the_order_in_which_they_come(
    make_workers: Callable[[int], Workers],
) -> None:
    workers, done = make_workers(1), list[int]()

    def note(number: int, _: LoadedModel) -> None:
        done.append(number)

    async def run() -> None:
        await asyncio.gather(*(workers.run(partial(note, i)) for i in range(20)))

    asyncio.run(run())
    assert done == list(range(20))


def test_errors_reach_who_waits_and_leave_the_thread_alive(
    make_workers: Callable[[int], Workers],
) -> None:
    workers = make_workers(1)

    async def run() -> str:
        with pytest.raises(ZeroDivisionError):
            await workers.run(lambda _: 1 / 0)
        return await workers.run(lambda model: model.spec.name)

    assert asyncio.run(run())


def test_what_nobody_waits_for_is_not_done(make_workers: Callable[[int], Workers]) -> None:
    workers, begun, go, done = make_workers(1), threading.Event(), threading.Event(), []

    def hold(_: LoadedModel) -> None:
        begun.set()
        assert go.wait(20)

    async def run() -> None:
        first = asyncio.ensure_future(workers.run(hold))
        await asyncio.to_thread(begun.wait, 20)
        given_up = asyncio.ensure_future(workers.run(lambda _: done.append("given up")))
        last = asyncio.ensure_future(workers.run(lambda _: done.append("last")))
        await asyncio.sleep(0)  # both are in the queue
        given_up.cancel()
        await asyncio.sleep(0)
        go.set()
        await asyncio.gather(first, last)

    asyncio.run(run())
    assert done == ["last"]


def test_closing_drops_what_has_not_begun(make_workers: Callable[[int], Workers]) -> None:
    workers, begun, go, done = make_workers(1), threading.Event(), threading.Event(), []

    def hold(_: LoadedModel) -> str:
        begun.set()
        assert go.wait(20)
        return "done"

    async def run() -> str:
        first = asyncio.ensure_future(workers.run(hold))
        await asyncio.to_thread(begun.wait, 20)
        dropped = asyncio.ensure_future(workers.run(lambda _: done.append("dropped")))
        await asyncio.sleep(0)
        workers.close()
        go.set()
        result = await first
        dropped.cancel()
        return result

    before = threading.active_count()
    assert asyncio.run(run()) == "done"
    assert not done
    assert threading.active_count() < before + 2


def test_a_model_that_does_not_load_is_an_error_at_once() -> None:
    with pytest.raises(ModelFileError):
        Workers(lambda: load_model(ASSETS / "missing.tflite"), 2)
