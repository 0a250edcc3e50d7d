"""The commands and the code that README, the pages of docs/ and the notebooks show."""

from __future__ import annotations

import json
import os
import re
import shlex
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import click

from har_benchmarks.commands.main import cli as bench
from har_convert.commands import audit
from har_convert.commands import cli as convert
from har_edge.commands.main import cli as edge
from har_train.commands.main import cli as train

ROOT = Path(__file__).parents[2]
PAGES = [
    ROOT / "README.md",
    *sorted(p for p in (ROOT / "docs").rglob("*.md") if "hooks" not in p.parts),
]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
FENCE = re.compile(
    r"(?:<!-- (?P<mark>[^>]*?) -->\n)?^```(?P<kind>\w*)\n(?P<text>.*?)^```$", re.M | re.S
)
# What a mark may say: it is run here (light, or with what is needed), by another file, or it
# needs what no test has.
MARK = re.compile(r"run(: (train|tutorial|slow|litert))?|run by (?P<by>\S+)|needs: .+|test command")
CODE = {"", "sh", "python", "kotlin", "js"}
PROGRAMS: dict[str, click.Command] = {
    "har-edge": edge,
    "har-train": train,
    "har-convert": convert,
    "har-bench": bench,
}


@dataclass(frozen=True)
class Block:
    """A block of code on a page.

    Attributes:
        page: The page, by its name.
        kind: Language of its fence.
        mark: What the comment before it says.
        text: What is in it.
    """

    page: str
    kind: str
    mark: str
    text: str

    @property
    def commands(self) -> list[str]:
        """Its lines, those that end in a backslash joined, without comments."""
        lines = self.text.replace("\\\n", " ").splitlines()
        return [line for line in lines if line.strip() and not line.startswith("#")]


def blocks(path: Path) -> list[Block]:
    """The blocks of commands and code on a page."""
    name = path.relative_to(ROOT).as_posix()
    found = FENCE.finditer(path.read_text(encoding="utf-8"))
    return [
        Block(name, m["kind"], (m["mark"] or "").strip(), m["text"])
        for m in found
        if m["kind"] in CODE
    ]


def invocations(block: Block) -> Iterator[list[str]]:
    """The words of each of our commands in a block, as a shell hands them over."""
    if block.kind not in ("", "sh"):
        return
    for line in block.commands:
        lexer = shlex.shlex(line, posix=True, punctuation_chars="|;&<>")
        lexer.whitespace_split, lexer.commenters = True, "#"
        words: list[str] = []
        for word in [*lexer, ";"]:
            if set(word) <= set("|;&<>"):
                if word == ">" and words:
                    continue
                if words:
                    yield from _ours(words)
                words = []
            else:
                words.append(word)


def _ours(words: list[str]) -> Iterator[list[str]]:
    while words and (re.fullmatch(r"[A-Z_]+=.*", words[0]) or words[0] == "sudo"):
        words = words[1:]
    if words and (program := words[0].rpartition("/")[2]) in PROGRAMS:
        yield [program, *words[1:]]


def parse(words: list[str]) -> None:
    """Have click read a command as it is typed, without running it.

    Raises:
        click.UsageError: if there is no such command or option, or a value is none.
    """
    command, arguments = PROGRAMS[words[0]], words[1:]
    if words[:2] == ["har-convert", "audit"]:
        command, arguments = audit, words[2:]
    while isinstance(command, click.Group) and arguments and not arguments[0].startswith("-"):
        context = click.Context(command, info_name=words[0], help_option_names=["-h", "--help"])
        _, found, arguments = command.resolve_command(context, arguments)
        assert found is not None
        command = found
    if "--help" in arguments or "--version" in arguments:
        return
    # As below their group: click keeps the help options that a command had first.
    help_options = {"help_option_names": ["-h", "--help"]}
    with command.make_context(words[0], arguments, resilient_parsing=False, **help_options):
        pass


def shims(folder: Path) -> dict[str, str]:
    """Put our programs on the path as files that run this tree; gives the environment."""
    folder.mkdir(exist_ok=True)
    for program in PROGRAMS:
        file = folder / program
        module = {"har-bench": "har_benchmarks"}.get(program, program.replace("-", "_"))
        file.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m {module} "$@"\n', encoding="utf-8")
        file.chmod(0o755)
    return {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}"}


def code_cells(notebook: Path) -> list[str]:
    """The code of a notebook, cell by cell."""
    content = json.loads(notebook.read_text(encoding="utf-8"))
    return ["".join(cell["source"]) for cell in content["cells"] if cell["cell_type"] == "code"]
