"""Which file is worth it."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

from har_benchmarks.experiments.pareto import (
    BACKBONES,
    Row,
    Settings,
    beats,
    convert,
    encode_ratios,
    row,
    table,
)
from har_edge.model.file import read_model_file
from tests.support.tiny import ASSETS

SETTINGS = Settings("data", "", "imagenet", "128,160", "", (), "1", False, "int8", "0", Path("out"))


def made(variant: str, size: int, encode_ms: float, accuracy: float | None) -> Row:
    return {
        "backbone": "b", "size_px": 128, "variant": variant, "bytes": size, "encode_ms": encode_ms,
        "encode_ratio": 1.5, "accuracy": accuracy, "accuracy_drop_points": 0.0, "clips": 10,
    }  # fmt: skip


def test_a_star_marks_what_nothing_beats() -> None:
    small, large = made("int8", 1_000_000, 1.0, 0.8), made("float32", 4_000_000, 2.0, 0.8)
    assert beats(small, large)
    assert not beats(large, small)
    assert not beats(small, small)
    lines = table([small, large]).splitlines()
    assert lines[2] == "| b | 128 | int8 | 1.0 MB | 1.0 ms | 1.50 | 80.0% | * |"
    assert lines[3].endswith("| 80.0% |  |")
    assert table([made("int8", 1, 1.0, None)]).splitlines()[2].endswith("| – |  |")


def test_sizes_of_one_backbone_or_all_backbones() -> None:
    assert [c.size for c in SETTINGS.configurations()] == [128, 160]
    untrained = replace(SETTINGS, untrained=True).configurations()
    assert [(c.backbone, c.alpha) for c in untrained] == list(BACKBONES)
    assert {c.weights for c in untrained} == {"none"}
    asked = replace(SETTINGS, backbones="mobilenet_v2,efficientnet-lite1", sizes="224")
    assert [c.backbone for c in asked.configurations()] == ["mobilenet_v2", "efficientnet-lite1"]
    assert {c.weights for c in replace(asked, untrained=True).configurations()} == {"none"}
    assert replace(SETTINGS, run=("run",)).configurations() == []


def test_ratios_are_to_the_first() -> None:
    file = read_model_file(ASSETS / "tiny-int8.tflite")
    ratios = encode_ratios([file, read_model_file(ASSETS / "tiny-float32.tflite")])
    assert ratios[0] == 1.0
    assert ratios[1] > 0


def test_files_that_are_there_are_kept(tmp_path: Path) -> None:
    for name in ("tiny-int8.tflite", "tiny-onnx.encode.onnx", "tiny-onnx.classify.onnx"):
        shutil.copyfile(ASSETS / name, tmp_path / name)
    settings = replace(SETTINGS, variants="int8,onnx")
    found = convert(settings, tmp_path / "never looked at", tmp_path)
    assert [file.spec.variant for file in found] == ["int8", "onnx"]


def test_a_row_is_what_the_file_says_of_itself() -> None:
    file = read_model_file(ASSETS / "tiny-int8.tflite")
    metrics = {"encode_ms": 1.23456, "verified_clips": 3.0}
    found = row(replace(file, spec=file.spec.with_(metrics=metrics)), 1.254, trained=False)
    assert found["encode_ms"] == 1.235
    assert found["encode_ratio"] == 1.25
    assert found["size_px"] == file.spec.clip.height
    assert found["accuracy"] is None
    assert found["bytes"] == file.size_bytes
