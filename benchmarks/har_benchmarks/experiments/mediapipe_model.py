"""One graph from a still-image run for MediaPipe's ImageClassifier: picture in, probabilities out.

    har-bench experiment mediapipe-model har15 --out FOLDER

`har-bench peers --mediapipe FILE` runs the files. They are made by `har_convert.mediapipe`,
which needs the convert extra, in a process of its own.
"""

from __future__ import annotations

from pathlib import Path

import click

from har_benchmarks.experiments.programs import run_package


@click.command()
@click.argument("run")
@click.option("--out", type=click.Path(path_type=Path), default=Path("models"), show_default=True,
              help="Folder to write to.")  # fmt: skip
def command(run: str, out: Path) -> None:
    """Make the files that MediaPipe's ImageClassifier needs from RUN, a run folder or har15.

    \b
    Example:
      har-bench experiment mediapipe-model har15 --out models
    """
    run_package("har_convert.mediapipe", run, "--out", out)
