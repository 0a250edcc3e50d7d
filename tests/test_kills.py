"""A kill during a write, at any moment: what was whole stays whole, and the next start works.

pytest tests/test_kills.py                 three kills of each command
HAR_KILLS=20 pytest -s -m "" tests/test_kills.py    twenty, of those with TensorFlow too; -s shows
                                                     how many changes of files each makes
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from har_edge.frames.opencv import import_cv2
from har_edge.model.file import read_model_file
from har_edge.model.loaded import load_model
from har_edge.paths import sample_path
from har_edge.recognition.taught import Background, Taught
from har_edge.recognition.taught_file import described_size, read_taught, write_taught
from tests.conftest import ASSETS, MakeVideo
from tests.support.dying import Disk, build, kill_during_writes

TINY = ASSETS / "tiny-int8.tflite"
TOTALS = """import sys
from pathlib import Path
from har_edge.sinks.totals_file import TotalsFile
file = TotalsFile(Path(sys.argv[1]), print, keep_days=90)
for _ in range(5):
    file.add({"2026-03-01": {"door": {"falling": 1.0}}})
"""


@pytest.fixture
def disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Disk:
    folder, work = tmp_path / "disk", tmp_path / "work"
    folder.mkdir()
    work.mkdir()
    monkeypatch.setenv("HAR_CACHE_DIR", str(folder / "cache"))
    monkeypatch.setenv("TMPDIR", str(work))
    return Disk(folder, build(work), work / "count")


def is_readable(video: Path) -> bool:
    return bool(import_cv2().VideoCapture(str(video)).grab())


def test_lines_of_a_run(disk: Disk, make_video: MakeVideo) -> None:
    out = disk.folder / "out.jsonl"

    def check(done: bool) -> None:
        *lines, last = out.read_text().split("\n")
        assert all(json.loads(line)["action"] for line in lines)
        assert not (done and last)
        assert len(lines) == 7 or not done

    words = ["-m", "har_edge", "run", make_video(), "--model", TINY, "--num-threads", "1",
             "--output-format", "jsonl", "--output", out]  # fmt: skip
    assert kill_during_writes(disk, words, check) > 5


def test_clips_of_events(disk: Disk) -> None:
    folder = disk.folder / "clips"

    def check(done: bool) -> None:
        clips = [path for path in folder.glob("*") if path.name[0] != "."]
        assert all(map(is_readable, clips))
        assert clips or not done

    words = ["-m", "har_edge", "run", sample_path("falling.mp4"), "--model", "clips",
             "--num-threads", "1", "--save-events", folder]  # fmt: skip
    kill_during_writes(disk, words, check)


def test_a_recording(disk: Disk, make_video: MakeVideo) -> None:
    film = disk.folder / "film.mp4"
    words = ["-m", "har_edge", "run", make_video(), "--model", TINY, "--num-threads", "1",
             "--save-video", film]  # fmt: skip
    kill_during_writes(disk, words, lambda done: is_readable(film) or not done)


def test_totals(disk: Disk) -> None:
    path, before = disk.folder / "totals.db", [0.0]

    def check(done: bool) -> None:
        from har_edge.sinks.totals_file import TotalsFile

        # By another name, as what was cut short is undone where it is opened.
        shutil.copytree(disk.folder, disk.folder.with_name("copy"), dirs_exist_ok=True)
        copy = TotalsFile(disk.folder.with_name("copy") / path.name, print, keep_days=90)
        seconds = copy.add({}).get("2026-03-01", {}).get("door", {}).get("falling", 0.0)
        shutil.rmtree(disk.folder.with_name("copy"))
        assert seconds.is_integer()  # each addition whole or not there
        assert before[0] <= seconds <= before[0] + 5
        assert seconds == before[0] + 5 or not done
        before[0] = seconds

    kill_during_writes(disk, ["-c", TOTALS, path], check)


def test_taught_actions(disk: Disk, make_video: MakeVideo) -> None:
    model, path = load_model(TINY), disk.folder / "taught.npz"
    random = np.random.default_rng(0)
    background = Background.of(random.random((100, described_size(model)), np.float32))
    write_taught(model, Taught(model.spec.model_sha256, background), path)
    count = [0]

    def check(done: bool) -> None:
        windows = read_taught(model, path).windows.get("waving", ())
        lesson = 7  # windows of the video
        assert len(windows) in ((count[0] + lesson,) if done else (count[0], count[0] + lesson))
        count[0] = len(windows)

    words = ["-m", "har_edge", "teach", "waving", make_video(), "--model", TINY,
             "--taught", path]  # fmt: skip
    kill_during_writes(disk, words, check)


@pytest.mark.slow
def test_a_report_of_a_benchmark(disk: Disk) -> None:
    folder = disk.folder / "bench"
    words = ["-m", "har_benchmarks", "run", TINY, "--rounds", "2", "--num-runs", "2",
             "--warmup-runs", "1", "--threads", "1", "--out", folder]  # fmt: skip

    def check(done: bool) -> None:
        if done or (folder / "report.json").is_file():
            assert json.loads((folder / "report.json").read_text())["cases"]

    def then() -> Sequence[str | Path]:
        begun = (folder / "journal.jsonl").is_file()
        return [*words[:3], "--resume", folder] if begun else words

    kill_during_writes(
        disk, words, check, prepare=lambda: shutil.rmtree(folder, ignore_errors=True), then=then
    )


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Two classes of eight coloured pictures."""
    from PIL import Image

    random = np.random.default_rng(0)
    for label, base in (("dark", 20), ("light", 180)):
        (tmp_path / "data" / label).mkdir(parents=True)
        for i in range(8):
            pixels = random.integers(base, base + 60, (40, 40, 3), np.uint8)
            Image.fromarray(pixels).save(tmp_path / "data" / label / f"{i}.png")
    return tmp_path / "data"


@pytest.mark.slow
def test_a_report_on_a_dataset(disk: Disk, pictures: Path) -> None:
    pytest.importorskip("imagehash")
    folder = disk.folder / "report"

    def check(done: bool) -> None:
        for path in folder.glob("[!.]*"):
            assert path.read_bytes()[-8:]
            if path.suffix in (".png", ".jpg"):
                assert import_cv2().imread(str(path)) is not None
        assert (folder / "explore.html").is_file() or not done

    words = ["-m", "har_train", "explore", pictures, "--out", folder]
    kill_during_writes(disk, words, check)


def _whole_run(folder: Path) -> None:
    """A run folder that is there is complete."""
    assert json.loads((folder / "metrics.json").read_text())["test"]
    with np.load(folder / "representative.npz") as arrays:
        assert len(arrays["frames"])
    assert json.loads((folder / "spec.json").read_text())["labels"] == ["dark", "light"]
    assert import_cv2().imread(str(folder / "training_history.png")) is not None


def _fit(pictures: Path, folder: Path, cache: Path) -> list[str | Path]:
    """The words of a training of seconds."""
    return ["-m", "har_train", "fit", pictures, "--out", folder, "--cache", cache, "--epochs", "2",
            "--weights", "none", "--size", "32", "--batch-size", "4",
            "--alpha", "0.35"]  # fmt: skip


@pytest.mark.slow
@pytest.mark.train
def test_a_training(disk: Disk, pictures: Path) -> None:
    pytest.importorskip("tensorflow")
    folder, cache = disk.folder / "run", disk.folder / "features"
    fit = _fit(pictures, folder, cache)

    def check(done: bool) -> None:
        if done or folder.exists():
            _whole_run(folder)

    def prepare() -> None:
        for place in (folder, folder.with_name("run.partial"), cache):
            shutil.rmtree(place, ignore_errors=True)

    def then() -> Sequence[str | Path] | None:
        if folder.exists():
            return None
        begun = (folder.with_name("run.partial") / "checkpoints" / "config.toml").is_file()
        return [*fit[:3], "--resume", folder, "--cache", cache] if begun else fit

    kill_during_writes(disk, fit, check, prepare=prepare, then=then)


@pytest.mark.slow
@pytest.mark.train
def test_a_conversion(disk: Disk, pictures: Path, tmp_path: Path) -> None:
    pytest.importorskip("tensorflow")
    folder, run = disk.folder / "models", tmp_path / "small"
    assert disk.run(_fit(pictures, run, tmp_path / "features")) == 0

    def check(done: bool) -> None:
        for path in folder.glob("[!.]*.tflite"):
            read_model_file(path)  # compares checksums
        assert (folder / "SHA256SUMS").is_file() or not done

    words = ["-m", "har_convert", run, "--int8", "--out", folder]
    kill_during_writes(disk, words, check)
