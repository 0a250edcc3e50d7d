"""Foreign model files are run once in a child process before they are run here."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from har_edge.errors import BackendError, ModelFileError
from har_edge.model import trial
from har_edge.model.file import BUNDLED_FOLDER, pack_model_file, read_model_file
from har_edge.model.trial import try_model
from tests.conftest import ASSETS

TINY = ASSETS / "tiny-int8.tflite"
GOLDEN = BUNDLED_FOLDER / "golden"


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HAR_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def crashing(tmp_path: Path) -> Path:
    """A file with the right checksum, on whose network LiteRT aborts."""
    return damaged(tmp_path / "crash.tflite", "tiny-int8.tflite", {16340: 0, 20310: 1})


@pytest.fixture
def greedy(tmp_path: Path) -> Path:
    """A file with the right checksum, for whose network LiteRT takes 4 GB."""
    return damaged(tmp_path / "greedy.tflite", "tiny-float16.tflite", {12099: 64})


def damaged(path: Path, name: str, changes: dict[int, int]) -> Path:
    file = read_model_file(GOLDEN / name)
    network = bytearray(file.flatbuffer)
    for place, value in changes.items():
        network[place] = value
    path.write_bytes(pack_model_file(bytes(network), file.spec))
    return path


def har_edge(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "har_edge", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_a_crash_is_a_message(crashing: Path, greedy: Path) -> None:
    for path in (crashing, greedy):
        with pytest.raises(BackendError):
            try_model(path)
    for command in (["info"], ["run", "--demo", "--model"], ["serve", "--port", "0", "--model"]):
        done = har_edge(*command, crashing)
        assert done.returncode == 1, done.stderr
        assert done.stderr.startswith("Error: ")
        assert "Traceback" not in done.stderr


def test_what_ended_the_child_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "m.tflite"
    path.write_bytes(TINY.read_bytes())
    (tmp_path / "python").write_text("#!/bin/sh\nkill -SEGV $$\n")
    (tmp_path / "python").chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    with pytest.raises(BackendError, match=r"crashes on it \(SIGSEGV\)"):
        try_model(path)
    (tmp_path / "python").write_text("#!/bin/sh\nexec sleep 30\n")
    with pytest.raises(BackendError, match=r"within 0\.2 s"):
        try_model(path, limit_s=0.2)
    (tmp_path / "python").write_text("#!/bin/sh\necho 'no memory' >&2; exit 1\n")
    with pytest.raises(BackendError, match="Received: no memory"):
        try_model(path)


def test_a_good_file_is_tried_once(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "m.tflite"
    path.write_bytes(TINY.read_bytes())
    try_model(path)
    (mark,) = (cache / "tried").iterdir()
    assert stat.S_IMODE(mark.stat().st_mode) == 0o600
    monkeypatch.setattr(sys, "executable", "/nonexistent")  # no child can be started any more
    try_model(path)
    other = read_model_file(path)
    path.write_bytes(pack_model_file(other.flatbuffer, other.spec.with_(name="other")))
    with pytest.raises(BackendError, match="cannot be tried"):
        try_model(path)


def test_bundled_files_are_not_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/nonexistent")
    try_model("har15")
    try_model(None)


def test_onnx_pairs_are_tried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("onnxruntime")
    for name in ("tiny-onnx.encode.onnx", "tiny-onnx.classify.onnx"):
        (tmp_path / name).write_bytes((ASSETS / name).read_bytes())
    path = tmp_path / "tiny-onnx.encode.onnx"
    try_model(path)
    monkeypatch.setattr(sys, "executable", "/nonexistent")
    try_model(path)
    (tmp_path / "tiny-onnx.classify.onnx").unlink()
    with pytest.raises(ModelFileError):
        try_model(path)


def test_memory_is_limited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "m.tflite"
    path.write_bytes(TINY.read_bytes())
    code = (
        "import sys; from har_edge.model import trial\n"
        "def load(*a, **k): return bytearray(1 << 32)\n"
        "trial.load_model = load; trial.main()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, os.fspath(path), "auto"],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 1
    assert "more than" in done.stderr
    assert trial.LIMIT_BYTES >= 1 << 30
