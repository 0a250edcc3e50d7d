"""What workers share is made by one of them, and by another one where the first failed."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from tests.support.once import made_once


@pytest.fixture(params=["", "gw0"])
def bases(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> list[Path]:
    """The folders of two workers of one run; of one process, where there are no workers."""
    monkeypatch.delenv("PYTEST_XDIST_WORKER", raising=False)
    if not request.param:
        return [tmp_path, tmp_path]
    monkeypatch.setenv("PYTEST_XDIST_WORKER", request.param)
    folders = [tmp_path / "popen-gw0", tmp_path / "popen-gw1"]
    for folder in folders:
        folder.mkdir()
    return folders


def test_two_that_ask_at_once_get_one(bases: list[Path]) -> None:
    calls, found = list[Path](), list[Path]()

    def make(folder: Path) -> None:
        calls.append(folder)
        time.sleep(0.2)
        (folder / "whole").touch()

    def ask(base: Path) -> None:
        found.append(made_once(base, "model", make))
        assert (found[-1] / "whole").is_file()

    threads = [threading.Thread(target=ask, args=(base,)) for base in bases]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(calls) == 1
    assert found == calls * 2


def test_what_a_worker_left_half_made_is_made_anew(
    bases: list[Path],
) -> None:
    def fail(folder: Path) -> None:
        (folder / "half").touch()
        raise OSError

    first, second = bases
    with pytest.raises(OSError):
        made_once(first, "model", fail)
    folder = made_once(second, "model", lambda folder: (folder / "whole").touch())
    assert [path.name for path in folder.iterdir()] == ["whole"]
