"""What training costs besides the network: the feature cache, encoding and memory.

    har-bench experiment train-speed MANIFEST DATA --weights FILE [--clips N] [--out JSON]

- cache: an epoch of the head on cached features, against one that runs the backbone first;
- encoding: frames a second from files into an empty cache, against the bare backbone on batches
  of frames that lie ready;
- memory: the peak of `har-train fit` on N training files, and on ten times as many.

It is measured by `har_train.training.speed`, which needs the train extra, in a process of its own.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TypedDict, cast

import click

from har_benchmarks.experiments.programs import run_package
from har_benchmarks.experiments.result import write_result
from har_edge.machine.facts import machine_facts


class Speed(TypedDict):
    """What `har_train.training.speed` reports."""

    lines: list[str]
    cache_ratio: float
    encoding_share: float
    memory_ratio: float
    manifest: str
    clips: int
    frames: int
    peaks_mb: dict[str, float]
    seconds: dict[str, list[float]]


@click.command()
@click.argument("manifest", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.argument("data", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--weights", default="imagenet", show_default=True, help="Backbone weights.")
@click.option("--clips", type=click.IntRange(min=10), default=40, show_default=True, metavar="N",
              help="Number of training files to use.")  # fmt: skip
@click.option("--num-frames", type=click.IntRange(min=1), default=16, show_default=True,
              help="Frames per window.")  # fmt: skip
@click.option("--frame-rate", default=8.0, show_default=True, help="Frame rate, in Hz.")
@click.option("--rounds", type=click.IntRange(min=1), default=5, show_default=True,
              help="Measurements of each, taken in turns.")  # fmt: skip
@click.option("--out", type=click.Path(path_type=Path), help="JSON file to write.")
def command(
    manifest: Path,
    data: Path,
    weights: str,
    clips: int,
    num_frames: int,
    frame_rate: float,
    rounds: int,
    out: Path | None,
) -> None:
    """Measure the cache, encoding and memory of training on MANIFEST's files in DATA.

    \b
    Example:
      har-bench experiment train-speed manifest.csv DATA --weights FILE --out train-speed.json
    """
    said = run_package(
        "har_train.training.speed", manifest, data, "--weights", weights, "--clips", clips,
        "--num-frames", num_frames, "--frame-rate", frame_rate, "--rounds", rounds, capture=True,
    )  # fmt: skip
    found = cast("Speed", json.loads(said))
    for line in found["lines"]:
        click.echo(line)
    write_result({**found, "machine": machine_facts()}, out)
