"""Two of everything at once: the second is told so, at once, and changes nothing."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from har_edge.exclusive import one_at_a_time
from har_edge.paths import sample_path
from har_edge.sinks.output import open_output
from har_edge.sinks.video import Movie
from tests.conftest import ASSETS

TINY = ASSETS / "tiny-int8.tflite"
SEATED = sample_path("seated.jpg")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Two classes of two pictures."""
    for label, grey in (("dark", 20), ("light", 200)):
        (tmp_path / "data" / label).mkdir(parents=True)
        for i in range(2):
            pixels = np.full((40, 40, 3), grey + i, np.uint8)
            Image.fromarray(pixels).save(tmp_path / "data" / label / f"{i}.png")
    return tmp_path / "data"


def at_it(path: Path) -> contextlib.AbstractContextManager[object]:
    return one_at_a_time(path, "")


def recording(path: Path) -> contextlib.AbstractContextManager[object]:
    return contextlib.closing(Movie(path, 5.0, (64, 48)))


def writing(path: Path) -> contextlib.AbstractContextManager[object]:
    return open_output(path)


# The words of a command, with OUT for what it writes, DATA for a dataset; who is at it already.
COMMANDS = {
    "run --output": ("har_edge run --demo --model har15 --output OUT", writing),
    "run --save-video": ("har_edge run --demo --model har15 --save-video OUT.mp4", recording),
    "teach": (f"har_edge teach waving {SEATED} --taught OUT", at_it),
    "fit": ("har_train fit DATA --out OUT --weights none", at_it),
    "evaluate": (f"har_train evaluate {TINY} DATA --out OUT", at_it),
    "explore": ("har_train explore DATA --out OUT", at_it),
    "convert": ("har_convert clips --int8 --out OUT", at_it),
    "bench": (f"har_benchmarks run {TINY} --out OUT", at_it),
}
NEEDS = {"fit": "tensorflow", "evaluate": "sklearn", "explore": "imagehash", "convert": "keras",
         "bench": "matplotlib"}  # fmt: skip


@pytest.mark.parametrize("name", COMMANDS)
def test_the_second_is_told(name: str, tmp_path: Path, data: Path) -> None:
    if name in NEEDS:
        pytest.importorskip(NEEDS[name])
    command, first = COMMANDS[name]
    out = tmp_path / ("out.mp4" if ".mp4" in command else "out")
    words = command.replace("OUT.mp4", str(out)).replace("OUT", str(out)).replace("DATA", str(data))
    with first(out):
        before = {path: path.lstat().st_mtime_ns for path in tmp_path.rglob("*")}
        done = subprocess.run(
            [sys.executable, "-m", *words.split()],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
        now = {path: path.lstat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()}
    assert done.returncode == 1, done.stderr
    assert "at a time. Another one is at it" in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr
    assert now.items() <= before.items()
