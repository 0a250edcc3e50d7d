"""The choice of threads: from figures, remembered, and never in the way."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from har_edge.machine import thread_choice as threads
from har_edge.machine.thread_choice import ThreadChoice, choose_num_threads, fewest_good
from har_edge.model.runtimes import BackendError
from tests.conftest import ASSETS

TINY = ASSETS / "tiny-int8.tflite"


@pytest.fixture(autouse=True)
def idle(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with two cores and nothing else to do."""
    monkeypatch.setattr(os, "getloadavg", lambda: (0.0, 0.0, 0.0))
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1})


@pytest.mark.parametrize(
    ("median_ms", "best"),
    [
        ({1: 10.0, 2: 6.0, 3: 5.0, 4: 4.9}, 3),
        ({1: 10.0, 2: 9.6, 3: 12.0}, 1),
        ({1: 8.0, 2: 4.0, 4: 2.0}, 4),
        ({1: 3.0}, 1),
    ],
)
def test_fewest_threads_within_five_percent(median_ms: dict[int, float], best: int) -> None:
    assert fewest_good(median_ms) == best


def test_measured_once_then_remembered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = tmp_path / "new" / "threads.json"
    first = choose_num_threads(TINY, cache=cache)
    assert first.measured
    assert set(first.median_ms) == {"1", "2"}
    assert first.num_threads == fewest_good({int(n): ms for n, ms in first.median_ms.items()})
    monkeypatch.setattr(threads, "measure", lambda *_: pytest.fail("measured again"))
    again = choose_num_threads(TINY, cache=cache)
    assert again == ThreadChoice(first.num_threads, first.median_ms, measured=False)
    assert "measured before" in again.format()
    assert [p.name for p in cache.parent.iterdir()] == ["threads.json"]


def test_another_model_or_machine_is_measured_for_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = tmp_path / "threads.json"
    choose_num_threads(TINY, cache=cache)
    assert choose_num_threads(ASSETS / "tiny-float32.tflite", cache=cache).measured
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0})
    alone = choose_num_threads(TINY, cache=cache)
    assert (alone.measured, alone.num_threads, list(alone.median_ms)) == (True, 1, ["1"])
    assert len(json.loads(cache.read_text())) == 3


@pytest.mark.parametrize(
    "damage",
    [
        b"", b"{", b"[1]", b"\xff\xfe", b"null", b"[" * 100_000,
        b'{"%s": 1}', b'{"%s": {"num_threads": 9, "median_ms": {"1": 1}}}',
        b'{"%s": {"num_threads": "x", "median_ms": {}}}', b'{"%s": {"median_ms": {"1": null}}}',
    ],
)  # fmt: skip
def test_a_damaged_cache_is_made_again(tmp_path: Path, damage: bytes) -> None:
    cache = tmp_path / "threads.json"
    choose_num_threads(TINY, cache=cache)
    (key,) = json.loads(cache.read_text())
    cache.write_bytes(damage.replace(b"%s", key.encode()))
    assert choose_num_threads(TINY, cache=cache).measured
    assert not choose_num_threads(TINY, cache=cache).measured


def test_a_cache_that_cannot_be_written_is_left(tmp_path: Path) -> None:
    blocker = tmp_path / "file"
    blocker.write_text("")
    assert choose_num_threads(TINY, cache=blocker / "threads.json").measured
    assert blocker.read_text() == ""


def test_what_a_busy_machine_says_is_not_remembered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "getloadavg", lambda: (3.0, 0.0, 0.0))
    cache = tmp_path / "threads.json"
    choice = choose_num_threads(TINY, cache=cache)
    assert choice.busy
    assert "busy" in choice.format()
    assert not cache.exists()


def test_measurement_ends_in_time_and_takes_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a clock that says each call takes 100 ms, three rounds are run and no more."""
    now_s, calls = 0.0, []

    class Slow:
        name, version = "slow", "1"

        def __init__(self, number: int) -> None:
            self.number = number

        def encode(self, frame: Any) -> Any:
            nonlocal now_s
            now_s += 0.1 * self.number
            calls.append(self.number)
            return frame

        classify = encode

    monkeypatch.setattr(threads.time, "perf_counter", lambda: now_s)
    from har_edge.model.file import read_model_file

    measured = threads.measure({1: Slow(1), 2: Slow(2)}, read_model_file(TINY))
    assert measured == {1: pytest.approx(100), 2: pytest.approx(200)}
    assert calls == [1, 1, 2, 2] * 3


def test_a_runtime_that_is_missing_is_said(tmp_path: Path) -> None:
    with pytest.raises(BackendError):
        choose_num_threads(TINY, backend="onnxruntime", cache=tmp_path / "t.json")
