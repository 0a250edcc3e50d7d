"""`har-bench peers`: what else could run the same frames."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from har_edge.commands.harness import note, show
from har_edge.commands.options.models import MODEL


@click.command()
@click.argument("video", type=click.Path(exists=True, dir_okay=False))
@click.option(
    "-m",
    "--model",
    default="clips",
    show_default=True,
    metavar="MODEL",
    type=MODEL,
    help="The model to compare.",
)
@click.option("--onnx", multiple=True, metavar="FILE",
              help="Its ONNX pair, for the plain onnxruntime loop; may be repeated.")  # fmt: skip
@click.option("--keras", multiple=True, metavar="FILE",
              help="Its .keras file, for Keras predict.")  # fmt: skip
@click.option("--mediapipe", multiple=True, metavar="FILE",
              help="The model as a single graph, for MediaPipe's ImageClassifier (see "
                   "har-bench experiment mediapipe-model); may be repeated.")  # fmt: skip
@click.option("--ultralytics", multiple=True, metavar="WEIGHTS",
              help="An Ultralytics classification model; may be repeated.")  # fmt: skip
@click.option(
    "--python",
    "pythons",
    multiple=True,
    metavar="PEER=PATH",
    help=(
        "Python interpreter that has a peer installed, if not this one: mediapipe=venv/bin/python."
    ),
)
@click.option("--num-threads", type=click.IntRange(min=1), default=1, show_default=True,
              metavar="N", help="Threads and cores for each peer.")  # fmt: skip
@click.option("--rounds", type=click.IntRange(min=1), default=3, show_default=True, metavar="N",
              help="Runs of each peer, taken in turns.")  # fmt: skip
@click.option("--max-frames", type=click.IntRange(min=2), default=48, show_default=True,
              metavar="N", help="Frames of VIDEO to use.")  # fmt: skip
@click.option("--out", default="bench/peers", show_default=True, metavar="DIR",
              help="Folder to write to; a report already there gains the table.")  # fmt: skip
def peers(video: str, out: str, pythons: tuple[str, ...], **options: Any) -> None:
    """Compare har-edge with other runtimes and tools (peers) on the frames of VIDEO.

    Each peer gets the same frames, in its own process. A peer that is not installed, or needs a
    file that was not given, is listed with the reason.

    \b
    Example:
      har-bench peers video.mp4 --onnx models/clips-onnx.encode.onnx \\
        --python mediapipe=venv-mediapipe/bin/python --out bench/mine
    """
    from har_benchmarks.peers.peers import PeerSettings, empty_report, run_peers
    from har_benchmarks.render.markdown import peers_section
    from har_benchmarks.render.plots import import_matplotlib
    from har_benchmarks.render.write import write_report
    from har_benchmarks.results.document import REPORT_NAME, load_report
    from har_benchmarks.results.table import Table
    from har_edge.paths import display_path

    import_matplotlib()
    names = {
        "onnxruntime": "onnx",
        "keras": "keras",
        "mediapipe-classifier": "mediapipe",
        "ultralytics": "ultralytics",
    }
    given = {peer: options.pop(name) for peer, name in names.items()}
    files = {peer: paths for peer, paths in given.items() if paths}
    settings = PeerSettings(files=files, pythons=_pythons(pythons), **options)
    folder = Path(out)
    known = load_report(folder) if (folder / REPORT_NAME).exists() else None
    found = run_peers(video, settings, note=note)
    report = known or empty_report(found)
    report["peers"] = found
    write_report(report, Table.of(report), folder)
    show("\n\n".join(part for part in peers_section(found)[1:] if part))
    note(f"Wrote {display_path(folder)}. Open {display_path(folder)}/report.html")


def _pythons(pairs: tuple[str, ...]) -> dict[str, str]:
    from har_benchmarks.peers.peers import PEERS

    found = {}
    for pair in pairs:
        peer, _, path = pair.partition("=")
        if peer not in PEERS or not Path(path).is_file():
            raise click.UsageError(
                f"--python should be PEER=PATH with one of {', '.join(PEERS)} and a Python "
                f"interpreter. Received {pair!r}. Correct it."
            )
        found[peer] = path
    return found
