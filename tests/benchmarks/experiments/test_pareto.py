"""Which file is worth it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from har_benchmarks.experiments.pareto import BACKBONES, Row, Settings, beats, row, table
from har_edge.model.file import read_model_file
from tests.support.tiny import ASSETS

SETTINGS = Settings("data", "", "imagenet", "128,160", "1", False, "int8", "0", Path("out"))


def made(variant: str, size: int, encode_ms: float, accuracy: float | None) -> Row:
    return {
        "backbone": "b", "size_px": 128, "variant": variant, "bytes": size, "encode_ms": encode_ms,
        "accuracy": accuracy, "accuracy_drop_points": 0.0, "clips": 10,
    }  # fmt: skip


def test_a_star_marks_what_nothing_beats() -> None:
    small, large = made("int8", 1_000_000, 1.0, 0.8), made("float32", 4_000_000, 2.0, 0.8)
    assert beats(small, large)
    assert not beats(large, small)
    assert not beats(small, small)
    lines = table([small, large]).splitlines()
    assert lines[2] == "| b | 128 | int8 | 1.0 MB | 1.0 ms | 80.0% | * |"
    assert lines[3].endswith("| 80.0% |  |")
    assert table([made("int8", 1, 1.0, None)]).splitlines()[2].endswith("| – |  |")


def test_sizes_of_one_backbone_or_all_backbones() -> None:
    assert [c.size for c in SETTINGS.configurations()] == [128, 160]
    untrained = replace(SETTINGS, untrained=True).configurations()
    assert [(c.backbone, c.alpha) for c in untrained] == list(BACKBONES)
    assert {c.weights for c in untrained} == {"none"}


def test_a_row_is_what_the_file_says_of_itself() -> None:
    file = read_model_file(ASSETS / "tiny-int8.tflite")
    metrics = {"encode_ms": 1.23456, "verified_clips": 3.0}
    found = row(replace(file, spec=file.spec.with_(metrics=metrics)), 32, trained=False)
    assert found["encode_ms"] == 1.235
    assert found["accuracy"] is None
    assert found["bytes"] == file.size_bytes
