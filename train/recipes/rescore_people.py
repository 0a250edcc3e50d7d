"""Give a file that finds people a second look at what it finds, learnt from its own mistakes.

    python train/recipes/make_people_manifest.py DATA manifests
    python train/recipes/rescore_people.py models/people/people-int8.tflite manifests/people.csv \\
      --root DATA --detector SSD --pose LIGHTNING --out people-int8.tflite

The network stays as it is, byte by byte; only the file's spec changes. Labels of the teachers are
kept in the folder of `har-train people` (`--work`), and shared with it. How well it does afterwards
says `har-train people --evaluate`.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import click

from har_edge.files import make_folder, write_whole
from har_edge.model.people_file import pack_people_file, read_people_file
from har_edge.progress import Progress
from har_train.commands.data import usable_samples
from har_train.people.files import FileFinder
from har_train.people.labels import label_samples
from har_train.people.rescore import FINAL_THRESHOLD, collect, fit_weights, set_threshold
from har_train.people.teachers import Teacher


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.argument("data", nargs=-1, required=True)
@click.option("--root", default="", help="Folder that the paths in DATA are relative to.")
@click.option("--detector", required=True, help="Teacher of boxes, as for har-train people.")
@click.option("--pose", required=True, help="Teacher of keypoints, as for har-train people.")
@click.option("--work", default="people-work", show_default=True, type=click.Path(path_type=Path))
@click.option("--most", type=click.IntRange(min=1), default=1500, show_default=True,
              help="Files to learn from, evenly spread over the part 'train'.")  # fmt: skip
@click.option("--out", required=True, type=click.Path(dir_okay=False, path_type=Path))
def main(
    file: Path,
    data: tuple[str, ...],
    root: str,
    detector: str,
    pose: str,
    work: Path,
    most: int,
    out: Path,
) -> None:
    """Write FILE to --out with a second look, fitted on part 'train' of DATA and set on 'val'."""
    spec, network = read_people_file(file)
    samples = usable_samples(data, root)
    train, val = ([s for s in samples if s.split == part] for part in ("train", "val"))
    train = train[:: max(1, -(-len(train) // most))]
    make_folder(work)
    find = FileFinder(file)
    find.spec = replace(spec, rescore=())
    teach = Teacher(detector, pose)
    parts = [
        label_samples(part, teach, work / "labels.jsonl", Progress(len(part), title, "file"))
        for part, title in ((train, "Labelling train"), (val, "Labelling val"))
    ]
    finds = collect(parts[0], find, tick=Progress(len(parts[0]), "Finding", "file"))
    weights = set_threshold(fit_weights(finds), parts[1], find)
    done = replace(spec, rescore=weights, score_threshold=FINAL_THRESHOLD)
    write_whole(out, pack_people_file(network, done), parents=True, advice="Give another --out.")
    people = int(finds.right.sum())
    click.echo(f"wrote {out}: learnt from {len(finds.right)} finds, {people} of them people")


if __name__ == "__main__":
    main()
