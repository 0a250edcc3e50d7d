"""What else could be run, on the same frames."""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from har_benchmarks.peers.peers import PEERS, PeerSettings, read_frames, run_peers
from har_benchmarks.render.html import to_html
from har_benchmarks.render.markdown import to_markdown
from har_benchmarks.results.table import Table
from har_edge.errors import DataError
from har_edge.frames.preprocess import resize_frame
from har_edge.model.file import read_model_file
from har_edge.run_folder import bundled_folder
from har_edge.sources.clips import load_frames
from tests.conftest import MakeVideo
from tests.support.made_up import made_case, made_report
from tests.support.page_cells import cells_of
from tests.support.tiny import ASSETS


def silent(line: str) -> None:
    """Take lines and do nothing."""


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    from tests.conftest import moving_square, write_video

    folder = tmp_path_factory.mktemp("peers")
    video = write_video(folder / "video.mp4", moving_square(60), 25.0)
    settings = PeerSettings(
        model=str(ASSETS / "tiny-float32.tflite"),
        files={
            "onnxruntime": [str(ASSETS / "tiny-onnx.encode.onnx")],
            "ultralytics": [str(folder / "none.pt")],
        },
        pythons={"mediapipe": str(folder / "no-python")},
        rounds=2,
    )
    return run_peers(str(video), settings, note=silent)


def peer(found: dict[str, Any], name: str) -> dict[str, Any]:
    return next(row for row in found["peers"] if row["peer"] == name)


def test_peers_that_are_there_agree_on_the_answers(found: dict[str, Any]) -> None:
    ran = ["har-edge", "har-edge-clip", "litert"]
    if importlib.util.find_spec("onnxruntime"):
        ran.append("onnxruntime")
    for name in ran:
        row = peer(found, name)
        assert row["status"] == "ok", row["reason"]
        # Twelve frames at 5 Hz, four of which fill the window.
        assert [len(r["step_ms"]) for r in row["rounds"]] == [8, 8]
        assert row["summary"]["p50_ms"] == pytest.approx(
            np.median([ms for r in row["rounds"] for ms in r["step_ms"]]), abs=1e-4
        )
        assert row["summary"]["start_ms"] > row["summary"]["load_ms"] > 0
    ours, anew = peer(found, "har-edge"), peer(found, "har-edge-clip")
    assert ours["rounds"][0]["answers"] == anew["rounds"][0]["answers"]
    assert ours["summary"]["same_answers"] == 1.0


def test_a_peer_with_several_files_has_a_row_for_each(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    from tests.conftest import moving_square, write_video

    video = write_video(tmp_path / "video.mp4", moving_square(40), 25.0)
    files = [str(ASSETS / f"tiny-{kind}.encode.onnx") for kind in ("onnx", "onnx-int8")]
    settings = PeerSettings(
        str(ASSETS / "tiny-float32.tflite"), files={"onnxruntime": files}, rounds=1
    )
    rows = run_peers(str(video), settings, note=silent)["peers"]
    shown = [(row["file"], row["status"]) for row in rows if row["peer"] == "onnxruntime"]
    assert shown == [("tiny-onnx.encode.onnx", "ok"), ("tiny-onnx-int8.encode.onnx", "ok")]


def test_another_models_labels_are_not_compared() -> None:
    from har_benchmarks.peers.peers import _summarise

    rounds = [{"step_ms": [1.0], "load_ms": 1.0, "start_ms": 1.0, "peak_memory_bytes": 1}]
    ours = {"status": "ok", "rounds": [{**rounds[0], "answers": ["left"]}]}
    other = {"status": "ok", "rounds": [{**rounds[0], "answers": ["tabby cat"]}]}
    wrong = {"status": "ok", "rounds": [{**rounds[0], "answers": ["right"]}]}
    _summarise([ours, other, wrong], ours, ["left", "right"])
    assert [row["summary"]["same_answers"] for row in (ours, other, wrong)] == [1.0, None, 0.0]


def test_mediapipe_says_what_our_file_says(tmp_path: Path) -> None:
    """Needs MediaPipe here, or in the Python that HAR_MEDIAPIPE_PYTHON names."""
    python = os.environ.get("HAR_MEDIAPIPE_PYTHON") or sys.executable
    if python == sys.executable and importlib.util.find_spec("mediapipe") is None:
        pytest.skip("set HAR_MEDIAPIPE_PYTHON to a Python with mediapipe")
    settings = PeerSettings(
        str(ASSETS / "tiny-still-int8.tflite"),
        files={"mediapipe-classifier": [str(ASSETS / "tiny-still-mediapipe-int8.tflite")]},
        pythons={"mediapipe": python},
        rounds=1,
    )
    found = run_peers(str(colours(tmp_path / "colours.mp4")), settings, note=silent)
    row, ours = peer(found, "mediapipe-classifier"), peer(found, "har-edge")
    assert row["status"] == "ok", row["reason"]
    assert len(set(ours["rounds"][0]["answers"])) > 1
    # Of the size of the model's pictures, so that both see the same pixels.
    assert row["summary"]["same_answers"] == 1.0


def colours(path: Path) -> Path:
    """A video of the model's own size whose frames are flat."""
    from tests.conftest import write_video

    shades = np.random.default_rng(3).integers(0, 256, (12, 1, 1, 3), np.uint8)
    return write_video(path, list(np.broadcast_to(shades, (12, 32, 32, 3))), 5.0)


def test_what_is_missing_is_named_with_its_reason(found: dict[str, Any]) -> None:
    assert peer(found, "keras")["reason"] == "Give --keras MODEL.keras."
    assert peer(found, "mediapipe-classifier")["reason"] == "Give --mediapipe MODEL.tflite."
    assert "no-python" in peer(found, "mediapipe")["reason"]
    if importlib.util.find_spec("ultralytics") is None:
        assert f"Not installed in {sys.executable}" in peer(found, "ultralytics")["reason"]
    for name in ("keras", "mediapipe", "ultralytics"):
        assert peer(found, name)["status"] == "skipped"
        assert peer(found, name)["rounds"] == []


def test_the_table_joins_the_report(found: dict[str, Any]) -> None:
    report = Table.of({**made_report(made_case()), "peers": found})
    rows = cells_of(to_html(report, [])).rows
    shown = {row[0] for row in rows if len(row) == 9}
    assert {"har-edge", "plain LiteRT loop"} <= shown
    text = to_markdown(report)
    assert "| har-edge | each frame encoded once, then the window classified |" in text
    assert "- Keras predict: Give --keras MODEL.keras." in text
    p50 = f"{peer(found, 'litert')['summary']['p50_ms']:.2f} ms"
    assert any(row[0] == "plain LiteRT loop" and row[2] == p50 for row in rows)


def test_frames_are_those_that_the_model_would_see(make_video: MakeVideo) -> None:
    video = make_video(count=60)
    clip = read_model_file(ASSETS / "tiny-float32.tflite").spec.clip
    frames = read_frames(str(video), clip.frame_rate_hz, 48)
    assert frames.shape == (12, 48, 64, 3)
    resized = np.stack([resize_frame(frame, clip) for frame in frames])
    assert np.array_equal(resized, load_frames(video, clip))
    assert len(read_frames(str(video), clip.frame_rate_hz, 5)) == 5


def test_a_video_shorter_than_a_window_is_refused(make_video: MakeVideo) -> None:
    settings = PeerSettings(model=str(ASSETS / "tiny-float32.tflite"))
    with pytest.raises(DataError, match="should have more than 4 frames"):
        run_peers(str(make_video(count=15)), settings, note=silent)


def test_every_peer_says_what_it_is() -> None:
    from har_benchmarks.peers import worker as peer_worker

    assert PEERS.keys() == peer_worker.PEERS.keys()
    assert Path(str(peer_worker.__file__)).is_file()


@pytest.mark.slow
@pytest.mark.train
def test_keras_predict_says_what_the_converted_file_says(
    make_video: MakeVideo, tmp_path: Path
) -> None:
    if importlib.util.find_spec("keras") is None:
        pytest.skip("needs the train extra (Keras)")
    clips = bundled_folder("clips") / "model.keras"
    settings = PeerSettings(files={"keras": [str(clips)]}, rounds=1, max_frames=18)
    sample = Path(__file__).parents[3] / "edge/har_edge/samples/falling.mp4"
    row = peer(run_peers(str(sample), settings, note=silent), "keras")
    assert row["status"] == "ok", row["reason"]
    assert row["summary"]["same_answers"] == 1.0
