"""Run folders are read without TensorFlow, whoever wrote them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from har_edge.errors import DataError, SpecError
from har_edge.model.spec import ClipSpec, ModelSpec
from har_edge.run_folder import TrainedRun, read_run

SPEC = ModelSpec("mine", ("a", "b"), ClipSpec(16, 8.0, 32, 32), 8)


def make_run(folder: Path, **texts: str) -> Path:
    """A run folder with a spec, and what else is given by file name without its ending."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "spec.json").write_text(SPEC.to_json(), encoding="utf-8")
    endings = {"metrics": "json", "config": "toml", "spec": "json"}
    for name, text in texts.items():
        (folder / f"{name}.{endings[name]}").write_text(text, encoding="utf-8")
    return folder


def test_a_run_stands_for_its_folder(tmp_path: Path) -> None:
    run = read_run(make_run(tmp_path / "run"))
    assert run == TrainedRun(tmp_path / "run", SPEC)
    assert os.fspath(run) == str(tmp_path / "run")
    assert Path(run) / "model.keras" == run.model_path
    assert run.labels == ("a", "b")
    assert run.metrics == run.config == {}


def test_metrics_and_settings(tmp_path: Path) -> None:
    metrics = '{"best_epoch": 3, "test": {"accuracy": 0.5}}'
    run = read_run(make_run(tmp_path, metrics=metrics, config='data = "clips"\n'))
    assert run.metrics == {"test": {"accuracy": 0.5}}
    assert run.config == {"data": "clips"}


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("metrics", "{", r"metrics\.json is not valid JSON"),
        ("metrics", "[]", r"metrics\.json should hold figures by split"),
        ("config", "data", r"config\.toml is not valid TOML"),
    ],
)
def test_damaged_files_are_named(name: str, text: str, message: str, tmp_path: Path) -> None:
    run = read_run(make_run(tmp_path, **{name: text}))
    with pytest.raises(DataError, match=message):
        getattr(run, name)


def test_without_a_whole_spec_it_is_no_run(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"gone/spec\.json: No such file"):
        read_run(tmp_path / "gone")
    with pytest.raises(SpecError, match=r"spec\.json is not valid JSON"):
        read_run(make_run(tmp_path, spec="{"))
