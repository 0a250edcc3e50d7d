"""Words from elsewhere are answered with what they are called here."""

from __future__ import annotations

import pytest

from har_edge.commands import habits
from tests.conftest import RunCommand


@pytest.mark.parametrize(
    ("arguments", "advice"),
    [
        (["run", "--source", "x.mp4"], "har-edge run video.mp4"),
        (["run", "x.mp4", "--imgsz", "320"], "har-train fit --size"),
        (["run", "x.mp4", "--conf", "0.5"], "--score-threshold"),
        (["run", "x.mp4", "--device", "cpu"], "--num-threads"),
        (["run", "x.mp4", "--weights", "y.pt"], "-m MODEL"),
        (["predict", "x.mp4"], "har-edge run"),
        (["train", "data"], "har-train fit"),
        (["fit", "data"], "har-train fit"),
        (["export", "x"], "har-convert"),
    ],
)
def test_har_edge(har_edge: RunCommand, arguments: list[str], advice: str) -> None:
    result = har_edge(*arguments)
    assert result.returncode == 2
    assert advice in result.stderr
    assert "Did you mean" not in result.stderr


def test_typing_errors_are_still_guessed(har_edge: RunCommand) -> None:
    assert "Did you mean 'run'?" in har_edge("rum").stderr


def test_what_is_named_exists() -> None:
    """Each option that is recommended is one of a command of that program, or one of another."""
    import click

    from har_benchmarks.commands.main import cli as bench
    from har_convert.commands import cli as convert
    from har_edge.commands.main import cli as edge
    from har_train.commands.main import cli as train

    known = {"--help"}
    for group in (edge, train, bench, convert):
        commands: list[click.Command] = [group]
        if isinstance(group, click.Group):
            context = click.Context(group)
            names = group.list_commands(context)
            commands = [c for n in names if (c := group.get_command(context, n)) is not None]
        known |= {flag for command in commands for p in command.params for flag in p.opts}
    told = [*habits._ALL.values(), *(t for own in habits._HABITS.values() for t in own.values())]
    for text in told:
        for flag in filter(lambda word: word.startswith("-"), text.replace(":", "").split()):
            assert flag.rstrip(".,;") in known, text
    shared = {word for own in habits._HABITS.values() for word in own}
    assert set(habits._SAME.values()) <= {*habits._ALL, *shared, "--top-k"}
