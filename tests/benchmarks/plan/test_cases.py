"""What is measured: models found, runtimes that fit."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from har_benchmarks.plan import cases
from har_benchmarks.plan.cases import Case, find_models, make_cases
from har_edge.errors import BackendError, HarError, ModelFileError
from har_edge.model.file import read_model_file
from tests.support.tiny import ASSETS

NAMES = ("tiny-float32.tflite", "tiny-int8.tflite", "tiny-onnx.encode.onnx")


@pytest.fixture
def all_runtimes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make every runtime look installed: nothing is loaded here."""
    monkeypatch.setattr(cases, "import_runtime", lambda name: None)


def test_models_say_what_they_are() -> None:
    facts = find_models([str(ASSETS / name) for name in NAMES])
    assert [f.variant for f in facts] == ["float32", "int8", "onnx"]
    assert {f.model for f in facts} == {"tiny"}
    spec = read_model_file(ASSETS / "tiny-int8.tflite").spec
    assert facts[1].sha256 == spec.model_sha256
    pair = [ASSETS / f"tiny-onnx.{part}.onnx" for part in ("encode", "classify")]
    assert facts[2].size_bytes == sum(path.stat().st_size for path in pair)


def test_a_folder_stands_for_the_models_in_it(tmp_path: Path) -> None:
    for name in (*NAMES, "tiny-onnx.classify.onnx"):
        shutil.copy(ASSETS / name, tmp_path)
    assert {f.file for f in find_models([str(tmp_path)])} == set(NAMES)
    second = str(tmp_path / "tiny-onnx.classify.onnx")
    assert [f.file for f in find_models([second])] == ["tiny-onnx.encode.onnx"]


def test_no_name_means_the_bundled_models() -> None:
    assert [f.model for f in find_models([])] == ["har15", "clips"]


def test_what_cannot_be_measured_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match=r"should contain \.tflite"):
        find_models([str(tmp_path)])
    with pytest.raises(ModelFileError, match="There is no model"):
        find_models([str(tmp_path / "x.tflite")])
    shutil.copy(ASSETS / "tiny-int8.tflite", tmp_path / "other.tflite")
    same = [str(ASSETS / "tiny-int8.tflite"), str(tmp_path / "other.tflite")]
    with pytest.raises(ModelFileError, match="both int8 of tiny"):
        find_models(same)


@pytest.mark.usefixtures("all_runtimes")
def test_files_meet_the_runtimes_that_run_them() -> None:
    facts = find_models([str(ASSETS / name) for name in NAMES])
    made = make_cases(facts, ("litert", "tflite-runtime", "onnxruntime"), (1, 2))
    assert [case.key for case in made] == [
        f"tiny-{variant}/{backend}/{threads}"
        for variant, backends in (
            ("float32", ("litert", "tflite-runtime")),
            ("int8", ("litert", "tflite-runtime")),
            ("onnx", ("onnxruntime",)),
        )
        for backend in backends
        for threads in (1, 2)
    ]
    assert [Case.from_record(json.loads(json.dumps(c.to_record()))) for c in made] == made


def test_a_missing_runtime_is_skipped_with_its_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    def only_litert(name: str) -> None:
        if name != "litert":
            raise BackendError(f"The runtime {name} is not installed.")

    monkeypatch.setattr(cases, "import_runtime", only_litert)
    facts = find_models([str(ASSETS / name) for name in NAMES])
    asked = make_cases(facts, ("litert", "tflite-runtime"), (1,))
    assert [(c.backend, bool(c.skipped)) for c in asked] == [
        ("litert", False), ("tflite-runtime", True),
    ] * 2  # fmt: skip
    # Unasked for, a runtime is missed only where no other runs the file.
    found = make_cases(facts, (), (1,))
    assert [(c.facts.variant, c.backend, c.skipped) for c in found] == [
        ("float32", "litert", ""),
        ("int8", "litert", ""),
        ("onnx", "onnxruntime", "The runtime onnxruntime is not installed."),
    ]
    with pytest.raises(HarError, match="onnxruntime is not installed"):
        make_cases(facts[2:], (), (1,))


@pytest.mark.usefixtures("all_runtimes")
def test_runtimes_that_run_none_of_the_files_are_refused() -> None:
    facts = find_models([str(ASSETS / "tiny-int8.tflite")])
    with pytest.raises(HarError, match="Give --backends that run these files"):
        make_cases(facts, ("onnxruntime",), (1,))
