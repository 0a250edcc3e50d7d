"""What `har-edge` tells of itself and of models, for people and as JSON."""

from __future__ import annotations

import json

import pytest

from tests.conftest import ASSETS, RunCommand

TINY = str(ASSETS / "tiny-int8.tflite")


@pytest.mark.parametrize("model", ["har15", "clips", TINY])
def test_info(har_edge: RunCommand, model: str) -> None:
    result = har_edge("info", model, "--output-format", "json")
    assert result.returncode == 0, result.stderr
    facts = json.loads(result.stdout)
    assert facts["variant"] == "int8"
    assert facts["size_bytes"] > facts["model_bytes"] > 0
    assert len(facts["labels"]) == {"har15": 15, "clips": 6, TINY: 3}[model]
    table = har_edge("info", model).stdout
    assert facts["model_sha256"] in table
    assert all(label in table for label in facts["labels"])


def test_version_and_help(har_edge: RunCommand) -> None:
    assert "0.1.0" in har_edge("--version").stdout
    assert "har-edge run --camera 0" in har_edge("run", "--help").stdout


@pytest.mark.parametrize(
    ("command", "arguments"),
    [("info", ["clips"]), ("models", []), ("doctor", [])],
)
def test_json_means_the_same_everywhere(
    har_edge: RunCommand, command: str, arguments: list[str]
) -> None:
    short = har_edge(command, *arguments, "--json")
    assert isinstance(json.loads(short.stdout), dict), short.stderr
    assert (
        command == "doctor"
        or short.stdout == har_edge(command, *arguments, "--output-format", "json").stdout
    )
