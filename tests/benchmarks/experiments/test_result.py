"""What an experiment leaves."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from har_benchmarks.experiments.result import SAMPLE, resident_mb, write_result
from har_edge.errors import OutputError


def test_the_result_is_written_where_it_is_wanted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_result({"rows": [1]}, None)
    assert capsys.readouterr().out == ""
    write_result({"rows": [1]}, "-")
    assert json.loads(capsys.readouterr().out) == {"rows": [1]}
    write_result({"rows": [2]}, tmp_path / "out.json")
    assert json.loads((tmp_path / "out.json").read_text()) == {"rows": [2]}
    with pytest.raises(OutputError, match="cannot be written"):
        write_result({}, tmp_path / "nowhere" / "out.json")


def test_memory_of_a_process_is_read() -> None:
    if not Path("/proc/self/status").exists():
        pytest.skip("this system has no /proc")
    assert 1 < resident_mb(os.getpid()) <= resident_mb(os.getpid(), "VmHWM")


def test_the_bundled_video_is_there() -> None:
    assert SAMPLE.is_file()
