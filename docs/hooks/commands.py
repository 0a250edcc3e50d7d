"""Write the pages of the commands from the commands themselves: what `--help` says, as a page."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator

import click
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

from har_benchmarks.commands.main import cli as bench
from har_convert.commands import audit
from har_convert.commands import cli as convert
from har_edge.commands.main import cli as edge
from har_train.commands.main import cli as train

PROGRAMS: dict[str, click.Command] = {
    "har-edge": edge,
    "har-train": train,
    "har-convert": convert,
    "har-bench": bench,
}
# What is a command by its first word, but no part of a group.
BESIDE: dict[str, dict[str, click.Command]] = {"har-convert": {"audit": audit}}


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    """Add a page for each program."""
    for name, command in PROGRAMS.items():
        uri = f"reference/{name}.md"
        files.append(File.generated(config, uri, content=page_of(name, command)))
    return files


def page_of(name: str, command: click.Command) -> str:
    """The page of a program, with a section for each of its commands."""
    parts = [f"# {name}", *_describe(command, name)]
    for path, sub in _commands(command, name):
        parts += [f"## {path}", *_describe(sub, path)]
    for word, beside in BESIDE.get(name, {}).items():
        parts += [f"## {name} {word}", *_describe(beside, f"{name} {word}")]
    return "\n\n".join(parts) + "\n"


def _commands(command: click.Command, path: str) -> Iterator[tuple[str, click.Command]]:
    if not isinstance(command, click.Group):
        return
    context = click.Context(command, info_name=path, help_option_names=["-h", "--help"])
    for name in command.list_commands(context):
        found = command.get_command(context, name)
        if found is None or found.hidden:
            continue
        yield f"{path} {name}", found
        yield from _commands(found, f"{path} {name}")


def _describe(command: click.Command, path: str) -> Iterator[str]:
    context = click.Context(command, info_name=path, help_option_names=["-h", "--help"])
    usage = " ".join(command.collect_usage_pieces(context))
    first, *others = _blocks(inspect.cleandoc(command.help or ""))
    yield first
    yield f"```text\n{path} {usage}\n```"
    yield from others
    records = [
        record
        for param in command.get_params(context)
        if isinstance(param, click.Option) and not param.hidden
        if (record := param.get_help_record(context)) is not None
    ]
    if records:
        rows = [f"| `{_cell(names)}` | {_cell(text)} |" for names, text in records]
        yield "\n".join(["| option | what it does |", "|---|---|", *rows])


def _blocks(text: str) -> Iterator[str]:
    """Paragraphs; those that click prints as they are (`\\b`) become blocks of code."""
    for paragraph in re.split(r"\n\s*\n", text):
        if not paragraph.startswith("\b"):
            yield _escape(" ".join(paragraph.split()))
            continue
        lines = paragraph.lstrip("\b\n").split("\n")
        title = lines.pop(0) if lines[0].endswith(":") else ""
        body = inspect.cleandoc("\n".join(lines))
        yield "\n\n".join(filter(None, (title, f"```text\n{body}\n```" if body else "")))


def _cell(text: str) -> str:
    return _escape(text.replace("\n", " ")).replace("|", "\\|")


def _escape(text: str) -> str:
    return re.sub(r"([*\[\]])", r"\\\1", text.replace("<", "&lt;"))
