"""The demo: answers that are true, each sample to the model that it suits, and what to try next."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys

import pytest

from har_edge.commands.demo import NEXT, is_plain
from har_edge.config import DecideConfig, RunConfig, SinkConfig, SourceConfig
from tests.conftest import RunCommand
from tests.support.pages import parse

# What is to be seen on them.
TRUE = {"lying.jpg": "sleeping", "seated.jpg": "sitting", "falling.mp4": "falling"}
SEVERAL = "two_people.mp4"


@pytest.mark.parametrize("command", [("demo",), ("run", "--demo")])
def test_each_sample_goes_to_its_model_and_is_recognised(
    har_edge: RunCommand, command: tuple[str, ...]
) -> None:
    result = har_edge(*command)
    assert result.returncode == 0, result.stderr
    seen, source = dict[str, set[str]](), ""
    for line in result.stdout.splitlines():
        if line.startswith(" "):
            told = re.fullmatch(r"\s+[\d:.]+ +(?:person \d+ +)?(\w+) .*", line)
            assert told, line
            seen.setdefault(source, set()).add(told[1])
        else:
            source = line
    one_each = {source: {action} for source, action in TRUE.items()}
    assert seen == one_each | {SEVERAL: {"falling", "other"}}
    assert "Model har15, for pictures" in result.stderr
    assert "Model clips, for videos" in result.stderr
    assert result.stderr.endswith(NEXT.lstrip("\n") + "\n")


def test_lines_for_machines(har_edge: RunCommand) -> None:
    result = har_edge("run", "--demo", "--json")
    records = [json.loads(line) for line in result.stdout.splitlines()]
    assert {r["source"]: r["action"] for r in records if r["source"] != SEVERAL} == TRUE


def test_two_people_are_told_apart(har_edge: RunCommand) -> None:
    result = har_edge("run", "--demo", "--json")
    said: dict[int, set[str]] = {}
    for line in result.stdout.splitlines():
        record = json.loads(line)
        if record["source"] == SEVERAL:
            said.setdefault(record["person"], set()).add(record["action"])
            left = record["box"][0]
            assert (record["action"] == "falling") == (left < 0.5)  # the one on the left falls
    assert sorted(said.values(), key=sorted) == [{"falling"}, {"other"}]


def test_three_commands_come_next() -> None:
    commands = [line.split("  ")[1].split() for line in NEXT.splitlines() if "har-edge" in line]
    assert len(commands) == 3
    for words in commands:
        parse(words)


def test_with_any_other_wish_it_is_a_run_like_others() -> None:
    demo = SourceConfig(demo=True)
    assert is_plain(RunConfig(source=demo))
    assert is_plain(RunConfig(source=demo, backend="litert", num_threads=2))
    assert is_plain(RunConfig(source=demo, sink=SinkConfig(output_format="jsonl")))
    for other in (
        RunConfig(source=demo, model="clips"),
        RunConfig(source=demo, sink=SinkConfig(output="out.txt")),
        RunConfig(source=demo, sink=SinkConfig(output_format="csv")),
        RunConfig(source=demo, decide=DecideConfig(allow=("falling",))),
        RunConfig(source=SourceConfig(demo=True, names=("a.mp4",))),
        RunConfig(source=SourceConfig(names=("a.mp4",))),
    ):
        assert not is_plain(other)


def test_a_terminal_sees_the_pictures() -> None:
    import pty

    master, slave = pty.openpty()
    environ = {**os.environ, "TERM": "xterm-256color", "COLORTERM": "truecolor"}
    environ |= {"COLUMNS": "80", "LINES": "30", "PYTHONIOENCODING": "utf-8"}
    environ.pop("NO_COLOR", None)
    with subprocess.Popen(
        [sys.executable, "-m", "har_edge", "demo"], stdout=slave, stderr=slave, env=environ
    ) as process:
        os.close(slave)
        said = b""
        while True:
            try:
                piece = os.read(master, 1 << 16)
            except OSError:  # the other end is closed
                break
            if not piece:
                break
            said += piece
        assert process.wait(60) == 0
    os.close(master)
    text = said.decode()
    assert text.count("▀") > 10_000
    assert "falling              \x1b[36m█" in text
    assert re.search(r"person \d+  falling +\x1b\[38;2;\d+;\d+;\d+m█", text)
    assert "Now yours:" in text
