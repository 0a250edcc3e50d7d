"""Put generated clips (CC BY 4.0) together to the recordings of the tutorial, with their manifest.

    python train/recipes/make_tutorial.py DATA

DATA holds the folder `bed_fall`; ffmpeg is needed. As with a phone on a shelf, each recording holds
several actions, one after the other, and the manifest says from when to when each lasts. The
people in these clips do not exist: they are AI-generated.
"""

from __future__ import annotations

import csv
import subprocess
import tempfile
import zipfile
from pathlib import Path

import click

TUTORIAL = Path(__file__).parents[2] / "docs" / "data" / "bedroom.zip"
# Pairs of a fall and of a clip without one; recordings hold some of these pairs each.
RECORDINGS, PAIRS = 6, 3
CLIP_S = 97 / 24
SOURCE = """\
Clips for the tutorial, put together (train/recipes/make_tutorial.py) from
T2V-Bed-Fall-Detection-Dataset by KuanTingWu-nci, CC BY 4.0,
https://creativecommons.org/licenses/by/4.0/: scaled down, joined and encoded again.
The people and the rooms are AI-generated.
"""
ENCODING = ("-r", "24", "-c:v", "libx264", "-crf", "31", "-preset", "slow")


@click.command()
@click.argument("data", type=click.Path(path_type=Path))
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=TUTORIAL,
    metavar="FILE",
    help="Archive to write. [default: that of the docs]",
)
def main(data: Path, out: Path) -> None:
    """Write the recordings and the manifest to an archive, from the clips of DATA/bed_fall."""
    with tempfile.TemporaryDirectory() as folder:
        _write(data, Path(folder))
        out.parent.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(out, "w") as archive:  # videos do not shrink any further
            for path in sorted(Path(folder).iterdir()):
                # A fixed date, so that the same clips give the same archive.
                info = zipfile.ZipInfo(f"bedroom/{path.name}", (1980, 1, 1, 0, 0, 0))
                info.external_attr = 0o644 << 16
                archive.writestr(info, path.read_bytes())


def _write(data: Path, out: Path) -> None:
    falls = sorted((data / "bed_fall" / "fall").glob("*.mp4"))[10:]
    others = sorted((data / "bed_fall" / "non_fall").glob("*.mp4"))
    others = others[:: max(1, len(others) // (RECORDINGS * PAIRS + 2))]
    rows: list[dict[str, str]] = []
    for number in range(RECORDINGS):
        name = f"monday-{number + 1}.mp4"
        clips: list[Path] = []
        for _ in range(PAIRS):
            clips += [others.pop(0), falls.pop(0)]
        _join(clips, out / name)
        for place, clip in enumerate(clips):
            label = "falling" if clip.parent.name == "fall" else "in_bed"
            start_s, end_s = place * CLIP_S, (place + 1) * CLIP_S
            rows.append(
                {
                    "path": name,
                    "label": label,
                    "start_s": f"{start_s:.2f}",
                    "end_s": f"{end_s:.2f}",
                    "group": name,
                }
            )
    # What no training sees: the recording that the finished model is tried on.
    _join([others.pop(0), falls.pop(0), others.pop(0)], out / "evening.mp4")
    (out / "README.txt").write_text(SOURCE, encoding="utf-8")
    with (out / "clips.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def _join(clips: list[Path], target: Path) -> None:
    """Play clips one after the other."""
    inputs = [word for clip in clips for word in ("-i", str(clip))]
    streams = "".join(f"[{i}:v]scale=320:184,setsar=1[v{i}];" for i in range(len(clips)))
    joined = "".join(f"[v{i}]" for i in range(len(clips)))
    graph = f"{streams}{joined}concat=n={len(clips)}:v=1[out]"
    command = ["ffmpeg", "-v", "error", "-y", *inputs, "-filter_complex", graph, "-map", "[out]"]
    subprocess.run([*command, *ENCODING, "-an", str(target)], check=True)


if __name__ == "__main__":
    main()
