"""The examples in the docstrings of the public API run and say what they say."""

from __future__ import annotations

import doctest
from importlib import import_module
from pathlib import Path

import pytest

# Modules whose public docstrings have examples; new ones are added here.
MODULES = (
    "har_edge",
    "har_edge.model.file",
    "har_edge.notebook",
    "har_edge.paths",
    "har_edge.recognition.events",
    "har_edge.recognition.model",
    "har_edge.recognition.prediction",
    "har_edge.sources.base",
    "har_edge.sources.open",
    "har_edge.testing",
    "har_train.config.fit",
    "har_train.config.setting",
    "har_train.watch",
)


@pytest.mark.parametrize("name", MODULES)
def test_examples_run(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = doctest.testmod(import_module(name))
    assert result.attempted > 0, f"{name} has no example"
    assert result.failed == 0
