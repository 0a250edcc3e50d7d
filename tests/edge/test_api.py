"""`import har_edge`: what it offers, that it is light, and the lines that a reader would try."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import har_edge
from har_edge import errors
from tests.conftest import ROOT
from tests.test_layout import LIGHT, loaded_modules


def test_all_is_complete_and_sorted() -> None:
    assert har_edge.__all__ == sorted(har_edge.__all__)
    raised = {
        name
        for name, value in vars(errors).items()
        if isinstance(value, type) and issubclass(value, errors.HarError)
    }
    assert raised <= set(har_edge.__all__)
    offered = {name for name in dir(har_edge) if not name.startswith("_")}
    helpers = {"TYPE_CHECKING", "import_module"}
    modules = {p.stem for p in (ROOT / "edge" / "har_edge").iterdir()}
    assert offered - helpers - modules == set(har_edge.__all__) - {"__version__"}


@pytest.mark.parametrize("name", har_edge.__all__)
def test_each_name_is_there_and_documented(name: str) -> None:
    value = getattr(har_edge, name)
    assert not callable(value) or value.__doc__


def test_a_name_that_is_not_there() -> None:
    with pytest.raises(AttributeError, match="no attribute 'recognise'"):
        har_edge.recognise  # type: ignore[attr-defined]  # noqa: B018


def test_looking_at_what_there_is_stays_light() -> None:
    assert loaded_modules("import har_edge; dir(har_edge); har_edge.HarError") <= LIGHT


def test_a_sample_that_is_not_there() -> None:
    with pytest.raises(har_edge.SourceError, match=r"falling\.mp4, lying\.jpg, seated\.jpg"):
        har_edge.sample_path("dancing.mp4")


def test_the_lines_of_the_tutorial(tmp_path: Path) -> None:
    """As they stand there, but for the camera, in a folder with a photo and a clip."""
    for source, name in (
        ("lying.jpg", "photo.jpg"),
        ("falling.mp4", "clip.mp4"),
        ("falling.mp4", "video.mp4"),
    ):
        shutil.copy(har_edge.sample_path(source), tmp_path / name)
    script = """
import har_edge

print(har_edge.available_models())
model = har_edge.load("clips")
print(model.classify("photo.jpg").top(3))
print(model.classify("clip.mp4"))
for p in model.recognize("video.mp4"):
    print(f"{p.timestamp_s:6.2f} {p.action} {p.confidence:.0%}")
with har_edge.open_source("clip.mp4") as source:
    for event in model.events(source, allow=["falling"], min_duration_s=0.5):
        print(event.action, event.start_s, event.duration_s)
"""
    result = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    lines = result.stdout.splitlines()
    assert lines[0] == "['har15', 'clips', 'poses']"
    assert lines[1].startswith("[('other', 0.9")
    assert re.fullmatch(r"falling 9\d%, 0:04.00 of clip.mp4", lines[2])
    assert all(re.fullmatch(r"  \d\.\d\d falling \d\d%", line) for line in lines[3:-2])
    assert len(lines[3:-2]) == 18
    assert lines[-2:] == ["falling 1.875 None", "falling 1.875 2.125"]
