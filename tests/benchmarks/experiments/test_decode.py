"""Both decoders in turns, and frame by frame."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from har_benchmarks.experiments import decode
from tests.conftest import MakeVideo
from tests.support.videos import needs_av

pytestmark = needs_av


def run(*arguments: str | Path) -> dict[str, object]:
    result = CliRunner().invoke(decode.command, [*map(str, arguments), "-o", "-"])
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert isinstance(found, dict)
    return found


def test_time_and_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    tiny = decode.Form("libx264", "mp4", (64, 48), 20)
    monkeypatch.setattr(decode, "FORMS", {"tiny": tiny})
    rows = run("--rounds", "1")["rows"]
    assert isinstance(rows, list)
    assert [row["taken"] for row in rows] == ["8 Hz", "every frame"]
    for row in rows:
        assert row["form"] == "tiny" and row["frames"] == 20
        assert min(row["pyav_wall_ms"], row["ratio_cpu"], row["opencv_peak_mb"]) > 0


def test_each_frame_is_compared(make_video: MakeVideo) -> None:
    folder = make_video(count=30).parent
    (folder / "broken.mp4").write_bytes(b"\0\0\0\x18ftypisom" + bytes(64))
    found = run("--same", folder)
    assert (found["files"], found["frames"]) == (2, 30)
    differ = found["differ"]
    assert isinstance(differ, dict) and list(differ) == ["broken.mp4"]
