"""The card holds what was measured."""

from __future__ import annotations

from pathlib import Path
from subprocess import CompletedProcess

import pytest

from har_convert.convert import Verification
from har_convert.model_card import format_model_card, write_model_card
from har_convert.run_folder import Run, load_run
from har_edge.model_file import read_model_file

pytest.importorskip("tensorflow")
pytestmark = pytest.mark.train

Converted = tuple[Path, "CompletedProcess[str]"]
RESULT = Verification(
    variant="int8",
    path=Path("colours-int8.tflite"),
    size_bytes=4_230_000,
    windows=77,
    agreement=0.9871,
    max_difference=0.0345,
    accuracy=0.8765,
    keras_accuracy=0.9012,
    held_out=True,
)


def test_card_of_a_conversion(run: Run, converted: Converted) -> None:
    card = (converted[0] / "MODEL_CARD.md").read_text(encoding="utf-8")
    for variant in ("float32", "int8"):
        metrics = read_model_file(converted[0] / f"colours-{variant}.tflite").spec.metrics
        (row,) = [line for line in card.splitlines() if f"`colours-{variant}.tflite`" in line]
        assert f"{metrics['top_1_agreement_with_keras']:.1%}" in row
        assert f"{metrics['max_probability_difference']:.2g}" in row
        assert f"{metrics['verified_accuracy']:.1%}" in row
    assert f"| {run.spec.metrics['test_accuracy']:.1%} |" in card


def test_figures_and_texts(run: Run) -> None:
    card = format_model_card(run, [RESULT])
    assert card.startswith("# colours\n\nNames colours.\n\n## ")
    row = "| `colours-int8.tflite` | 4.2 MB | 98.7% | 0.034 | 87.6% | 90.1% |"
    assert row.replace("0.034", f"{0.0345:.2g}").replace("87.6%", f"{0.8765:.1%}") in card
    assert "77 windows of held-out files" in card
    assert "## Limits\n\nThree colours.\n" in card
    assert "## Licence\n\nMIT\n" in card
    assert "har-train fit --config config.toml --out RUN" in card
    assert "3 frames, 0.25 s" in card
    assert "Labels: blue, green, red." in card


def test_confusion_matrix(copied_run: Path) -> None:
    (copied_run / "confusion_matrix.csv").write_text("11,0,3\n0,22,0\n5,0,33\n", encoding="utf-8")
    card = format_model_card(load_run(copied_run), [RESULT])
    assert (
        "| | blue | green | red |\n|---|---|---|---|\n| blue | **11** |  | 3 |\n"
        "| green |  | **22** |  |\n| red | 5 |  | **33** |"
    ) in card


def test_sections_without_content_are_left_out(copied_run: Path) -> None:
    for name in ("confusion_matrix.csv", "config.toml", "classification_report.txt"):
        (copied_run / name).unlink()
    run = load_run(copied_run)
    run = Run(run.folder, run.spec.with_(license="", metrics={}), None)
    card = format_model_card(run, [RESULT])
    titles = [line for line in card.splitlines() if line.startswith("## ")]
    assert titles == ["## Input and output", "## Files"]


def test_unlabelled_verification_has_no_accuracy(run: Run) -> None:
    values = {**vars(RESULT), "accuracy": None, "keras_accuracy": None, "held_out": False}
    card = format_model_card(run, [Verification(**values)])
    assert "77 windows of calibration frames" in card
    assert "| – | – |" in card


def test_written_card_is_the_formatted_one(run: Run, tmp_path: Path) -> None:
    write_model_card(run, [RESULT], tmp_path / "card.md")
    assert (tmp_path / "card.md").read_text(encoding="utf-8") == format_model_card(run, [RESULT])
