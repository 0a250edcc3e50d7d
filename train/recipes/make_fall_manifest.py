"""Write which seconds of UR Fall show a fall, somebody who lies, or something else.

    python train/recipes/make_fall_manifest.py DATA manifests
    har-train poses manifests/falls.csv --root DATA --out tracks

DATA holds the folder `urfd`, whose `frames.csv` says for frames of the level camera whether
somebody is upright, on the way down or lying; the camera below the ceiling ran beside it. A group
is a recording, seen by one camera or two.
"""

from __future__ import annotations

import csv
import itertools
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import click

from har_edge.files import write_whole

FPS = 30.0
LYING, GOING_DOWN = 1, 0
# A fall is shown from so long before it until so long after.
BEFORE_S, AFTER_S = 0.7, 0.9
# Shorter spans say too little.
LEAST_S = 1.0

Span = tuple[str, float, float]


@click.command()
@click.argument("data", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("out", type=click.Path(path_type=Path))
def main(data: Path, out: Path) -> None:
    """Write OUT/falls.csv."""
    postures = read_postures(data / "urfd" / "frames.csv")
    lines = ["path,label,group,start_s,end_s"]
    for path in sorted((data / "urfd").glob("*/*.mp4")):
        name = path.name.split("__")[0]
        spans = fall_spans if path.parent.name == "falling" else daily_spans
        lines += [
            f"{path.relative_to(data).as_posix()},{label},urfd/{name},{start_s:.2f},{end_s:.2f}"
            for label, start_s, end_s in spans(postures.get(name, {}))
            if end_s - start_s >= LEAST_S
        ]
    out.mkdir(parents=True, exist_ok=True)
    write_whole(out / "falls.csv", "\n".join(lines) + "\n")
    click.echo(f"Wrote {len(lines) - 1} spans to {out / 'falls.csv'}.")


def read_postures(path: Path) -> Mapping[str, Mapping[int, int]]:
    """By recording and frame: -1 upright, 0 going down, 1 lying."""
    found: dict[str, dict[int, int]] = defaultdict(dict)
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            found[row["sequence"]][int(row["frame"])] = int(row["posture"])
    return found


def fall_spans(posture: Mapping[int, int]) -> Iterator[Span]:
    """What a recording of a fall shows: something else, the fall, somebody who lies."""
    lying = [frame for frame, now in posture.items() if now == LYING]
    down = [frame for frame, now in posture.items() if now == GOING_DOWN]
    if not lying or not down:
        return
    start_s, lies_s = min(down) / FPS, min(lying) / FPS
    yield "other", 0.0, start_s - BEFORE_S / 2
    yield "falling", max(start_s - BEFORE_S, 0.0), lies_s + AFTER_S
    yield "lying", lies_s + AFTER_S, max(posture) / FPS


def daily_spans(posture: Mapping[int, int]) -> Iterator[Span]:
    """What a recording of something else shows: somebody who lies, or that."""
    frames: Sequence[int] = sorted(posture)
    for lies, run in itertools.groupby(frames, key=lambda frame: posture[frame] == LYING):
        numbers = list(run)
        yield "lying" if lies else "other", numbers[0] / FPS, numbers[-1] / FPS


if __name__ == "__main__":
    main()
