"""`har-edge info`: what a model file says about itself, and how the runtime sees it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict

import click

from har_edge.commands.harness import show, show_json
from har_edge.commands.options.fields import setting
from har_edge.commands.options.formats import format_options
from har_edge.commands.options.models import MODEL
from har_edge.config import ModelConfig
from har_edge.paths import display_path
from har_edge.table import text_table
from har_edge.visible import visible


@click.command()
@click.argument("model", required=False, type=MODEL, metavar="[MODEL]")
@setting(ModelConfig, "backend", "--backend", help="Runtime to load the model with.")
@format_options
def info(model: str | None, backend: str, output_format: str) -> None:
    """Show everything that MODEL says about itself: har15, clips, a .tflite or .onnx file, or a
    folder with one. Without MODEL, it is har15.

    \b
    Examples:
      har-edge info
      har-edge info clips --output-format json
    """
    facts = describe(model, backend)
    if output_format == "json":
        show_json(facts)
    else:
        show(format_table(facts))


def describe(model: str | os.PathLike[str] | None, backend: str = "auto") -> dict[str, object]:
    """Collect a model's spec, its size and the runtime that loads it, as plain values.

    Raises:
        ModelFileError: if the file is missing, damaged or not one of ours.
        BackendError: if no runtime is there or it refuses the model.
    """
    from har_edge.model.loaded import load_model
    from har_edge.model.trial import try_model

    try_model(model, backend=backend)
    loaded = load_model(model, backend=backend)
    return {
        "path": display_path(loaded.path),
        "size_bytes": loaded.size_bytes,
        "backend": f"{loaded.backend.name} {loaded.backend.version}",
        "window_s": round(loaded.spec.clip.window_s, 3),
        **asdict(loaded.spec),
    }


def format_table(facts: Mapping[str, object]) -> str:
    """Lay the facts out in two columns, nested ones indented."""
    parts: list[str] = []
    plain: list[tuple[str, str]] = []
    for key, value in (*facts.items(), ("", {})):
        if not isinstance(value, Mapping):
            plain.append((key, _show(value)))
            continue
        parts.append(text_table(plain, align="ll"))
        rows = [(visible(k), _show(v)) for k, v in value.items()]
        parts += [key, text_table(rows, align="ll", indent=2)]
        plain = []
    return "\n".join(part for part in parts if part)


def _show(value: object) -> str:
    if isinstance(value, list | tuple):
        return visible(", ".join(map(str, value)))
    if isinstance(value, float):
        return f"{value:.4g}"
    return visible(str(value)) if value != "" else "-"
