"""Runtimes that are missing, that do not load, and that give wrong answers in silence."""

from __future__ import annotations

import importlib.metadata
from pathlib import Path

import pytest

from har_edge.arrays import FloatArray, Pixels
from har_edge.errors import BackendError, SpecError
from har_edge.frames.frame import Person
from har_edge.machine import inference
from har_edge.machine.finding import Finding
from har_edge.machine.golden import ONNX_VARIANTS, TFLITE_VARIANTS
from har_edge.machine.inference import check_models, check_people, check_runtimes, check_variants
from har_edge.model.file import BUNDLED
from har_edge.model.loaded import LoadedModel
from har_edge.model.runtimes import ONNX_RUNTIME, TFLITE_RUNTIMES, available_backends

VARIANTS = (*TFLITE_VARIANTS, *ONNX_VARIANTS)


def by_topic(*findings: Finding) -> dict[str, Finding]:
    return {finding.topic: finding for finding in findings}


def test_without_a_runtime_it_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> str:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "version", missing)
    (finding,) = check_runtimes()
    assert (finding.level, finding.fix) == ("fail", "pip install ai-edge-litert")


def test_tflite_runtime_with_numpy_2_is_not_even_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    versions = {"tflite-runtime": "2.14.0", "numpy": "2.4.6"}

    def version(name: str) -> str:
        if name not in versions:
            raise importlib.metadata.PackageNotFoundError(name)
        return versions[name]

    monkeypatch.setattr(importlib.metadata, "version", version)
    monkeypatch.setattr(inference, "import_runtime", lambda name: pytest.fail(f"imported {name}"))
    found = by_topic(*check_runtimes())
    assert found["tflite-runtime"].level == "warn"
    assert 'pip install "numpy<2"' in found["tflite-runtime"].fix
    assert found["runtimes"].level == "fail"


def test_runtimes_of_this_machine() -> None:
    found = by_topic(*check_runtimes())
    assert found.keys() & TFLITE_RUNTIMES.keys()
    assert "fail" not in {f.level for f in found.values()}


def test_a_bundled_model_that_is_damaged_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from har_edge.errors import ModelFileError

    def broken(name: str) -> None:
        raise ModelFileError(f"{name} was changed or damaged")

    monkeypatch.setattr(inference, "load_model", broken)
    assert [f.level for f in check_models()] == ["fail"] * len(BUNDLED)


def test_every_variant_is_right_on_every_runtime() -> None:
    findings = list(check_variants())
    assert {f.level for f in findings} == {"ok"}
    kinds = [ONNX_VARIANTS if n == ONNX_RUNTIME else TFLITE_VARIANTS for n in available_backends()]
    assert [f.topic for f in findings] == [f"variant {v}" for kind in kinds for v in kind]


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_runtime_that_is_wrong_with_one_variant_fails(
    variant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As LiteRT 1.2 and 1.3 are with float16; the bundled models, int8 files, do not show it."""
    if variant in ONNX_VARIANTS and ONNX_RUNTIME not in available_backends():
        pytest.skip("onnxruntime is not installed")
    right = LoadedModel.classify

    def classify(self: LoadedModel, window: FloatArray) -> FloatArray:
        window = window * 0 if self.spec.variant == variant else window
        return right(self, window)

    monkeypatch.setattr(LoadedModel, "classify", classify)
    findings = list(check_variants())
    wrong = [f for f in findings if f.topic == f"variant {variant}"]
    assert [f.level == "fail" for f in findings] == [f in wrong for f in findings]
    fitting = [n for n in available_backends() if (n == ONNX_RUNTIME) == (variant in ONNX_VARIANTS)]
    for runtime, finding in zip(fitting, wrong, strict=True):
        distribution = TFLITE_RUNTIMES.get(runtime, ("", runtime))[1]
        version = importlib.metadata.version(distribution)
        assert finding.text.startswith(f"Wrong answers for {variant} files: golden clip off by 0.")
        assert finding.text.endswith(f" on {runtime} {version}")
        assert finding.fix == f"pip install --upgrade {distribution}"


def test_a_runtime_that_refuses_a_variant_is_warned_of(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path, backend: str) -> None:
        raise BackendError(f"{backend} rejects this model")

    monkeypatch.setattr(inference, "load_model", refuse)
    findings = list(check_variants())
    assert {f.level for f in findings} == {"warn"}
    assert all(f.fix.startswith("pip install --upgrade") for f in findings)


def test_small_networks_that_are_damaged_or_unknown_are_said(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken(path: Path, backend: str) -> None:
        raise SpecError("not ours")

    with monkeypatch.context() as patch:
        patch.setattr(inference, "load_model", broken)
        assert {(f.level, f.fix) for f in check_variants()} == {("fail", inference.REINSTALL)}
    monkeypatch.setattr(inference, "check_golden", lambda model: None)
    assert {(f.level, f.fix) for f in check_variants()} == {("warn", inference.REINSTALL)}


def test_the_people_of_the_bundled_clip_are_found_on_every_runtime() -> None:
    findings = list(check_people())
    runtimes = [name for name in available_backends() if name in TFLITE_RUNTIMES]
    assert len(findings) == len(runtimes) > 0
    for runtime, finding in zip(runtimes, findings, strict=True):
        assert (finding.topic, finding.level) == ("network people", "ok"), finding
        assert f"finds the 2 people of the bundled clip on {runtime} " in finding.text


def test_who_is_not_found_and_a_network_that_does_not_load_are_said(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Blind:
        sure_score = 0.5

        def locate(self, pixels: Pixels) -> tuple[Person, ...]:
            return (Person(0.9, (0.0, 0.0, 0.5, 0.5)), Person(0.4, (0.5, 0.0, 1.0, 0.5)))

    monkeypatch.setattr(inference, "open_locator", lambda file, backend: Blind())
    wrong = next(iter(check_people()))
    assert wrong.level == "fail"
    assert "Found 1, 1, 1 on" in wrong.text and wrong.fix.startswith("pip install --upgrade")

    def refuse(file: str, backend: str) -> Blind:
        raise BackendError("It should load. It does not. Renew it.")

    monkeypatch.setattr(inference, "open_locator", refuse)
    assert next(iter(check_people())).level == "warn"
