"""Thousands of damaged files: none gives a bare exception, or an answer that is no number.

    pytest -m fuzz                          20,000 model files, 2,000 audits, 500 taught files
    HAR_FUZZ_SHARE=0.1 pytest -m fuzz -s    a tenth of each; -s shows the figures

All cores take part: five minutes on two of them.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TypedDict

import pytest

from har_edge.errors import HarError
from har_edge.model.trial import LIMIT_BYTES, try_model

SHARE = float(os.environ.get("HAR_FUZZ_SHARE", "1"))
# Memory of a process that reads a file: what the child that tries foreign files may take.
MOST_MB = (LIMIT_BYTES >> 20) + 200


class Result(TypedDict):
    """What `tests.support.try_mutants` prints."""

    found: dict[str, int]
    bare: list[str]
    crashed: list[str]
    peak_mb: int


def try_files(kind: str, seeds: Iterable[int], number: int, folder: Path) -> list[Result]:
    """Try files, a seed's in a process of their own; as many at once as there are cores."""
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        return list(pool.map(partial(_try, kind, number, folder), seeds))


def _try(kind: str, number: int, folder: Path, seed: int) -> Result:
    place = folder / str(seed)
    place.mkdir()
    words = ["-m", "tests.support.try_mutants", kind, str(seed), str(number), str(place)]
    done = subprocess.run(
        [sys.executable, *words],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        timeout=3600,
    )
    result: Result = json.loads(done.stdout)
    return result


def check(kind: str, results: list[Result], allowed: set[str]) -> None:
    found = sum((Counter(result["found"]) for result in results), Counter[str]())
    peak_mb = max(result["peak_mb"] for result in results)
    sys.stdout.write(f"\n{kind}: {dict(found)}, at most {peak_mb} MB\n")  # pytest -s shows it
    assert [bare for result in results for bare in result["bare"]] == []
    assert set(found) <= allowed
    assert peak_mb < MOST_MB


@pytest.mark.fuzz
def test_model_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    results = try_files("models", range(1, 21), round(1000 * SHARE), tmp_path)
    check("model files", results, {"runs", "refused", "crashes", "hangs"})
    # What ends the process that loads it, or keeps it busy, ends a child of ours: a message.
    monkeypatch.setenv("HAR_CACHE_DIR", str(tmp_path / "cache"))
    for path in [path for result in results for path in result["crashed"]]:
        with pytest.raises(HarError):
            try_model(path, limit_s=10)


@pytest.mark.fuzz
def test_audits(tmp_path: Path) -> None:
    pytest.importorskip("onnx")
    results = try_files("audits", range(1, 5), round(500 * SHARE), tmp_path)
    check("audits", results, {"runs", "refused", "crashes", "hangs"})


@pytest.mark.fuzz
def test_taught_files(tmp_path: Path) -> None:
    check("taught files", try_files("taught", [1], round(500 * SHARE), tmp_path),
          {"runs", "refused"})  # fmt: skip
