"""`har-edge models`: which models come along, what each knows and what it is for."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from har_edge.commands.options.formats import format_options
from har_edge.paths import display_path

if TYPE_CHECKING:
    from har_edge.model.catalogue import BundledModel


@click.command()
@format_options
def models(output_format: str) -> None:
    """List the bundled models: what each knows, how good it is and what it is for.

    \b
    Examples:
      har-edge models
      har-edge models --output-format json
      har-edge run video.mp4 --model clips
    """
    from har_edge.model.catalogue import bundled_models

    found = bundled_models()
    if output_format == "json":
        facts = [{**asdict(model), "path": display_path(model.path)} for model in found]
        click.echo(json.dumps({"models": facts}, indent=2, ensure_ascii=False))
    else:
        click.echo("\n\n".join(map(describe, found)))
        click.echo("\nMore of one: har-edge info NAME. A model of your own: har-train fit --help.")


def describe(model: BundledModel) -> str:
    """Lay out what is known of a model."""
    from har_edge.table import text_table

    seen = "1 picture"
    if model.num_frames > 1:
        seen = f"{model.num_frames} frames at {model.frame_rate_hz:g} Hz"
    if model.needs_people:
        seen += ", of which it sees where the joints of each person are"
    rows = [
        ("for", model.purpose),
        ("knows", ", ".join(model.labels)),
        ("looks at", seen),
        ("accuracy", _accuracy(model)),
        ("size", f"{model.size_bytes / 1e6:.1f} MB, {model.variant}"),
    ]
    return f"{model.name}\n" + text_table(rows, align="ll", indent=2, wrap=72)


def _accuracy(model: BundledModel) -> str:
    if model.accuracy is None:
        return "not measured"
    files = "clips" if model.num_frames > 1 else "photos"
    if model.needs_people:
        files = "recorded movements"
    text = f"{model.accuracy:.1%}"
    if model.held_out:
        text += f" of {model.held_out:,} {files} that training has not seen"
    if model.accuracy_low is not None and model.accuracy_high is not None:
        text += f" (95 % interval {model.accuracy_low:.0%} to {model.accuracy_high:.0%})"
    return text
