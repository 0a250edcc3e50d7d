"""Write which seconds of which videos show somebody who falls, lies, or does something else.

    python train/recipes/make_track_manifest.py DATA manifests
    har-train poses manifests/tracks.csv --root DATA --out tracks

DATA holds the folders `urfd` and `ucf101`. Of UR Fall, `frames.csv` says for frames of the level
camera whether somebody is upright, on the way down or lying; the camera below the ceiling ran
beside it. What its daily recordings show stands in `ur_fall_daily.csv`, read off them by eye. Of
UCF101 the first official training part is taken. A group is a recording of UR Fall, seen by one
camera or two, or a source video of UCF101.
"""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path

import click

from har_edge.files import write_whole

DAILY = Path(__file__).with_name("ur_fall_daily.csv")
UCF101_LABELS = {"BabyCrawling": "other", "Punch": "punching", "PushUps": "push-ups"}
UCF101_PART = "trainlist01.txt"
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
    """Write OUT/tracks.csv."""
    lines = ["path,label,group,start_s,end_s", *ur_fall_lines(data), *ucf101_lines(data)]
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


def ucf101_lines(data: Path) -> Iterator[str]:
    """A line for each clip of UCF101 that may be trained on."""
    for line in (data / "ucf101" / UCF101_PART).read_text(encoding="utf-8").splitlines():
        folder, _, name = line.split()[0].partition("/")
        stem = name.removesuffix(".avi")
        source = stem.removeprefix("v_").rpartition("_")[0]
        yield f"ucf101/{folder}/{stem}.mp4,{UCF101_LABELS[folder]},ucf101/{source},,"


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
