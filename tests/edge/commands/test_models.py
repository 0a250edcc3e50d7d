"""`har-edge models`, and what a shell completes."""

from __future__ import annotations

import json

import click
import pytest
from click.shell_completion import ShellComplete
from click.testing import CliRunner

from har_edge.commands.main import cli
from har_edge.model.file import BUNDLED


def test_models_lists_what_each_knows() -> None:
    result = CliRunner().invoke(cli, ["models"])
    assert result.exit_code == 0
    for word in (*BUNDLED, "falling", "texting", "looks at", "95 % interval", "har-edge info"):
        assert word in result.output
    assert max(map(len, result.output.splitlines())) <= 90


@pytest.mark.parametrize("flag", [["--json"], ["--output-format", "json"]])
def test_models_as_json(flag: list[str]) -> None:
    result = CliRunner().invoke(cli, ["models", *flag])
    facts = json.loads(result.output)["models"]
    assert [model["name"] for model in facts] == list(BUNDLED)
    assert facts[1]["num_frames"] == 16
    assert facts[0]["path"].endswith("har15-int8.tflite")


@pytest.mark.parametrize(
    ("words", "incomplete", "expected"),
    [
        (["run", "-m"], "c", ["clips", "c"]),
        (["run", "--model"], "", [*BUNDLED, ""]),
        (["serve", "-m"], "har", ["har15", "har"]),
        (["teach", "-m"], "har", ["har15", "har"]),
        (["info"], "cl", ["clips", "cl"]),
        ([], "mod", ["models"]),
    ],
)
def test_a_shell_completes_names(words: list[str], incomplete: str, expected: list[str]) -> None:
    complete = ShellComplete(cli, {}, "har-edge", "_HAR_EDGE_COMPLETE")
    assert [item.value for item in complete.get_completions(words, incomplete)] == expected


def test_a_command_of_its_own_can_take_a_model() -> None:
    from har_edge.commands.options.models import MODEL

    @click.command()
    @click.argument("model", type=MODEL)
    def show(model: str) -> None:
        click.echo(model)

    assert CliRunner().invoke(show, ["anything"]).output == "anything\n"
