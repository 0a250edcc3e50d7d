"""Both decoders in turns, and frame by frame."""

from __future__ import annotations

import json
from collections.abc import Generator
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from har_benchmarks.experiments import decode
from har_benchmarks.experiments.decode_same import Pictures, compare_file
from har_edge.errors import DataError
from har_edge.model.spec import ClipSpec
from har_edge.sources.videos.base import Picture
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
        assert row["ratio_least"] > 0


def test_each_frame_is_compared(make_video: MakeVideo) -> None:
    folder = make_video(count=30).parent
    (folder / "broken.mp4").write_bytes(b"\0\0\0\x18ftypisom" + bytes(64))
    found = run("--same", folder)
    assert (found["files"], found["files_compared"], found["frames"]) == (2, 2, 30)
    differ = found["differ"]
    assert isinstance(differ, dict) and list(differ) == ["broken.mp4"]
    assert "not a video" in differ["broken.mp4"]


def test_a_comparison_goes_on_where_it_was(make_video: MakeVideo, tmp_path: Path) -> None:
    folder, out = make_video("a.mp4", count=5).parent, tmp_path / "result.json"
    make_video("b.mp4", count=7)

    def compare(*arguments: str) -> dict[str, object]:
        options = ("--same", str(folder), "--max-files", "1", *arguments, "-o", str(out))
        result = CliRunner().invoke(decode.command, options)
        assert result.exit_code == 0, result.output
        found = json.loads(out.read_text("utf-8"))
        assert isinstance(found, dict)
        return found

    assert compare()["compared"] == {"a.mp4": 5}
    assert compare("--resume")["compared"] == {"a.mp4": 5, "b.mp4": 7}
    found = compare("--resume")
    assert (found["files_compared"], found["frames"], found["differ"]) == (2, 12, {})
    out.write_text("{}", "utf-8")
    result = CliRunner().invoke(decode.command, ["--same", str(folder), "--resume", "-o", str(out)])
    assert isinstance(result.exception, DataError)
    result = CliRunner().invoke(decode.command, ["--resume", "-o", str(out)])
    assert result.exit_code == 2 and "--same DIR" in result.output


def test_how_much_files_differ_is_said(tmp_path: Path) -> None:
    clip = ClipSpec(num_frames=2, frame_rate_hz=8.0, height=4, width=4)
    grey = np.full((4, 4, 3), 100, np.uint8)

    def pictures(*pixels: object, step_s: float = 0.1) -> Pictures:
        def read(path: Path) -> Generator[Picture, None, None]:
            for number, each in enumerate(pixels):
                yield Picture(number, number * step_s, np.asarray(each))

        return read

    plain = pictures(grey, grey, grey)
    assert compare_file(tmp_path, clip, (plain, plain)) == (3, "")
    odd = pictures(grey, grey + np.eye(4, dtype=np.uint8)[..., None] * 2, step_s=0.2)
    count, difference = compare_file(tmp_path, clip, (plain, odd))
    assert count == 2
    assert difference == (
        "2 frames in place of 3; from frame 1 on, of 2 pairs: pixels of 1, by 2 of 255 at most, "
        "0.50 on average in the worst frame; times of 1, by 100.0 ms at most"
    )


def test_the_least_of_each_picture_counts() -> None:
    rounds = [decode.Spent(9.0, 6.0, [1.0, 5.0]), decode.Spent(9.0, 7.0, [4.0, 3.0])]
    assert decode.least_ms(rounds) == 4.0
