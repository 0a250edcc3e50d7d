"""Spans of one video are samples of their own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from har_edge.datasets import Sample
from har_edge.frames.opencv import import_cv2
from har_train.explore import scan
from har_train.explore.scan import read_facts
from tests.support.exploring import Unstated, kinds_of, look
from tests.train.conftest import MakeClip

for package in ("imagehash", "matplotlib"):
    pytest.importorskip(package)
pytestmark = pytest.mark.train


def span_findings(tmp_path: Path, *rows: str) -> list[tuple[str, str, str]]:
    """Kind, split and detail of what is found in rows of `clip.mp4`, which lasts 6 s."""
    path = tmp_path / "spans.csv"
    lines = ["path,label,split,start_s,end_s", *(f"clip.mp4,{row}" for row in rows)]
    path.write_text("\n".join(lines), encoding="utf-8")
    found = look(path).findings
    return [(f.kind, f.split, f.detail) for f in found if f.kind != "constant-labels"]


def test_spans_of_a_video_are_samples_of_their_own(make_clip: MakeClip, tmp_path: Path) -> None:
    make_clip(tmp_path / "clip.mp4", "left", count=60)
    apart = "left,train,0,2", "right,train,2,4.0", "left,train,4,"
    assert span_findings(tmp_path, *apart) == []
    # It shares a second with the span before, and one with that after.
    shared = (
        "overlapping parts of one video, 4 s to its end and 3 s to 5 s; labels 'left' and 'right'"
    )
    assert span_findings(tmp_path, *apart, "right,train,3,5") == [
        ("conflict", "train", shared),
        ("duplicates", "train", shared),
    ]
    chain = "right,train,2.5,4.5", "right,train,4,6"
    assert [detail.rpartition(", ")[2] for *_, detail in span_findings(tmp_path, *apart[:2], *chain)
            ] == ["2 s to 4 s and 2.5 s to 4.5 s", "2.5 s to 4.5 s and 4 s to 6 s"]  # fmt: skip
    assert span_findings(tmp_path, *apart[:2], "right,train,2.5,5") == [
        ("duplicates", "train", "overlapping parts of one video, 2 s to 4 s and 2.5 s to 5 s")
    ]
    assert span_findings(tmp_path, *apart[:2], "left,train,0,2") == [
        ("duplicates", "train", "identical content")
    ]
    # Apart too they show one person in one place.
    assert span_findings(tmp_path, *apart[:2], "left,test,4,") == [
        ("leakage", "train/test", "parts of one video, 0 s to 2 s and 4 s to its end")
    ]
    ((kind, _, detail),) = span_findings(tmp_path, *apart, "left,train,6,7")
    assert kind == "unreadable"
    assert "frames from 6 s to 7 s" in detail
    ((kind, _, detail),) = span_findings(tmp_path, "left,train,0,2", "right,train,2,3.5")
    assert (kind, detail) == (
        "short",
        "12 of 16 frames at 8 Hz: 1.50 s at 10 Hz, from 2 s to 3.5 s",
    )


def test_near_copy_of_a_later_span_is_found(make_clip: MakeClip, tmp_path: Path) -> None:
    """The file itself looks otherwise: only its second half was copied."""
    cv2 = import_cv2()
    source = make_clip(tmp_path / "clip.mp4", "left", count=80, seed=1)
    capture = cv2.VideoCapture(str(source))
    frames = [capture.read()[1] for _ in range(80)]
    writer = cv2.VideoWriter(
        str(tmp_path / "copy.mp4"), cv2.VideoWriter_fourcc(*"mp4v"), 10.0, (80, 60)
    )
    for frame in frames[40:]:
        writer.write(cv2.resize(frame, (80, 60)))
    writer.release()
    table = tmp_path / "spans.csv"
    rows = "clip.mp4,left,train,0,3.5\nclip.mp4,left,train,4,\ncopy.mp4,left,test,,\n"
    table.write_text(f"path,label,split,start_s,end_s\n{rows}", encoding="utf-8")
    assert kinds_of(look(table))["leakage"] == 1


@pytest.mark.parametrize("stated", [True, False])
def test_facts_of_a_span_are_those_of_its_frames(
    stated: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A clip that brightens from frame to frame says which frames were looked at."""
    cv2 = import_cv2()
    path = tmp_path / "clip.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 10.0, (64, 48))
    for i in range(60):
        writer.write(np.full((48, 64, 3), 4 * i, np.uint8))
    writer.release()
    if not stated:
        monkeypatch.setattr(scan, "VideoSource", Unstated)
    sample = Sample(path, "walk", "g", "", 1.0, 2.5)
    facts = read_facts(sample)
    assert (facts.num_frames, facts.frame_rate_hz) == (15, pytest.approx(10, rel=1e-3))
    looked_at = facts.thumbnails.mean(axis=(1, 2, 3)) / 4
    # Passing by, the second is the last power of two.
    assert looked_at == pytest.approx([10, 17, 24], abs=0.6)
    assert scan.small_picture(sample, 32).mean() / 4 == pytest.approx(17, abs=0.6)
