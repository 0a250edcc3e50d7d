"""The process that needs TensorFlow: its job, the Keras model, and how it may end."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import numpy as np
import pytest

from har_convert.conversion import convert_run
from har_convert.process import ConversionError
from har_convert.recipe import Recipe
from har_convert.run_folder import Run, iter_clips, load_run
from har_convert.worker import Job, Maker, calibration_inputs, encode, load_parts
from har_edge.errors import DataError

keras = pytest.importorskip("keras")
pytestmark = pytest.mark.train

RunCommand = Callable[..., "CompletedProcess[str]"]


@pytest.mark.parametrize(
    "job",
    [
        Job("runs/mine"),
        Job(
            "runs/mine",
            data="data",
            calibration="more",
            calibration_frames=7,
            calibration_root="elsewhere",
            limit=3,
            recipes=(Recipe("onnx"), Recipe("int8", ("a", "b"), float_classify=True)),
            reference=False,
            sensitivity=True,
        ),
    ],
)
def test_job_is_read_as_it_was_saved(job: Job, tmp_path: Path) -> None:
    job.save(tmp_path)
    assert Job.load(tmp_path) == job
    assert json.loads((tmp_path / "job.json").read_text(encoding="utf-8"))["run"] == "runs/mine"


def test_job_finds_its_run(run_folder: Path, stills: Path, tmp_path: Path) -> None:
    run = Job(str(run_folder), str(tmp_path), str(stills), 9, "elsewhere").load_run()
    assert (run.folder, run.data_root) == (run_folder, tmp_path)
    assert (run.calibration, run.calibration_frames) == (stills, 9)
    assert run.calibration_root == Path("elsewhere")
    assert Job(str(run_folder)).load_run() == load_run(run_folder)


def test_parts_make_up_the_model(run: Run) -> None:
    maker = Maker(run, *load_parts(run))
    model = keras.models.load_model(run.model_path, compile=False)
    for clip in iter_clips(run, run.held_out(3)):
        expected = model.predict_on_batch(clip.frames[clip.windows].astype(np.float32))
        features, probabilities = maker.predict(clip)
        assert np.abs(probabilities - expected).max() < 1e-5
        assert features.shape == (len(clip.frames), run.spec.feature_size)


def test_batches_do_not_change_the_features(run: Run) -> None:
    encoder, _ = load_parts(run)
    clip = run.representative()
    one_by_one = [
        encoder.predict_on_batch(f[np.newaxis].astype(np.float32))[0] for f in clip.frames
    ]
    assert np.abs(encode(encoder, clip.frames, batch=7) - np.stack(one_by_one)).max() < 1e-5


def test_preparing_leaves_the_model_as_it_was(run: Run) -> None:
    maker = Maker(run, *load_parts(run))
    before = [w.copy() for w in maker.encoder.get_weights()]
    prepared, stem = maker.prepared
    assert stem[-1] == "project_0_bn"
    for changed in (prepared, maker.halved[0]):
        assert any((a != b).any() for a, b in zip(before, changed.get_weights(), strict=True))
    after = maker.encoder.get_weights()
    assert all(np.array_equal(a, b) for a, b in zip(before, after, strict=True))


def test_calibration_spans_black_to_white(run: Run) -> None:
    encoder, _ = load_parts(run)
    clip = run.representative()
    given = list(calibration_inputs(encoder, clip)())
    frames = [inputs["frame"] for name, inputs in given if name == "encode"]
    windows = [inputs["features"] for name, inputs in given if name == "classify"]
    assert len(frames) == len(clip.frames) + 1
    assert np.array_equal(np.concatenate(frames[:-1]), clip.frames.astype(np.float32))
    assert (frames[-1].min(), frames[-1].max()) == (0, 255)
    assert {frame.shape for frame in frames} == {(1, 32, 32, 3)}
    features = encode(encoder, clip.frames)
    assert np.array_equal(np.concatenate(windows), features[clip.windows])


@pytest.mark.parametrize("changed", [("clip", "height", 64), ("clip", "num_frames", 4),
                                     ("feature_size", 17)])  # fmt: skip
def test_model_that_does_not_fit_its_spec_is_refused(
    changed: tuple[Any, ...], copied_run: Path
) -> None:
    *path, value = changed
    spec = json.loads((copied_run / "spec.json").read_text(encoding="utf-8"))
    place = spec[path[0]] if len(path) > 1 else spec
    place[path[-1]] = value
    (copied_run / "spec.json").write_text(json.dumps(spec), encoding="utf-8")
    with pytest.raises(DataError, match=rf"model.keras does not fit spec.json.*{value}.*received"):
        load_parts(load_run(copied_run))


def test_another_keras_model_is_refused(copied_run: Path) -> None:
    inputs = keras.Input((4,))
    other = keras.Model(inputs, keras.layers.Dense(2, name="something")(inputs))
    other.save(copied_run / "model.keras")
    with pytest.raises(DataError, match=r"another kind of model.*frames and classify.*something"):
        load_parts(load_run(copied_run))


@pytest.mark.parametrize("damage", ["empty", "text", "cut", "overwritten"])
def test_damaged_archive_is_refused(damage: str, copied_run: Path) -> None:
    path = copied_run / "model.keras"
    content = path.read_bytes()
    middle = len(content) // 2
    path.write_bytes(
        {
            "empty": b"",
            "text": b"no archive",
            "cut": content[:middle],
            "overwritten": content[:middle] + b"\xff" * 4096 + content[middle + 4096 :],
        }[damage]
    )
    with pytest.raises(DataError, match=r"model.keras cannot be loaded: .*train again"):
        load_parts(load_run(copied_run))


CRASH = "import os, signal, sys\nif 'har_convert.worker' in sys.orig_argv:\n    {}\n"


@pytest.fixture
def crashing(tmp_path: Path) -> Callable[[str], str]:
    """A PYTHONPATH with which the worker, and nothing else, runs a statement and ends."""

    def make(statement: str) -> str:
        (tmp_path / "shim").mkdir()
        code = CRASH.format(statement)
        (tmp_path / "shim" / "sitecustomize.py").write_text(code, encoding="utf-8")
        return str(tmp_path / "shim")

    return make


def test_native_crash_is_reported(
    har_convert: RunCommand, run_folder: Path, crashing: Callable[[str], str], tmp_path: Path
) -> None:
    shim = crashing("os.kill(os.getpid(), signal.SIGSEGV)")
    result = har_convert(run_folder, "--int8", "--out", "out", PYTHONPATH=shim)
    assert result.returncode == 1
    assert f"converter crashed (signal {signal.SIGSEGV.value})" in result.stderr
    assert "try another variant" in result.stderr
    assert list((tmp_path / "out").iterdir()) == []


def test_crash_is_an_error_of_its_own(
    run: Run, crashing: Callable[[str], str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PYTHONPATH", crashing("os.abort()"))
    with pytest.raises(ConversionError, match=rf"signal {signal.SIGABRT.value}\)"):
        convert_run(run, ["float32"], tmp_path / "out")


def test_worker_that_ends_without_a_word(
    run: Run, crashing: Callable[[str], str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PYTHONPATH", crashing("os._exit(9)"))
    with pytest.raises(ConversionError, match="The conversion failed: no message"):
        convert_run(run, ["float32"], tmp_path / "out")


def test_python_of_the_worker_is_this_one(
    run: Run, crashing: Callable[[str], str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    shim = crashing("print(sys.executable, flush=True); os._exit(1)")
    monkeypatch.setenv("PYTHONPATH", shim)
    lines: list[str] = []
    with pytest.raises(ConversionError):
        convert_run(run, ["float32"], tmp_path / "out", say=lines.append)
    assert lines == [sys.executable]
