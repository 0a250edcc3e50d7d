"""From a folder of clips to actions, with the three commands as a user types them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from har_edge.frames.opencv import import_cv2
from har_edge.model.loaded import LoadedModel, apply_temperature, load_model
from har_edge.sources.clips import load_frames

pytest.importorskip("tensorflow")
pytestmark = pytest.mark.train

FIELDS = {
    "source", "frame", "timestamp_s", "action", "confidence", "all_predictions", "window_frames",
    "latency_ms", "decode_ms", "preprocess_ms", "encode_ms", "classify_ms", "age_ms",
}  # fmt: skip
SIDES = {"train": 4, "val": 2, "test": 2}


def command(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run one of the installed commands; it has to succeed."""
    script = Path(sys.executable).with_name(arguments[0])
    if not script.is_file():
        pytest.skip(f"{arguments[0]} is not installed beside this Python")
    result = subprocess.run(
        [script, *arguments[1:]],
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
        cwd=folder,
        timeout=400,
        env={**os.environ, "HAR_CACHE_DIR": str(folder / "cache")},
    )
    assert result.returncode == 0, result.stderr
    assert "Traceback" not in result.stderr
    return result


def write_square(path: Path, step: int, seed: int) -> None:
    """Render a square that moves by so many pixels a frame, 2 s at 10 frames a second."""
    cv2 = import_cv2()
    path.parent.mkdir(parents=True, exist_ok=True)
    top, left = np.random.default_rng(seed).integers(0, 32, 2)
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"mp4v"), 10.0, (64, 48))
    assert writer.isOpened()
    for i in range(20):
        frame = np.full((48, 64, 3), 90, np.uint8)
        x = (left + step * i) % 52
        frame[top : top + 12, x : x + 12] = (40, 60, 220)
        writer.write(frame)
    writer.release()


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which a model was trained on rendered clips and converted."""
    folder = tmp_path_factory.mktemp("project")
    for label, step in (("left", -3), ("right", 3)):
        for side, count in SIDES.items():
            for i in range(count):
                seed = 10 * len(side) + i
                write_square(folder / "squares" / side / label / f"{i}.mp4", step, seed)
    command(
        folder, "har-train", "fit", "squares", "--out", "runs/squares", "--weights", "none",
        "--alpha", "0.35", "--size", "32", "--num-frames", "4", "--frame-rate", "5",
        "--epochs", "2",
    )  # fmt: skip
    # After two epochs the classes come out even, and any rounding may turn an answer.
    command(
        folder, "har-convert", "runs/squares", "--float32", "--int8", "--onnx",
        "--max-accuracy-drop", "100",
    )  # fmt: skip
    return folder


def file_name(variant: str) -> str:
    return f"squares-{variant}" + (".encode.onnx" if variant == "onnx" else ".tflite")


def load(project: Path, variant: str) -> LoadedModel:
    return load_model(project / "models" / "squares" / file_name(variant))


def test_files_are_where_they_should_be(project: Path) -> None:
    models = project / "models" / "squares"
    assert sorted(p.name for p in models.iterdir()) == [
        "MODEL_CARD.md",
        "SHA256SUMS",
        "squares-convert.log",
        "squares-float32.tflite",
        "squares-int8.tflite",
        "squares-onnx.classify.onnx",
        "squares-onnx.encode.onnx",
    ]
    assert [p.name for p in (project / "runs").iterdir()] == ["squares"]
    sizes = {p.stem: p.stat().st_size for p in models.glob("*.tflite")}
    assert sizes["squares-int8"] < 0.5 * sizes["squares-float32"]


@pytest.mark.parametrize("variant", ["float32", "int8", "onnx"])
def test_predictions_are_json_lines(project: Path, variant: str) -> None:
    clip = "squares/test/right/0.mp4"
    model = f"models/squares/{file_name(variant)}"
    plain = ["--output-format", "jsonl", "--smoothing", "0", "--score-threshold", "0"]
    result = command(project, "har-edge", "run", clip, "--model", model, *plain)
    records = [json.loads(line) for line in result.stdout.splitlines()]
    # 2 s at 5 Hz are 10 frames, of which the fourth fills the first window.
    assert [r["frame"] for r in records] == [6, 8, 10, 12, 14, 16, 18]
    loaded = load(project, variant)
    frames = load_frames(project / clip, loaded.spec.clip)
    for i, record in enumerate(records):
        assert record.keys() == FIELDS
        assert record["source"] == clip
        assert record["timestamp_s"] == pytest.approx(record["frame"] / 10, abs=0.002)
        assert record["window_frames"] == 4
        assert record["encode_ms"] > 0
        expected = loaded.classify_clip(frames[i : i + 4])
        found = {p["action"]: p["confidence"] for p in record["all_predictions"]}
        assert found.keys() == {"left", "right"}
        assert [found["left"], found["right"]] == pytest.approx(expected.tolist(), abs=1e-4)
        assert record["confidence"] == max(found.values()) == found[record["action"]]


@pytest.mark.parametrize("variant", ["float32", "onnx"])
def test_float_files_equal_keras(variant: str, project: Path) -> None:
    import keras

    keras_model = keras.models.load_model(project / "runs" / "squares" / "model.keras")
    model = load(project, variant)
    for path in sorted((project / "squares").rglob("*.mp4"))[::3]:
        window = load_frames(path, model.spec.clip)[3:7]
        pixels = window[np.newaxis].astype(np.float32)
        raw = np.asarray(keras_model.predict_on_batch(pixels)[0])
        expected = apply_temperature(raw, model.spec.temperature)
        assert np.abs(model.classify_clip(window) - expected).max() < 1e-4
        # Features too: those of random weights say little, and the classes come out even.
        features = keras_model.get_layer("frames").layer.predict_on_batch(pixels[0])
        found = np.stack([model.encode(frame) for frame in window])
        assert np.abs(found - features).max() < 1e-3 * np.abs(features).max()
    metrics = model.spec.metrics
    assert metrics["max_probability_difference"] < 1e-4
    assert metrics["verified_on_held_out"] == 1


def test_card_says_what_the_files_say(project: Path) -> None:
    card = (project / "models" / "squares" / "MODEL_CARD.md").read_text(encoding="utf-8")
    for variant in ("float32", "int8", "onnx"):
        metrics = load(project, variant).spec.metrics
        (row,) = [line for line in card.splitlines() if f"`{file_name(variant)}`" in line]
        assert f"| {metrics['max_probability_difference']:.2g} |" in row
        assert f"| {metrics['verified_accuracy']:.1%} |" in row


def test_a_run_judges_on_its_own_test_part(project: Path) -> None:
    """Given the run folder alone, which names its data as the training was told of it."""
    once = ("--rounds", "1", "--num-runs", "1", "--warmup-runs", "0", "--threads", "1")
    model = f"models/squares/{file_name('float32')}"
    command(
        project, "har-bench", "run", model, "--data", "runs/squares", *once,
        "--backends", "litert", "--out", "bench",
    )  # fmt: skip
    report = json.loads((project / "bench" / "report.json").read_text(encoding="utf-8"))
    assert report["data"] == {"name": "squares", "files": 2 * SIDES["test"]}


@pytest.mark.slow
def test_the_same_from_python(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Train, convert and recognise in one process, by what the packages offer."""
    import har_convert
    import har_edge
    import har_train

    monkeypatch.chdir(project)
    monkeypatch.setenv("HAR_CACHE_DIR", str(project / "cache"))
    run = har_train.fit(
        "squares",
        out="runs/mine",
        num_frames=4,
        weights="none",
        size=32,
        frame_rate_hz=5.0,
        epochs=1,
    )
    report = har_convert.convert(run, variants=["float32"], out="models/mine")
    assert report.paths == (Path("models/mine/mine-float32.tflite"),)
    model = har_edge.load("models/mine")  # the folder holds one file
    answer = model.classify("squares/test/right/0.mp4")
    assert answer.action in ("left", "right", "unknown")
    assert [label for label, _ in answer.top(2)] == sorted(
        ("left", "right"), key=lambda label: -dict(answer.top(2))[label]
    )
