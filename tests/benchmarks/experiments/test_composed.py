"""Composed scenes: people are where they are said to be, and known for hidden."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from har_benchmarks.experiments.composed import Sprite, compose, cut_sprites
from har_edge.errors import SourceError
from tests.conftest import write_video
from tests.support.people import BrightLocator, draw_frames

COLOURS = ((250, 10, 10), (10, 250, 10), (10, 10, 250))


def sprites(count: int) -> list[Sprite]:
    return [Sprite((np.full((40, 20, 3), COLOURS[i], np.uint8),) * 3) for i in range(count)]


def test_people_are_where_they_are_said_to_be() -> None:
    hidden = 0
    for moment in compose(sprites(3), count=60, rate_hz=4.0, size=(120, 160), seed=1):
        for who, box in enumerate(moment.boxes):
            if box is None:
                hidden += 1
                continue
            left, top, right, bottom = box
            assert 0 <= left < right <= 1
            assert 0 <= top < bottom <= 1
            inside = moment.pixels[
                round(top * 120) : round(bottom * 120), round(left * 160) : round(right * 160)
            ]
            assert (inside == COLOURS[who]).all(axis=2).mean() > 0.5
    assert hidden > 0  # they do cross


def test_equal_seeds_give_equal_scenes() -> None:
    one, other = (list(compose(sprites(2), count=3, rate_hz=4.0, seed=5)) for _ in range(2))
    for a, b in zip(one, other, strict=True):
        assert (a.pixels == b.pixels).all()
        assert a.boxes == b.boxes


def test_people_are_cut_out_of_clips(tmp_path: Path) -> None:
    moments = [[(0.2 + 0.01 * i, 0.1, 0.5 + 0.01 * i, 0.9)] for i in range(20)]
    clip = write_video(tmp_path / "a.mp4", [f.pixels for f in draw_frames(moments)], fps=10)
    (sprite,) = cut_sprites([clip], BrightLocator(), 1, 10.0)
    assert len(sprite.pictures) == 20
    height, width = sprite.pictures[0].shape[:2]
    assert (height, width) == (pytest.approx(48, abs=3), pytest.approx(24, abs=3))
    with pytest.raises(SourceError, match="Found 1"):
        cut_sprites([clip], BrightLocator(), 2, 10.0)


def test_crops_are_played_forth_and_back() -> None:
    sprite = Sprite(tuple(np.full((1, 1, 3), i, np.uint8) for i in range(3)))
    assert [int(sprite.at(i)[0, 0, 0]) for i in range(6)] == [0, 1, 2, 1, 0, 1]
