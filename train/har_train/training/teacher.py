"""Trained models as teachers of another: what they answer to the very pictures of a batch.

Source: Hinton et al., Distilling the Knowledge in a Neural Network (2015); that both see the same
box of the same mixed picture: Beyer et al., Knowledge distillation: A good teacher is patient and
consistent (CVPR 2022).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from har_edge.arrays import FloatArray
from har_edge.errors import DataError
from har_edge.paths import display_path
from har_train.config import FitConfig
from har_train.model.keras_run import KerasRun, load_run
from har_train.training.parts import join_encoder, resized_encoder, shortened_classifier
from har_train.training.windows import Teacher


def load_teacher(config: FitConfig, labels: Sequence[str]) -> Teacher | None:
    """Load the models that the settings name as teachers.

    Args:
        config: Names them; gives T and the size of the frames that stage 2 draws.
        labels: All that is learnt, in order.

    Returns:
        Pixels (B, T, H, W, 3) in 0..255 -> probabilities (B, C), as the networks give them, without
        their temperature; the mean of several. None if the settings name no teacher.

    Raises:
        DataError: if there is no such run, or its labels or windows are others.
    """
    runs = load_teachers(config, labels)
    if not runs:
        return None
    networks = [
        join_encoder(
            resized_encoder(run.frame_encoder, config.drawn_size),
            shortened_classifier(run.classifier, config.drawn_frames),
            config.drawn_frames,
        )
        for run in runs
    ]

    def answer(inputs: FloatArray) -> FloatArray:
        answers = [np.asarray(network.predict_on_batch(inputs)) for network in networks]
        return np.asarray(np.mean(answers, axis=0), dtype=np.float32)

    return answer


def load_teachers(config: FitConfig, labels: Sequence[str]) -> list[KerasRun]:
    """Load the runs that the settings name as teachers; see `load_teacher`."""
    runs = [load_run(path) for path in config.fine_tune.teachers]
    for run in runs:
        _check_fits(run, config, labels)
    return runs


def _check_fits(run: KerasRun, config: FitConfig, labels: Sequence[str]) -> None:
    shown, spec = display_path(run.path), run.spec
    if tuple(spec.labels) != tuple(labels):
        raise DataError(
            f"The teacher {shown} should predict the labels to learn: {', '.join(labels)}. "
            f"Received {', '.join(spec.labels)}. Give a run with the same labels."
        )
    if run.config.head.input == "differences" and config.drawn_frames < 2:
        raise DataError(
            f"The teacher {shown} uses differences of frames and needs at least 2. Received "
            "--fine-tune-frames 1. Give 2, or another teacher."
        )
    if spec.clip.num_frames != config.window.num_frames:
        raise DataError(
            f"The teacher {shown} should have windows of {config.window.num_frames} frames. "
            f"Received {spec.clip.num_frames}. Give a run with --num-frames "
            f"{config.window.num_frames}."
        )
