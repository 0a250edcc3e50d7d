"""The whole training of `har15` on EfficientNet-Lite by one command, resumed by itself.

    python train/recipes/train_har15.py DATA OUT [--unlabelled DIR]

Makes the manifests, trains each size as `har15-lite.toml` says, then the middle one once more, with
the mean of all as its teacher, and converts both. What is there already is kept, a training that
was interrupted continues with its last epoch, and frames are encoded once.
"""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import click

RECIPES = Path(__file__).parent
SIZES = ("efficientnet-lite0", "efficientnet-lite1", "efficientnet-lite2")
STUDENT = "efficientnet-lite1"


@dataclass(frozen=True)
class Step:
    """One command of ours.

    Attributes:
        made: What it leaves behind.
        command: Its arguments, to Python.
    """

    made: Path
    command: tuple[str, ...]


def plan(data: Path, out: Path, unlabelled: Path | None = None) -> list[Step]:
    """List what is still to be done, in order.

    Args:
        data: Folder of the public datasets.
        out: Where all of it goes.
        unlabelled: Folder of more pictures, which are learnt by the teachers' labels.
    """
    manifest, runs = out / "manifests" / "har15.csv", out / "runs"
    made = (RECIPES / "make_manifests.py", data, manifest.parent)
    steps = [Step(manifest, tuple(map(str, made)))]
    teachers = [runs / size for size in SIZES]
    for size, run in zip(SIZES, teachers, strict=True):
        steps.append(_fit(run, data, manifest, "--backbone", size))
    taught = ["--backbone", STUDENT, "--teacher", ",".join(map(str, teachers))]
    if unlabelled:
        taught += ["--unlabelled", str(unlabelled)]
    steps.append(_fit(runs / "har15", data, manifest, *taught))
    for run in (runs / STUDENT, runs / "har15"):
        files = out / "models" / run.name
        converted = ("-m", "har_convert", str(run), "--all", "--root", str(data))
        steps.append(Step(files, (*converted, "--out", str(files))))
    return [step for step in steps if not step.made.exists()]


def _fit(run: Path, data: Path, manifest: Path, *options: str) -> Step:
    """Train, or go on with a training that was interrupted."""
    if run.with_name(f"{run.name}.partial").exists():
        return Step(run, ("-m", "har_train", "fit", "--resume", str(run)))
    config = RECIPES / "har15-lite.toml"
    given = ("--root", data, "--config", config, *options, "--out", run)
    return Step(run, ("-m", "har_train", "fit", str(manifest), *map(str, given)))


@click.command()
@click.argument("data", type=click.Path(path_type=Path))
@click.argument("out", type=click.Path(path_type=Path))
@click.option(
    "--unlabelled",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Folder of more pictures for the last training.",
)
def main(data: Path, out: Path, unlabelled: Path | None) -> None:
    """Train and convert har15 on the datasets in DATA; everything goes to OUT."""
    for step in plan(data, out, unlabelled):
        print(f"{step.made}", flush=True)
        done = subprocess.run([sys.executable, *step.command], check=False)
        if done.returncode:
            raise click.exceptions.Exit(max(1, done.returncode))


if __name__ == "__main__":
    main()
