"""Write which seconds of which videos show somebody who falls, lies, or does something else.

    python train/recipes/make_track_manifest.py DATA manifests
    har-train poses manifests/tracks.csv --root DATA --out tracks

DATA holds the folders `urfd` and `bed_fall`. Of UR Fall, `frames.csv` says for frames of the level
camera whether somebody is upright, on the way down or lying; the camera below the ceiling ran
beside it. What its daily recordings show stands in `ur_fall_daily.csv`, read off them by eye. In
the generated clips of `bed_fall`, all of the same length, somebody falls out of a bed at about the
same time, or leaves it. A group is a recording, seen by one camera or two, or a clip.
"""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import click

from har_edge.files import write_whole

Span = tuple[str, float, float]

DAILY = Path(__file__).with_name("ur_fall_daily.csv")
# What generated clips show, and when, by their folder.
BED_SPANS: Mapping[str, Sequence[Span]] = {
    "fall": (("falling", 0.8, 3.3), ("lying", 3.0, 4.0)),
    "non_fall": (("other", 0.0, 4.0),),
}
FPS = 30.0
LYING, GOING_DOWN = 1, 0
# A fall is shown from so long before it until so long after.
BEFORE_S, AFTER_S = 0.7, 0.9
# Shorter spans say too little.
LEAST_S = 1.0


@click.command()
@click.argument("data", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("out", type=click.Path(path_type=Path))
def main(data: Path, out: Path) -> None:
    """Write OUT/tracks.csv."""
    lines = ["path,label,group,start_s,end_s", *ur_fall_lines(data), *bed_lines(data)]
    out.mkdir(parents=True, exist_ok=True)
    write_whole(out / "tracks.csv", "\n".join(lines) + "\n")
    click.echo(f"Wrote {len(lines) - 1} spans to {out / 'tracks.csv'}.")


def ur_fall_lines(data: Path) -> Iterator[str]:
    """A line for each span of UR Fall."""
    postures = read_postures(data / "urfd" / "frames.csv")
    daily = read_daily(DAILY)
    for path in sorted((data / "urfd").glob("*/*.mp4")):
        name = path.name.split("__")[0]
        falls = path.parent.name == "falling"
        for label, start_s, end_s in fall_spans(postures[name]) if falls else daily[name]:
            if end_s - start_s >= LEAST_S:
                shown = path.relative_to(data).as_posix()
                yield f"{shown},{label},urfd/{name},{start_s:.2f},{end_s:.2f}"


def bed_lines(data: Path) -> Iterator[str]:
    """A line for each span of the generated clips."""
    for folder, spans in BED_SPANS.items():
        for path in sorted((data / "bed_fall" / folder).glob("*.mp4")):
            for label, start_s, end_s in spans:
                shown = path.relative_to(data).as_posix()
                yield f"{shown},{label},bed_fall/{path.stem},{start_s:.2f},{end_s:.2f}"


def read_postures(path: Path) -> Mapping[str, Mapping[int, int]]:
    """By recording and frame: -1 upright, 0 going down, 1 lying."""
    found: dict[str, dict[int, int]] = defaultdict(dict)
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            found[row["sequence"]][int(row["frame"])] = int(row["posture"])
    return found


def read_daily(path: Path) -> Mapping[str, list[Span]]:
    """By recording: what it shows."""
    found: dict[str, list[Span]] = defaultdict(list)
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            span = row["label"], float(row["start_s"]), float(row["end_s"])
            found[row["recording"]].append(span)
    return found


def fall_spans(posture: Mapping[int, int]) -> Iterator[Span]:
    """What a recording of a fall shows: the fall, and somebody who lies.

    What was before it, standing, walking or sitting, is not told apart, and left out.
    """
    lying = [frame for frame, now in posture.items() if now == LYING]
    down = [frame for frame, now in posture.items() if now == GOING_DOWN]
    if not lying or not down:
        return
    start_s, lies_s = min(down) / FPS, min(lying) / FPS
    yield "falling", max(start_s - BEFORE_S, 0.0), lies_s + AFTER_S
    yield "lying", lies_s + AFTER_S, max(posture) / FPS


if __name__ == "__main__":
    main()
