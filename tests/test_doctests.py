"""The examples in the docstrings of the public API run and say what they say."""

from __future__ import annotations

import doctest
from importlib import import_module
from pathlib import Path

import pytest

from tests.test_layout import PACKAGES

# Modules whose docstrings have examples; new ones are added here.
MODULES = (
    "har_benchmarks.alarms.report",
    "har_benchmarks.experiments.falls",
    "har_benchmarks.experiments.first_answer",
    "har_benchmarks.experiments.turns",
    "har_convert.auditing.audit",
    "har_edge",
    "har_edge.access",
    "har_edge.backoff",
    "har_edge.client",
    "har_edge.commands.habits",
    "har_edge.commands.options.fields",
    "har_edge.commands.options.scene",
    "har_edge.config",
    "har_edge.counted",
    "har_edge.datasets",
    "har_edge.errors",
    "har_edge.exclusive",
    "har_edge.files",
    "har_edge.frames.decode",
    "har_edge.frames.encode",
    "har_edge.frames.frame",
    "har_edge.frames.preprocess",
    "har_edge.frames.sampling",
    "har_edge.media",
    "har_edge.model.catalogue",
    "har_edge.model.file",
    "har_edge.notebook",
    "har_edge.page",
    "har_edge.paths",
    "har_edge.people.boxes",
    "har_edge.people.draw",
    "har_edge.people.match",
    "har_edge.people.pose",
    "har_edge.people.privacy",
    "har_edge.people.track",
    "har_edge.people.zones",
    "har_edge.pose_paths",
    "har_edge.progress",
    "har_edge.recognition.answer",
    "har_edge.recognition.decide",
    "har_edge.recognition.events",
    "har_edge.recognition.fall_settings",
    "har_edge.recognition.falls",
    "har_edge.recognition.headcount",
    "har_edge.recognition.model",
    "har_edge.recognition.prediction",
    "har_edge.recognition.rules",
    "har_edge.recognition.visits",
    "har_edge.recognition.zones_file",
    "har_edge.run.build",
    "har_edge.run_folder",
    "har_edge.server.animations",
    "har_edge.server.app",
    "har_edge.server.connections",
    "har_edge.server.foreign",
    "har_edge.server.messages",
    "har_edge.server.parts",
    "har_edge.settings",
    "har_edge.silence",
    "har_edge.sources.base",
    "har_edge.sources.open",
    "har_edge.sources.secrets",
    "har_edge.sources.urls",
    "har_edge.sources.videos.display",
    "har_edge.statistics",
    "har_edge.stdin_format",
    "har_edge.table",
    "har_edge.temporary",
    "har_edge.testing",
    "har_edge.told",
    "har_edge.visible",
    "har_train.config.fit",
    "har_train.config.setting",
    "har_train.features.person_boxes",
    "har_train.model.efficientnet_lite",
    "har_train.training.means",
    "har_train.training.unlabelled",
    "har_train.watch",
)
# What needs an extra, and so is passed over where it is not installed.
NEEDS = {
    "har_edge.server.app": "fastapi",
    "har_edge.server.connections": "fastapi",
    "har_edge.page": "jinja2",
}


def test_all_examples_are_listed() -> None:
    found = {
        ".".join(path.relative_to(folder.parent).with_suffix("").parts).removesuffix(".__init__")
        for folder in PACKAGES.values()
        for path in folder.rglob("*.py")
        if ">>> " in path.read_text(encoding="utf-8")
    }
    assert found == set(MODULES)
    assert list(MODULES) == sorted(MODULES)


@pytest.mark.parametrize("name", MODULES)
def test_examples_run(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if name in NEEDS:
        pytest.importorskip(NEEDS[name])
    monkeypatch.chdir(tmp_path)
    result = doctest.testmod(import_module(name))
    assert result.attempted > 0, f"{name} has no example"
    assert result.failed == 0
