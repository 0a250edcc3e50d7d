"""Runs of the tiny models, measured once for all tests."""

from __future__ import annotations

import pytest

from har_benchmarks.plan.data import Item
from har_benchmarks.results.document import Report
from tests.conftest import moving_square, write_video
from tests.support.tiny import measure, tiny_plan


@pytest.fixture(scope="session")
def tiny_items(tmp_path_factory: pytest.TempPathFactory) -> tuple[Item, ...]:
    """Eight videos with labels of the tiny models, in pairs of one group."""
    folder = tmp_path_factory.mktemp("videos")
    items = []
    for number in range(8):
        path = write_video(folder / f"{number}.mp4", moving_square(12 + 5 * number), 25.0)
        items.append(Item(str(path), ("left", "right", "still")[number % 3], f"group{number // 2}"))
    return tuple(items)


@pytest.fixture(scope="session")
def tiny_report(tmp_path_factory: pytest.TempPathFactory) -> Report:
    """A report of two variants, with everything that can be measured but accuracy."""
    folder = tmp_path_factory.mktemp("tiny")
    video = write_video(folder / "video.mp4", moving_square(50), 25.0)
    plan = tiny_plan(threads=(1, 2), video=str(video), profile_ops=True, sustained_min=0.05)
    return measure(folder / "run", plan)
