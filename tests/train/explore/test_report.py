"""The page, the pictures and the tables of an exploration."""

from __future__ import annotations

import csv
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from har_edge.datasets import SPLITS
from har_train.explore.explore import OUTPUT_NAMES, Exploration
from har_train.explore.findings import KINDS
from har_train.explore.report import save_exploration, summary_text
from tests.support.exploring import kinds_of, look, photos

for package in ("imagehash", "matplotlib"):
    pytest.importorskip(package)
pytestmark = pytest.mark.train


class _Page(HTMLParser):
    """Collects what a page loads or links to, its text and its images."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.targets: list[str] = []
        self.tags: list[str] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.targets += [v or "" for k, v in attrs if k in ("src", "href", "srcset", "data")]

    def handle_data(self, data: str) -> None:
        self.text += data


def saved(found: Exploration, folder: Path) -> _Page:
    folder.mkdir(parents=True, exist_ok=True)
    save_exploration(found, folder)
    return _Page((folder / "explore.html").read_text(encoding="utf-8"))


def test_page_loads_nothing_and_escapes_everything(tmp_path: Path) -> None:
    label = '<b>&"x'
    data = photos(tmp_path / "<i>data&", label, "fall")
    (data / label / "<u>.png").write_bytes(b"")
    (data / label / "<s>.png").write_bytes((data / "fall" / "fall0.png").read_bytes())
    page = saved(look(data, min_samples=10), tmp_path / "out")
    assert page.targets
    assert all(re.match(r"data:image/(png|jpeg);base64,|#[a-z-]+$", t) for t in page.targets)
    assert not {"b", "i", "u", "s", "script", "link", "iframe"} & set(page.tags)
    for text in (label, "<i>data&", f"{label}/<u>.png", f"{label}/<s>.png"):
        assert text in page.text
    assert "http://" not in page.text
    assert "url(" not in page.text
    assert "prefers-color-scheme: dark" in page.text


def test_captions_say_what_is_shown(clips: Path, tmp_path: Path) -> None:
    data = photos(tmp_path / "data", "walk", "fall")
    for number in range(30):
        copy = data / "walk" / f"copy{number}.png"
        copy.write_bytes((data / "walk" / "walk0.png").read_bytes())
    page = saved(look(data), tmp_path / "out")
    assert "middle frame" not in page.text
    assert "Only the first 24 of 30 rows have pictures." in page.text
    page = saved(look(clips), tmp_path / "clips-out")
    assert "the middle frame of clips" in page.text
    assert "rows have pictures" not in page.text


@pytest.mark.parametrize("count", [2, 40])
def test_any_number_of_classes(count: int, tmp_path: Path) -> None:
    labels = ["walk, fast 🏃", "x" * 90, *(f"class {i}" for i in range(2, count))]
    data = photos(tmp_path / "data", *(f"{s}/{c}" for s in ("train", "test") for c in labels),
                  count=1)  # fmt: skip
    page = saved(look(data), tmp_path / "out")
    assert all(label in page.text for label in labels)
    sizes = {}
    for name in ("class_distribution.png", "samples.jpg"):
        with Image.open(tmp_path / "out" / name) as picture:
            assert np.asarray(picture).std() > 1
            sizes[name] = picture.size
    assert sizes["class_distribution.png"][0] == 960
    # A row for each class, high enough to be read.
    assert sizes["class_distribution.png"][1] >= count * 30
    assert sizes["samples.jpg"][1] >= count * 100


def test_names_that_are_no_text(tmp_path: Path) -> None:
    try:
        data = photos(tmp_path / "data", "l\udce4uft", "fall", count=2)
    except OSError:
        pytest.skip("this file system refuses such names")
    (data / "fall" / "z\udce4.png").write_bytes((data / "fall" / "fall0.png").read_bytes())
    page = saved(look(data, min_samples=4), tmp_path / "out")
    assert "l\\xe4uft" in page.text
    assert "z\\xe4.png" in page.text
    assert "z\\xe4.png" in (tmp_path / "out" / "findings.csv").read_text(encoding="utf-8")


def test_distribution_shows_every_split(tmp_path: Path) -> None:
    data = photos(tmp_path / "data", *(f"{s}/{c}" for s in SPLITS for c in "ab"), count=2)
    saved(look(data), tmp_path / "out")
    with Image.open(tmp_path / "out" / "class_distribution.png") as picture:
        colours = {c for _, c in picture.convert("RGB").getcolors(1 << 20) or ()}
    assert {(0x00, 0x72, 0xB2), (0xE6, 0x9F, 0x00), (0x00, 0x9E, 0x73)} <= colours


def test_tables(clips: Path, tmp_path: Path) -> None:
    found = look(clips)
    page = saved(found, tmp_path)
    assert {p.name for p in tmp_path.iterdir()} == set(OUTPUT_NAMES)
    with (tmp_path / "findings.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["kind"] for row in rows] == [f.kind for f in found.findings]
    assert {(row["kind"], row["path"]) for row in rows} >= {("short", "left/0.mp4")}
    summary = (tmp_path / "dataset_summary.txt").read_text(encoding="utf-8")
    assert summary == summary_text(found)
    lines = [line.split() for line in summary.splitlines()]
    assert ["frame", "rate", "(Hz)", "10", "10", "10"] in lines
    assert ["duration", "(s)", "0.6", "1.6", "1.6"] in lines
    assert ["left", "6"] in lines
    assert all(kind in page.text for kind in KINDS)


def test_nothing_readable_still_gives_a_report(tmp_path: Path) -> None:
    for label in ("a", "b"):
        (tmp_path / "data" / label).mkdir(parents=True)
        (tmp_path / "data" / label / "0.png").write_bytes(b"")
    found = look(tmp_path / "data")
    assert kinds_of(found) == {"unreadable": 2}
    assert "0.png" in saved(found, tmp_path / "out").text
