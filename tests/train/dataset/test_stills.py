"""Stills among clips: smooth, repeatable crop paths inside the picture."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from har_edge.model.spec import ClipSpec
from har_train.dataset.stills import SMALLEST_CROP, crop_path, load_still_as_clip


def test_path_is_smooth_and_inside_the_picture() -> None:
    for seed in range(50):
        path = crop_path(33, np.random.default_rng(seed))
        top, left, size = path.T
        assert path.shape == (33, 3)
        assert (path >= 0).all()
        assert (np.maximum(top, left) + size <= 1 + 1e-9).all()
        assert (size >= SMALLEST_CROP).all()
        speed = np.diff(path, axis=0)
        # It starts and ends at rest, and never turns back or jumps.
        assert np.abs(speed[[0, -1]]).max() < 0.01
        assert ((speed >= -1e-12).all(axis=0) | (speed <= 1e-12).all(axis=0)).all()
        assert np.abs(np.diff(speed, axis=0)).max() < 0.01


def test_clip_depends_on_the_draws_alone_and_moves(tmp_path: Path) -> None:
    pixels = np.linspace(0, 255, 90 * 120 * 3).astype(np.uint8).reshape(90, 120, 3)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    clip = ClipSpec(5, 8.0, 32, 48)

    def load(seed: int) -> np.ndarray:  # type: ignore[type-arg]
        return load_still_as_clip(tmp_path / "a.png", clip, np.random.default_rng(seed))

    assert load(0).shape == (5, 32, 48, 3)
    assert load(0).dtype == np.uint8
    assert np.array_equal(load(0), load(0))
    assert not np.array_equal(load(0), load(1))
    assert not np.array_equal(load(0)[0], load(0)[-1])


def test_smallest_picture(tmp_path: Path) -> None:
    Image.new("RGB", (1, 1), (9, 8, 7)).save(tmp_path / "a.png")
    frames = load_still_as_clip(
        tmp_path / "a.png", ClipSpec(3, 8.0, 32, 32), np.random.default_rng(0)
    )
    assert (frames == (9, 8, 7)).all()
