"""Shared fixtures: rendered videos, tiny models, the training data where it is at hand."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from itertools import chain, zip_longest
from pathlib import Path

# Before numpy and TensorFlow are first imported, which then read them: a worker of pytest-xdist has
# one core's share of the machine, and so has what it starts.
if "PYTEST_XDIST_WORKER" in os.environ:
    for variable in (
        "TF_NUM_INTRAOP_THREADS",
        "TF_NUM_INTEROP_THREADS",
        "OMP_NUM_THREADS",
        "OPENBLAS_NUM_THREADS",
    ):
        os.environ.setdefault(variable, "1")

import numpy as np
import pytest
from numpy.typing import NDArray

from har_edge.frames.opencv import import_cv2
from tests.support.kinds import NEED_TENSORFLOW, SETS, kinds_of, takes_none_of

TESTS = Path(__file__).parent
ROOT = Path(__file__).parents[1]
ASSETS = Path(__file__).parent / "assets"

# A shell's background jobs ignore Ctrl-C, those under nohup the end of their terminal, and so
# would all that the tests start.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
    signal.signal(signal.SIGHUP, signal.SIG_DFL)

MakeVideo = Callable[..., Path]
RunCommand = Callable[..., "subprocess.CompletedProcess[str]"]
# Kinds of tests that leave their core to others most of the time; a browser needs one at once.
WAITING = {"server", "waits"}
# A worker that has TensorFlow loaded holds more than a gigabyte.
MOST_WORKERS = 8


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> None:
    """Run what is not named test by test in parallel, where pytest-xdist is installed.

    Not by `addopts`, which would ask every environment for pytest-xdist, and would have a single
    test wait for workers that import everything again. `-n 0` runs the whole suite in this process.
    A file stays with one worker, so that the fixtures of its module are made once.
    """
    options = config.option
    whole = config.args_source is pytest.Config.ArgsSource.TESTPATHS
    in_worker = "PYTEST_XDIST_WORKER" in os.environ
    undecided = getattr(options, "numprocesses", 0) is None and options.dist == "no"
    if whole and undecided and not in_worker and options.capture != "no":
        options.numprocesses, options.dist = "auto", "loadfile"
        options.loadscopereorder = False  # keeps the order below


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Three workers for two cores: some tests wait more than they work."""
    cores = len(os.sched_getaffinity(0))
    return min(cores + cores // 2, MOST_WORKERS)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave out what a set takes nothing of: importing TensorFlow or a server takes seconds."""
    asked = config.option.markexpr
    if asked not in SETS or not collection_path.is_relative_to(TESTS):
        return None
    file = collection_path.relative_to(TESTS).as_posix()
    return takes_none_of(asked, file) or None


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark each test with its kinds, before pytest selects by markers; put the files in order."""
    for item in items:
        if item.path.is_relative_to(TESTS):
            own = {mark.name for mark in item.iter_markers()}
            fixtures = getattr(item, "fixturenames", ())
            name = getattr(item, "originalname", item.name)  # without parameters
            test = f"{item.path.relative_to(TESTS).as_posix()}::{name}"
            for kind in sorted(kinds_of(test, fixtures, own)):
                item.add_marker(kind)
    items[:] = in_turns(items)


def in_turns(items: Sequence[pytest.Item]) -> list[pytest.Item]:
    """Put the files that train first, and between them those that wait for servers and clocks.

    A file that trains for minutes and comes last would leave the other workers idle, as do files
    that wait and run side by side. Files with a browser, which needs a core at once, stand apart,
    each with what is light beside it.
    """
    long: dict[Path, list[Path]] = {TESTS / name: [] for name in NEED_TENSORFLOW}
    waiting, browsing, rest = list[Path](), list[Path](), list[Path]()
    files: dict[Path, list[pytest.Item]] = {}
    for item in items:
        files.setdefault(item.path, []).append(item)
    for path, tests in files.items():
        marks = {mark.name for test in tests for mark in test.iter_markers()}
        folder = next((folder for folder in long if path.is_relative_to(folder)), None)
        if folder is not None:
            long[folder].append(path)
        elif "browser" in marks:
            browsing.append(path)
        elif marks & WAITING:
            waiting.append(path)
        else:
            rest.append(path)
    apart = len(rest) // (len(browsing) + 1)
    for number, path in enumerate(browsing):
        rest.insert(number * (apart + 1), path)
    # Files of one folder ask for the same model, for which all but the first one would wait.
    training = [path for path in chain.from_iterable(zip_longest(*long.values())) if path]
    pairs = chain.from_iterable(zip_longest(training, waiting))
    order = [path for path in (*pairs, *rest) if path is not None]
    return [item for path in order for item in files[path]]


def moving_square(count: int, height: int = 48, width: int = 64) -> list[NDArray[np.uint8]]:
    """RGB frames of a red square that moves right over a grey gradient."""
    frames = []
    for i in range(count):
        frame = np.zeros((height, width, 3), np.uint8)
        frame[:] = np.linspace(40, 120, width, dtype=np.uint8)[:, np.newaxis]
        left = i * 3 % (width - 12)
        frame[16:28, left : left + 12] = (220, 30, 30)
        frames.append(frame)
    return frames


def write_video(
    path: Path, frames: Sequence[NDArray[np.uint8]], fps: float = 25.0, codec: str = "mp4v"
) -> Path:
    """Encode RGB frames, as MPEG-4 or with a codec that FFmpeg knows."""
    cv2 = import_cv2()
    height, width = frames[0].shape[:2]
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*codec), fps, (width, height))
    assert writer.isOpened()
    for frame in frames:
        writer.write(frame[..., ::-1])
    writer.release()
    return path


@pytest.fixture
def make_video(tmp_path: Path) -> MakeVideo:
    """Write a video of a moving square: name, number of frames, rate."""

    def make(name: str = "clip.mp4", count: int = 50, fps: float = 25.0) -> Path:
        return write_video(tmp_path / name, moving_square(count), fps)

    return make


@pytest.fixture(params=["float32", "int8"])
def tiny_model(request: pytest.FixtureRequest) -> Path:
    """A model file of four frames of 32 x 32, in both variants."""
    return ASSETS / f"tiny-{request.param}.tflite"


@pytest.fixture
def har_edge(tmp_path: Path) -> RunCommand:
    """Run `har-edge` as a user does, in a process of its own and an empty folder."""

    def run(*arguments: str | Path | bytes, **options: object) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "har_edge", *arguments]
        settings: dict[str, object] = {"cwd": tmp_path, "timeout": 120, **options}
        result = subprocess.run(  # type: ignore[call-overload]
            command, capture_output=True, text=True, encoding="utf-8", check=False, **settings
        )
        assert "Traceback" not in result.stderr, result.stderr
        return result  # type: ignore[no-any-return]

    return run


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The training data: HAR_DATA, else ../shared/data beside the checkout."""
    path = Path(os.environ.get("HAR_DATA") or ROOT.parent / "shared" / "data")
    if not (path / "har15").is_dir():
        pytest.skip(f"no training data: set HAR_DATA to a folder with har15 (looked in {path})")
    return path


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Callable[[int], Path]]:
    """Mount a file system of so many kB; called again, change its size."""
    folder = tmp_path / "disk"
    folder.mkdir()

    def resize(size_kb: int) -> Path:
        remount = ["-o", "remount"] if folder.is_mount() else []
        options = [*remount, "-t", "tmpfs", "-o", f"size={size_kb}k", "tmpfs", folder]
        if os.geteuid() or subprocess.run(["mount", *options], check=False).returncode:
            pytest.skip("only root can mount a small file system, and not everywhere")
        return folder

    yield resize
    if folder.is_mount():
        subprocess.run(["umount", folder], check=True)
