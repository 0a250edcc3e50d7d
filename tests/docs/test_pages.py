"""Every command on a page is run by a test, or says what it needs that a test has not."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import click
import pytest

from tests.support.pages import MARK, NOTEBOOKS, PAGES, ROOT, Block, blocks, invocations, parse

BLOCKS = [block for page in PAGES for block in blocks(page)]


def name(block: Block) -> str:
    return f"{block.page}:{block.text.splitlines()[0][:40]}"


def test_the_pages_have_commands() -> None:
    """The other tests see them."""
    assert len(BLOCKS) > 30
    assert sum(1 for block in BLOCKS for _ in invocations(block)) > 60


@pytest.mark.parametrize("block", BLOCKS, ids=name)
def test_each_block_is_run_or_says_what_it_needs(block: Block) -> None:
    found = MARK.fullmatch(block.mark or ("run" if block.kind == "python" else ""))
    assert found, f"Expected a comment before the block. Received {block.mark!r}."
    if by := found["by"]:
        text = (ROOT / by).read_text(encoding="utf-8")
        for _, *words in invocations(block):
            assert by == ".ci/run" or any(w.replace("-", "_") in text for w in words[:2]), words


@pytest.mark.parametrize("block", BLOCKS, ids=name)
def test_each_command_is_one(block: Block, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "video.mp4").touch()
    (tmp_path / "edge").symlink_to(ROOT / "edge")
    for words in invocations(block):
        try:
            parse(words)
        except click.NoSuchOption as error:
            if "needs: a network that finds people" not in block.mark:
                raise AssertionError(f"{words}: {error.format_message()}") from error
        except click.ClickException as error:
            raise AssertionError(f"{words}: {error.format_message()}") from error


@pytest.mark.parametrize("block", [b for b in BLOCKS if b.mark == "run"], ids=name)
def test_commands_run(block: Block, desk: Path, programs: dict[str, str]) -> None:
    assert block.kind in ("", "sh")
    result = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", block.text],
        cwd=desk, env=programs, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    # What `doctor` finds wrong with the machine of the tests is no fault of the page.
    assert result.returncode == 0 or "har-edge doctor" in block.text, result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    "block",
    [b for b in BLOCKS if b.kind == "python" and b.mark in ("", "run: litert")],
    ids=name,
)
def test_python_runs(block: Block, desk: Path) -> None:
    result = subprocess.run(
        [sys.executable, "-c", block.text],
        cwd=desk, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    assert result.stdout.strip()


def test_plain_litert_says_what_har_edge_says(desk: Path) -> None:
    """Ten lines, without har-edge: the same action for the same picture."""
    import har_edge

    (block,) = (b for b in BLOCKS if b.mark == "run: litert")
    lines = [line for line in block.text.splitlines() if line and "import" not in line]
    assert len(lines) <= 10
    code = f"import sys; sys.modules['har_edge'] = None\n{block.text}"
    said = subprocess.check_output([sys.executable, "-c", code], cwd=desk, text=True).split()
    answer = har_edge.load(desk / "clips-int8.tflite").classify(desk / "photo.jpg")
    assert said[0] == answer.top(1)[0][0]


@pytest.mark.slow
@pytest.mark.train
@pytest.mark.parametrize("page", sorted({b.page for b in BLOCKS if b.mark == "run: train"}))
def test_training_pages_run(page: str, training_desk: Path, programs: dict[str, str]) -> None:
    """A page's blocks one after the other, as somebody who follows it does."""
    pytest.importorskip("tensorflow")
    for block in (b for b in BLOCKS if b.page == page and b.mark in ("run: train", "run: slow")):
        runner = [sys.executable, "-c"] if block.kind == "python" else ["bash", "-euc"]
        result = subprocess.run(
            [*runner, block.text],
            cwd=training_desk, env=programs, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.slow
def test_measuring_runs(desk: Path, programs: dict[str, str]) -> None:
    """What takes long is made short: fewer rounds, and no ten minutes of heat."""
    page = "docs/how-to/benchmarks.md"
    quick = "--rounds 1 --num-runs 2 --warmup-runs 1"
    for block in (b for b in BLOCKS if b.page == page and b.mark == "run: slow"):
        for line in block.commands:
            short = line.replace("--rounds 20", "").replace("--sustained 10", "--sustained 0.05")
            short = short.replace("--data runs/mine ", "").replace(",tflite-runtime", "")
            if "--resume" not in short:
                short += f" {quick}"
            result = subprocess.run(
                ["bash", "-euc", short], cwd=desk, env=programs, capture_output=True, text=True,
                check=False,
            )  # fmt: skip
            assert result.returncode == 0, result.stderr


def test_notebooks_are_there() -> None:
    assert [path.stem for path in NOTEBOOKS] == [
        "1-first-steps",
        "2-train-and-convert",
        "3-read-a-benchmark",
    ]
