"""`import har_convert`: the same conversion and audit as on the command line."""

from __future__ import annotations

import doctest
import importlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import har_convert
from har_edge.errors import DataError, GateError
from har_edge.model.loaded import load_model
from tests.conftest import ASSETS


def test_public_names_are_sorted_and_all_there() -> None:
    assert har_convert.__all__ == sorted(har_convert.__all__)
    assert set(har_convert.__all__) <= set(dir(har_convert))
    assert all(hasattr(har_convert, name) for name in har_convert.__all__)
    assert not hasattr(har_convert, "no_such_name")


def test_importing_is_light() -> None:
    code = (
        "import sys, har_convert; print(sorted({'numpy', 'tensorflow', 'click'} & {*sys.modules}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_names_stay_functions_whatever_modules_are_imported() -> None:
    code = (
        "import har_convert, har_convert.commands, har_convert.conversion\n"
        "import har_convert.auditing.audit\n"
        "print(callable(har_convert.convert), callable(har_convert.audit))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True", "True"]


def test_the_example_of_audit_runs() -> None:
    done = doctest.testmod(importlib.import_module("har_convert.auditing.audit"))
    assert (done.failed, done.attempted) == (0, 5)


def test_audit_tells_what_the_command_tells() -> None:
    found = har_convert.audit(ASSETS / "tiny-int8.tflite")
    command = [sys.executable, "-m", "har_convert", "audit", str(ASSETS / "tiny-int8.tflite")]
    done = subprocess.run(
        [*command, "--output-format", "json"], capture_output=True, text=True, check=True
    )
    told = json.loads(done.stdout)
    assert json.loads(json.dumps(found.as_dict())) == told
    assert str(found).splitlines()[1].startswith("parameters ")
    assert found._repr_html_().startswith("<pre>")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"variants": ["int9"]}, "variants should be some of float32, .* Received int9"),
        ({"variants": []}, "Received none"),
        ({"max_accuracy_drop": -1.0}, "max_accuracy_drop should be points .* Received -1.0"),
        ({"run": "no-such-run"}, "no-such-run is no run folder"),
    ],
)
def test_what_cannot_be_meant_is_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(DataError, match=message):
        har_convert.convert(**{"run": "har15", **options})


class Trained(os.PathLike[str]):
    """A run as `har_train.fit` may hand it over: something that names its folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __fspath__(self) -> str:
        return str(self.folder)


@pytest.mark.train
def test_a_trained_run_is_converted(run_folder: Path, tmp_path: Path, in_process: None) -> None:
    report = har_convert.convert(Trained(run_folder), ["float32"], tmp_path / "out")
    (made,) = report.conversions
    assert made.passed
    assert report.paths == (tmp_path / "out" / "colours-float32.tflite",)
    assert load_model(report.paths[0]).spec.variant == "float32"
    assert sorted(path.name for path in report.folder.iterdir()) == [
        "MODEL_CARD.md",
        "SHA256SUMS",
        "colours-float32.tflite",
    ]
    told = json.loads(json.dumps(report.as_dict()))
    assert told["conversions"][0]["size_bytes"] == made.size_bytes
    assert told["conversions"][0]["variant"] == "float32"
    header, row = str(report).splitlines()
    assert (header.split()[0], row.split()[0]) == ("variant", "float32")
    assert report._repr_html_().startswith("<pre>variant ")


@pytest.mark.train
def test_a_missed_gate_is_an_error(
    run_folder: Path, tmp_path: Path, in_process: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("har_convert.conversion.reason_against", lambda *of: "float32 is worse")
    with pytest.raises(GateError, match="float32 missed the gate and was not written"):
        har_convert.convert(run_folder, ["float32"], tmp_path / "out")
    assert not list((tmp_path / "out").glob("*.tflite"))
