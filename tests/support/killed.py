"""A training for tests to kill: python killed.py RUN CACHE goes on with RUN's checkpoints.

It prints what a training says: a table, then a line when an epoch's checkpoint is written.
"""

from __future__ import annotations

import csv
import json
import os
import sys
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")

import click

import har_train.training.fit
from har_edge.model.spec import ClipSpec
from har_train.config import FitConfig
from har_train.model.network import import_keras
from har_train.run_folder import checkpoint_folder, resume_config, save_run
from har_train.watch import Watch


def small_encoder(clip: ClipSpec, config: FitConfig) -> Any:
    """Build an encoder of two blocks in place of MobileNetV2, which takes long to compile."""
    keras = import_keras()
    layers = keras.layers
    x = inputs = keras.Input(clip.frame_shape)
    for i, units in enumerate((8, 16, 24)):
        x = layers.Conv2D(units, 3, strides=2, padding="same", name=f"block_{i}_conv")(x)
        x = layers.BatchNormalization(name=f"block_{i}_BN")(x)
        x = layers.ReLU(6.0, name=f"block_{i}_relu")(x)
    backbone = keras.Model(inputs, x, name="backbone")
    backbone.trainable = False
    frame = keras.Input(clip.frame_shape, name="frame")
    scaled = layers.Rescaling(1 / 127.5, offset=-1)(frame)
    features = layers.GlobalAveragePooling2D(name="features")(backbone(scaled, training=False))
    return keras.Model(frame, features, name="encode")


def main() -> None:
    folder, cache = map(Path, sys.argv[1:])
    import_keras()
    har_train.training.fit.build_encoder = small_encoder
    result = har_train.training.fit.fit(
        resume_config(folder),
        cache=cache,
        checkpoints=checkpoint_folder(folder),
        watch=Watch(say=click.echo),
    )
    save_run(result, folder)


def read_result(folder: Path) -> dict[str, list[float]]:
    """Read everything that was measured in a run."""
    metrics = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    values = {split: list(metrics[split].values()) for split in ("train", "val", "test")}
    for name in ("history.csv", "predictions.csv"):
        with (folder / name).open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                for key, cell in row.items():
                    if key.startswith("p(") or name == "history.csv":
                        values.setdefault(f"{name} {key}", []).append(float(cell))
    return values


if __name__ == "__main__":
    main()
