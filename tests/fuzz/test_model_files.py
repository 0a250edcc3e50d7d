"""Thousands of damaged model files: none gives a bare exception, or an answer that is no number.

pytest -m fuzz                         2,000 files, a minute
HAR_FUZZ_FILES=20000 pytest -m fuzz    what a release is tried with
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from har_edge.errors import HarError
from har_edge.model.trial import try_model

FILES = int(os.environ.get("HAR_FUZZ_FILES", "2000"))


@pytest.mark.fuzz
@pytest.mark.parametrize("seed", [1, 2])
def test_damaged_files_do_no_harm(
    tmp_path: Path, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = [sys.executable, "-m", "tests.support.try_mutants", seed, FILES // 2, tmp_path]
    done = subprocess.run(
        [str(word) for word in command],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        timeout=1800,
    )
    result = json.loads(done.stdout)
    sys.stdout.write(f"seed {seed}: {result['found']}\n")  # pytest -s shows it
    assert result["bare"] == []
    assert set(result["found"]) <= {"runs", "refused", "crashes"}
    # What ends the process that loads it, ends a child of ours, and is a message.
    monkeypatch.setenv("HAR_CACHE_DIR", str(tmp_path / "cache"))
    for path in result["crashed"]:
        with pytest.raises(HarError):
            try_model(path)
