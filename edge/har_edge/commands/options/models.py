"""The kind of value that names a model, and its completion in a shell."""

from __future__ import annotations

import click
from click.shell_completion import CompletionItem

from har_edge.compat.click import ParamType


class ModelName(ParamType[str]):
    """A bundled name or a path: a `.tflite` or `.onnx` file, a folder with one, a run folder.

    Whether it is a model is found out by who loads it. A shell completes bundled names with what
    each is for, and else files.
    """

    name = "model"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> str:
        """Take any text."""
        return str(value)

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Complete bundled names, and leave the rest to the shell as a path."""
        from har_edge.model.catalogue import PURPOSE

        names = [
            CompletionItem(name, help=purpose)
            for name, purpose in PURPOSE.items()
            if name.startswith(incomplete)
        ]
        return [*names, CompletionItem(incomplete, type="file")]


MODEL = ModelName()
