"""`har-train people`: train the network that finds people, or judge files of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from har_edge.commands.harness import note
from har_edge.errors import DataError
from har_edge.progress import Progress
from har_train.commands.data import usable_samples
from har_train.commands.progress import say
from har_train.extras import check_installed, prepare_tensorflow

if TYPE_CHECKING:
    from har_edge.datasets import Sample


@click.command()
@click.argument("data", nargs=-1, required=True)
@click.option("--out", metavar="RUN", help="Run folder to write to. [default: runs/people]")
@click.option(
    "--root", default="", metavar="DIR", help="Folder that the paths in DATA are relative to."
)
@click.option(
    "--detector",
    required=True,
    metavar="FILE",
    help="Teacher of boxes: SSD as .tflite with detection post-processing.",
)
@click.option(
    "--pose",
    required=True,
    metavar="FILE",
    help="Teacher of keypoints: MoveNet single pose as .tflite.",
)
@click.option(
    "--start",
    metavar="FILE",
    help="Published MoveNet MultiPose to start from: its TensorFlow.js graph, a .json file.",
)
@click.option(
    "--work",
    default="people-work",
    show_default=True,
    metavar="DIR",
    help="Folder of labels and features; an interrupted training goes on from there.",
)
@click.option("--name", default="people", show_default=True, help="Name of the network.")
@click.option(
    "--side",
    type=click.IntRange(64, 1024),
    default=256,
    show_default=True,
    metavar="PIXELS",
    help="Sides of the input, a multiple of 32.",
)
@click.option(
    "--epochs",
    type=click.IntRange(min=1),
    default=20,
    show_default=True,
    metavar="N",
    help="Passes over the chosen cells of all pictures.",
)
@click.option(
    "--fine-tune",
    "passes",
    type=click.FloatRange(min=0),
    default=0.0,
    show_default=True,
    metavar="N",
    help="Then train the whole network: passes over all files, one view drawn at random each.",
)
@click.option(
    "--weights",
    metavar="RUN",
    help="Fine-tune the network of this run folder of har-train people; takes the place of "
    "--start.",
)
@click.option(
    "--freeze-blocks",
    "frozen",
    type=click.Choice(["0", "2", "5", "9"]),
    default="5",
    show_default=True,
    help="Blocks of the backbone that fine-tuning leaves as they are, from the finest on.",
)
@click.option(
    "--license", "terms", default="", help="Terms of weights and data, for the model card."
)
@click.option(
    "--evaluate",
    multiple=True,
    metavar="FILE",
    help="Judge this converted file on the part 'test' instead of training; may be repeated.",
)
def people(
    data: tuple[str, ...],
    out: str | None,
    root: str,
    detector: str,
    pose: str,
    start: str | None,
    work: str,
    name: str,
    side: int,
    epochs: int,
    passes: float,
    weights: str | None,
    frozen: str,
    terms: str,
    evaluate: tuple[str, ...],
) -> None:
    """Train `locate`, a network that finds people with boxes and 17 keypoints.

    DATA are folders of classes or manifests; their classes do not matter, their splits do. Two
    published networks label all stills, and the first, middle and last frame of each clip; a third
    one is made narrower and learns from these labels. No labels of your own are needed.

    \b
    Examples:
      har-train people people.csv --root DATA --detector ssd.tflite --pose lightning.tflite \\
        --start movenet-multipose.json --out runs/people
      har-convert runs/people --int8
      har-train people people.csv --root DATA --detector ssd.tflite --pose lightning.tflite \\
        --evaluate models/people/people-int8.tflite --out report
    """
    samples = usable_samples(data, root)
    if evaluate:
        _evaluate(samples, (detector, pose), work, evaluate, Path(out) if out else None)
        return
    if start is None and weights is None:
        raise click.UsageError(
            "--start is missing: give movenet-multipose.json to train from, or --weights RUN."
        )
    if weights is not None and not passes:
        raise click.UsageError("--weights is for fine-tuning: give --fine-tune 5, for example.")
    check_installed("keras")
    prepare_tensorflow(repeatable=False)  # the backbone is three times faster so
    from har_train.people.train import PeopleConfig, train_people
    from har_train.run_folder import check_free

    folder = Path(out or "runs/people")
    check_free(folder)
    config = PeopleConfig(
        start or "", detector, pose, work, name=name, side=side, epochs=epochs,
        weights=weights or "", fine_tune=passes, frozen=int(frozen), license=terms,
    )  # fmt: skip
    train_people(samples, config, folder, say, _bar)
    note(f"\nWrote {folder}. Next: har-convert {folder} --int8")


def _bar(total: int, title: str, unit: str) -> Progress:
    return Progress(total, title, unit)


def _evaluate(
    samples: list[Sample],
    teachers: tuple[str, str],
    work: str,
    files: tuple[str, ...],
    out: Path | None,
) -> None:
    from har_edge.files import make_folder, write_whole
    from har_train.people.evaluate import format_results, judge
    from har_train.people.files import FileFinder
    from har_train.people.labels import label_samples
    from har_train.people.teachers import Teacher

    test = [s for s in samples if s.split == "test"]
    if not test:
        raise DataError(
            "DATA should have a part 'test' to judge on. Received none. Give a manifest with a "
            "column split."
        )
    finders = {Path(f).name: FileFinder(f) for f in files}
    make_folder(Path(work))
    labels = label_samples(
        test, Teacher(*teachers), Path(work) / "labels.jsonl", _bar(len(test), "Labelling", "file")
    )
    results = judge(
        labels,
        {name: (finder, finder.spec.score_threshold) for name, finder in finders.items()},
        _bar(len(labels), "Judging", "file"),
    )
    click.echo(format_results(results))
    if out is not None:
        make_folder(out)
        table = {n: {s: c.as_dict() for s, c in sizes.items()} for n, sizes in results.items()}
        content = json.dumps({"files": len(labels), "networks": table}, indent=2) + "\n"
        write_whole(out / "people.json", content.encode(), advice="Give another --out.")
        note(f"\nWrote {out / 'people.json'}")
