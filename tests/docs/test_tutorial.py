"""The tutorial, from its own clips to its own alarm; slow, as it trains and converts."""

from __future__ import annotations

import subprocess
import zipfile
from pathlib import Path

import pytest

from har_edge.datasets import list_dataset
from tests.support.pages import ROOT, blocks

PAGE = ROOT / "docs" / "tutorial.md"
ARCHIVE = ROOT / "docs" / "data" / "bedroom.zip"


def test_the_clips_are_a_dataset(tmp_path: Path) -> None:
    with zipfile.ZipFile(ARCHIVE) as archive:
        archive.extractall(tmp_path)
    listing = list_dataset(tmp_path / "bedroom" / "clips.csv")
    assert not listing.problems
    assert {sample.label for sample in listing.samples} == {"falling", "in_bed"}
    assert len({sample.group for sample in listing.samples}) == 6
    assert len(listing.samples) == 36
    assert (tmp_path / "bedroom" / "evening.mp4").is_file()
    assert "CC BY 4.0" in (tmp_path / "bedroom" / "README.txt").read_text(encoding="utf-8")


@pytest.mark.slow
@pytest.mark.train
def test_from_clips_to_an_alarm(desk: Path, programs: dict[str, str]) -> None:
    pytest.importorskip("tensorflow")
    said = ""
    for block in (b for b in blocks(PAGE) if b.mark == "run: tutorial"):
        result = subprocess.run(
            ["bash", "-euc", block.text],
            cwd=desk, env=programs, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert result.returncode == 0, result.stdout + result.stderr
        said = result.stdout
    falls = [line for line in said.splitlines() if "falling" in line and "began" in line]
    assert len(falls) == 1, said
    assert 4 < float(falls[0].split()[0].split(":")[1]) < 8.5
