"""Taught actions: what is recorded, and how it is summed up."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from har_benchmarks.experiments.teach import (
    WAYS,
    group_of,
    held_out_rows,
    spread,
    summarise,
    windows_to_teach,
)
from tests.benchmarks.experiments.conftest import Experiment
from tests.conftest import moving_square, write_video


def test_a_background_is_made_of_files_that_were_not_held_out(
    experiment: Experiment, tmp_path: Path
) -> None:
    (tmp_path / "falls").mkdir()
    write_video(tmp_path / "falls" / "a.mp4", moving_square(600), 25.0)
    experiment("teach", "background", "har15", tmp_path, "falls", "--out", "background.npz")
    with np.load("background.npz") as found:
        assert found.files


def test_held_out_lists_come_with_the_bundled_runs() -> None:
    assert {"path", "label"} <= held_out_rows("har15")[0].keys()


def test_windows_to_teach() -> None:
    clips = [np.full((10, 2), number, np.float32) for number in range(5)]
    assert windows_to_teach(clips, WAYS[0])[:, 0].tolist() == [0, 1, 2, 3, 4]
    assert windows_to_teach(clips, WAYS[1]).shape == (5, 2)
    assert windows_to_teach(clips, WAYS[2]).shape == (50, 2)
    assert spread(np.arange(9.0), 3).tolist() == [0, 4, 8]


def test_groups_and_means() -> None:
    assert group_of("ucf101/Punch/v_Punch_g07_c01.avi") == "07"
    trials = [
        {"seed": 0, "loss_points": 1.0, "clip_accuracy": 0.5},
        {"seed": 1, "loss_points": 3.0, "clip_accuracy": 0.9},
    ]
    found = summarise(trials)
    assert found["loss_points"] == 2.0
    assert found["worst_loss_points"] == 3.0
    assert found["worst_clip_accuracy"] == pytest.approx(0.5)
    assert "seed" not in found
