"""The card holds what was measured."""

from __future__ import annotations

import hashlib
import shutil
from dataclasses import replace
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from har_convert.card import format_model_card, write_model_card
from har_convert.recipe import VARIANTS, Recipe
from har_convert.run_folder import Run, load_run
from har_edge.errors import OutputError
from har_edge.model.file import ModelFile, read_model_file

pytest.importorskip("tensorflow")
pytestmark = pytest.mark.train

Converted = tuple[Path, "CompletedProcess[str]"]
ASSETS = Path(__file__).parents[1] / "assets"
METRICS = {
    "verified_windows": 77.0,
    "verified_clips": 33.0,
    "verified_on_held_out": 1.0,
    "top_1_agreement_with_keras": 0.9871,
    "max_probability_difference": 0.0345,
    "verified_accuracy": 0.8765,
    "verified_keras_accuracy": 0.9012,
    "accuracy_drop_points": 2.47,
    "accuracy_drop_low": -0.31,
    "accuracy_drop_high": 5.02,
    "encode_ms": 12.345,
    "classify_ms": 0.678,
}


@pytest.fixture
def file(run: Run) -> ModelFile:
    """A file as the card is made from it."""
    spec = run.spec.with_(variant="int8", metrics=METRICS, min_runtime="TensorFlow Lite 2.14.0")
    return ModelFile(Path("colours-int8.tflite"), spec, (b"",), 4_230_000)


def test_card_of_a_conversion(run: Run, converted: Converted) -> None:
    card = (converted[0] / "MODEL_CARD.md").read_text(encoding="utf-8")
    for variant in VARIANTS:
        path = converted[0] / f"colours-{variant}{Recipe(variant).suffixes()[0]}"
        spec = read_model_file(path).spec
        (row,) = [line for line in card.splitlines() if f"`{path.name}`" in line]
        assert f"{spec.metrics['top_1_agreement_with_keras']:.1%}" in row
        assert f"{spec.metrics['max_probability_difference']:.2g}" in row
        assert f"{spec.metrics['verified_accuracy']:.1%}" in row
        assert row.endswith(f"| {spec.min_runtime} |")
        assert spec.min_runtime
    assert "`colours-onnx.encode.onnx`, `colours-onnx.classify.onnx`" in card
    assert f"| {run.spec.metrics['test_accuracy']:.1%} |" in card


def test_no_top_k_column_that_was_not_measured(run: Run, file: ModelFile) -> None:
    few = {k: v for k, v in run.spec.metrics.items() if "top_" not in k}
    measured = {**few, "test_accuracy": 0.75, "test_window_accuracy": 0.5, "test_clips": 4.0,
                "test_windows": 8.0}  # fmt: skip
    card = format_model_card(replace(run, spec=run.spec.with_(metrics=measured)), [file])
    assert "| top-1 | top-1 per window |\n|---|---|\n| 75.0% | 50.0% |\n" in card
    measured["test_top_2_accuracy"] = 0.875
    card = format_model_card(replace(run, spec=run.spec.with_(metrics=measured)), [file])
    assert "| 75.0% | 87.5% | 50.0% |" in card


def test_figures_and_texts(run: Run, file: ModelFile) -> None:
    card = format_model_card(run, [file])
    assert card.startswith("# colours\n\nNames colours.\n\n## ")
    row = (
        f"| `colours-int8.tflite` | 4.2 MB | 98.7% | {0.0345:.2g} | {0.8765:.1%} "
        "| 2.5 (-0.3 to 5.0) | 12.35 ms | 0.68 ms | TensorFlow Lite 2.14.0 |"
    )
    assert row.replace("12.35", f"{12.345:.2f}") in card
    assert "77 windows of 33 held-out files. Keras recognises 90.1% of these" in card
    assert "## Limits\n\nThree colours.\n" in card
    assert "## Licence\n\nMIT\n" in card
    assert "har-train fit --config config.toml --out RUN" in card
    assert "3 frames, 0.25 s" in card
    assert "Labels: blue, green, red." in card


def test_confusion_matrix(copied_run: Path, file: ModelFile) -> None:
    head, rows = "true \\ predicted,a,b,c\n", "a,11,0,3\nb,0,22,0\nc,5,0,33\n"
    (copied_run / "confusion_matrix.csv").write_text(head + rows, encoding="utf-8")
    card = format_model_card(load_run(copied_run), [file])
    assert (
        "| | blue | green | red |\n|---|---|---|---|\n| blue | **11** |  | 3 |\n"
        "| green |  | **22** |  |\n| red | 5 |  | **33** |"
    ) in card


def test_sections_without_content_are_left_out(copied_run: Path, file: ModelFile) -> None:
    for name in ("confusion_matrix.csv", "config.toml", "classification_report.txt"):
        (copied_run / name).unlink()
    run = load_run(copied_run)
    run = Run(run.folder, run.spec.with_(license="", metrics={}), None)
    titles = [line for line in format_model_card(run, [file]).splitlines() if line[:3] == "## "]
    assert titles == ["## Input and output", "## Files"]
    titles = [line for line in format_model_card(run, []).splitlines() if line[:3] == "## "]
    assert titles == ["## Input and output"]


def test_unlabelled_verification_has_no_accuracy(run: Run, file: ModelFile) -> None:
    kept = {k: v for k, v in METRICS.items() if not k.endswith("accuracy")}
    spec = file.spec.with_(metrics={**kept, "verified_on_held_out": 0.0})
    card = format_model_card(run, [ModelFile(file.path, spec, (b"",), 1)])
    assert "77 windows of calibration frames, without labels" in card
    assert "| – | 2.5 (" in card


def test_card_speaks_of_all_files_that_lie_there(
    run: Run, converted: Converted, tmp_path: Path
) -> None:
    """Also of those that an earlier conversion left; none of another model's."""
    for name in ("colours-int8.tflite", "colours-float32.tflite"):
        shutil.copy(converted[0] / name, tmp_path)
    shutil.copy(ASSETS / "tiny-int8.tflite", tmp_path)
    write_model_card(run, tmp_path)
    card = (tmp_path / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert [line.split("`")[1] for line in card.splitlines() if line.startswith("| `")] == [
        "colours-float32.tflite",
        "colours-int8.tflite",
    ]
    sums = (tmp_path / "SHA256SUMS").read_text(encoding="utf-8").splitlines()
    assert [line.split("  ")[1] for line in sums] == [
        "colours-float32.tflite",
        "colours-int8.tflite",
        "MODEL_CARD.md",
    ]
    digest = hashlib.sha256((tmp_path / "MODEL_CARD.md").read_bytes()).hexdigest()
    assert sums[-1].startswith(digest)


def test_folder_that_cannot_be_written(run: Run, tmp_path: Path) -> None:
    (tmp_path / "MODEL_CARD.md").mkdir()
    with pytest.raises(OutputError, match="cannot be written"):
        write_model_card(run, tmp_path)
