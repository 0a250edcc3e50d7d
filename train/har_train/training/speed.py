"""What training costs beside the network: the feature cache, encoding, and memory.

    python -m har_train.training.speed MANIFEST DATA --weights FILE [--clips N]

- cache: an epoch of the head on cached features, against one that runs the backbone first;
- encoding: frames a second from files into an empty cache, against the bare backbone on batches
  of frames that lie ready;
- memory: the peak of `har-train fit` on N training files, and on ten times as many.

The first two take turns in one process on all cores, once the third is done; N files of MANIFEST's
training part serve them, ten times as many the third. What was found goes to standard output as
one JSON object; `har-bench experiment train-speed` asks for it and adds the machine.
"""

from __future__ import annotations

import csv
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import click
import numpy as np

from har_edge.commands.harness import run_command
from har_edge.datasets import Sample
from har_edge.errors import DataError
from har_edge.model.spec import ClipSpec
from har_edge.sources.clips import load_frames
from har_train.config import FitConfig
from har_train.dataset.samples import load_dataset
from har_train.features.cache import BATCH_FRAMES, Rendering, cache_dataset, encode_dataset
from har_train.model.network import build_classifier, build_encoder, import_keras
from har_train.training.windows import build_windows, training_epoch


@click.command()
@click.argument("manifest", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.argument("data", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--weights", default="imagenet", show_default=True, help="Backbone weights.")
@click.option("--clips", type=click.IntRange(min=10), default=40, show_default=True, metavar="N")
@click.option("--num-frames", type=click.IntRange(min=1), default=16, show_default=True)
@click.option("--frame-rate", default=8.0, show_default=True)
@click.option("--rounds", type=click.IntRange(min=1), default=5, show_default=True)
def main(
    manifest: Path,
    data: Path,
    weights: str,
    clips: int,
    num_frames: int,
    frame_rate: float,
    rounds: int,
) -> None:
    """Measure the cache, encoding and memory of training on MANIFEST's files."""
    config = FitConfig.of(
        data=str(manifest), root=str(data), weights=weights, num_frames=num_frames,
        frame_rate_hz=frame_rate, epochs=1,
    )  # fmt: skip
    samples = _in_turns([s for s in load_dataset(manifest, data) if s.split == "train"])
    if len(samples) < 10 * clips:
        raise DataError(
            f"{manifest} should have {10 * clips} training files. Received {len(samples)}. Give "
            "a smaller --clips."
        )
    # First, while this process is small: a child's peak counts from that of the process it left.
    peaks_mb = {n: _peak_mb(config, samples[:n]) for n in (clips, 10 * clips)}
    seconds, frames = _time_in_turns(config, samples[:clips], rounds)
    results = _summary(seconds, frames, list(peaks_mb.values()))
    facts = {"manifest": manifest.name, "clips": clips, "frames": frames, "peaks_mb": peaks_mb,
             "seconds": seconds}  # fmt: skip
    click.echo(json.dumps(results | facts))


def _in_turns(samples: Sequence[Sample]) -> list[Sample]:
    """Order samples so that every start of the list has its share of each class."""
    shuffled = random.Random(0).sample(samples, len(samples))
    seen: Counter[str] = Counter()
    ranks = []
    for s in shuffled:
        ranks.append(seen[s.label])
        seen[s.label] += 1
    return [s for _, s in sorted(zip(ranks, shuffled, strict=True), key=lambda pair: pair[0])]


def _time_in_turns(
    config: FitConfig, samples: list[Sample], rounds: int
) -> tuple[dict[str, list[float]], int]:
    """Seconds of each piece of work by round, and the number of frames."""
    import_keras()
    window = config.window
    clip = ClipSpec(window.num_frames, window.frame_rate_hz, window.size, window.size, "stretch")
    encoder = build_encoder(clip, config)
    frames = np.concatenate([load_frames(s.path, clip) for s in samples])
    batches = [frames[i : i + BATCH_FRAMES] for i in range(0, len(frames), BATCH_FRAMES)]
    train_epoch = _head_epoch(config, samples, encoder, clip)
    seconds: dict[str, list[float]] = {"encoding": [], "backbone": [], "head": []}
    for turn in range(rounds + 1):
        with tempfile.TemporaryDirectory() as cache:
            work: dict[str, Callable[[], object]] = {
                "encoding": lambda: cache_dataset(
                    samples, encoder, Rendering(clip), cache=Path(cache)
                ),
                "backbone": lambda: [encoder.predict_on_batch(batch) for batch in batches],
                "head": train_epoch,
            }
            for name, run in work.items():
                start = time.perf_counter()
                run()
                if turn:  # the first is for warming up
                    seconds[name].append(time.perf_counter() - start)
    return seconds, len(frames)


def _head_epoch(
    config: FitConfig, samples: list[Sample], encoder: Any, clip: ClipSpec
) -> Callable[[], object]:
    """Make what trains the head for one epoch on features that are there."""
    keras = import_keras()
    labels = sorted({s.label for s in samples})
    with tempfile.TemporaryDirectory() as cache:
        encoded = encode_dataset(samples, encoder, Rendering(clip), cache=Path(cache))
    windows = build_windows([encoded], labels, config)
    head = build_classifier(len(labels), encoder.output_shape[-1], config)
    head.compile(
        optimizer=keras.optimizers.AdamW(config.training.learning_rate),
        loss="categorical_crossentropy",
        weighted_metrics=[],
    )
    return lambda: head.fit(training_epoch(windows, config, 0), verbose=0, shuffle=False)


def _peak_mb(config: FitConfig, samples: list[Sample]) -> float:
    """Largest resident memory of `har-train fit` on some files, with an empty cache."""
    with tempfile.TemporaryDirectory() as folder:
        manifest = Path(folder) / "manifest.csv"
        with manifest.open("w", encoding="utf-8", newline="") as file:
            rows = csv.writer(file)
            rows.writerow(("path", "label", "group", "split"))
            seen: Counter[str] = Counter()
            for s in samples:
                split = {0: "val", 1: "test"}.get(seen[s.label] % 4, "train")
                # A group of its own: what is measured is memory, and no accuracy is read off it.
                path = s.path.absolute()
                rows.writerow((path, s.label, path, split))
                seen[s.label] += 1
        command = [
            sys.executable, "-m", "har_train", "fit", str(manifest),
            "--out", f"{folder}/run", "--cache", f"{folder}/cache",
            "--weights", config.backbone.weights,
            "--num-frames", str(config.window.num_frames),
            "--frame-rate", str(config.window.frame_rate_hz),
            "--epochs", "1",
        ]  # fmt: skip
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        assert process.stderr is not None
        text = process.stderr.read().decode(errors="replace")
        _, status, usage = os.wait4(process.pid, 0)
        if status:
            raise DataError(f"har-train fit should end well. It said: {text[-500:]}")
        return usage.ru_maxrss / 1024


def _summary(seconds: dict[str, list[float]], frames: int, peaks_mb: list[float]) -> dict[str, Any]:
    """Ratios of medians, and a line for each."""
    encoding, backbone, head = (median(seconds[k]) for k in ("encoding", "backbone", "head"))
    cache, speed, memory = (backbone + head) / head, backbone / encoding, peaks_mb[1] / peaks_mb[0]
    lines = [
        f"an epoch on cached features {head:.2f} s, with the backbone {backbone + head:.2f} s: "
        f"{cache:.0f} times faster",
        f"encoding {frames / encoding:.0f} frames/s, the bare backbone {frames / backbone:.0f}: "
        f"{speed:.0%}",
        f"peak memory {peaks_mb[0]:.0f} MB, with ten times the files {peaks_mb[1]:.0f} MB: "
        f"{memory:.2f} times",
    ]
    return {"lines": lines, "cache_ratio": cache, "encoding_share": speed, "memory_ratio": memory}


if __name__ == "__main__":
    run_command(main)
