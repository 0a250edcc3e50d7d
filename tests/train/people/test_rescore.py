"""How the second look learns which finds are people."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from har_edge.arrays import FloatArray, Pixels
from har_edge.datasets import Sample
from har_edge.errors import DataError
from har_edge.people.rescore import rescore
from har_train.people.labels import Labelled
from har_train.people.rescore import (
    Finds,
    collect,
    empty_parts,
    finds_by_motion,
    finds_by_teacher,
    fit_weights,
    moved_pixels,
    set_threshold,
)
from har_train.people.teachers import ROW
from tests.conftest import write_video

pytest.importorskip("sklearn")

NOBODY = np.zeros((0, ROW), np.float32)
LEFT, RIGHT = (0.0, 0.0, 0.4, 1.0), (0.6, 0.0, 1.0, 1.0)
HEAD = (0.1, 0.0, 0.3, 0.2)


def people(*found: tuple[float, tuple[float, ...]], joints: float = 0.5) -> FloatArray:
    rows = [[score, *box, *([0.5, 0.5, joints] * 17)] for score, box in found]
    return np.array(rows, np.float32).reshape(-1, ROW)


def test_the_teacher_tells_finds_apart() -> None:
    rows = people((0.9, LEFT), (0.8, RIGHT), (0.1, HEAD))
    assert finds_by_teacher(rows, people((0.9, RIGHT)), 1.0).right.tolist() == [False, True]
    # What it half sees is neither.
    assert finds_by_teacher(rows, people((0.25, LEFT)), 1.0).right.tolist() == [False]


def test_what_moves_is_somebody_whom_the_teacher_does_not_see() -> None:
    moved = np.zeros((10, 10), bool)
    moved[:, :4] = True
    rows = people((0.9, LEFT), (0.8, RIGHT), (0.7, HEAD))
    assert finds_by_motion(rows, NOBODY, moved, 1.0).right.tolist() == [True, False, True]
    # A part of somebody who is seen whole moves, too.
    seen = people((0.9, LEFT))
    assert finds_by_motion(rows, seen, moved, 1.0).right.tolist() == [True, False, False]
    moved[:, 8:] = True
    moved[:3, 8:] = moved[5:, 8:] = False  # a tenth of the right box moves: who knows
    assert finds_by_motion(rows[:2], NOBODY, moved, 1.0).right.tolist() == [True]


def test_what_differs_from_most_of_a_clip_moves() -> None:
    empty = np.full((8, 10, 3), 100, np.uint8)
    somebody = empty.copy()
    somebody[2:6, 3:5] = 200
    (mask,) = moved_pixels([somebody], [empty, somebody, empty, empty])
    np.testing.assert_array_equal(mask, somebody[..., 0] == 200)
    assert moved_pixels([255 - empty], [empty] * 4) == []  # the camera moves
    assert moved_pixels([empty], [empty] * 3) == []


def test_parts_without_anybody_lie_beside_all() -> None:
    picture = np.zeros((200, 400, 3), np.uint8)
    picture[:, :160] = 255
    parts = list(empty_parts(picture, people((0.2, LEFT)), np.random.default_rng(0)))
    assert len(parts) == 3
    for part in parts:
        assert min(part.shape[:2]) >= 40
        assert not part.any()
    everywhere = people((0.9, (0, 0, 1, 1)))
    assert not list(empty_parts(picture, everywhere, np.random.default_rng(0)))
    assert not list(empty_parts(picture[:40, :60], NOBODY, np.random.default_rng(0)))


def find_bright(picture: Pixels) -> FloatArray:
    """Takes both halves for people; the joints of a bright one are likelier."""
    halves = picture[:, : picture.shape[1] // 2], picture[:, picture.shape[1] // 2 :]
    rows = [
        people((0.6, box), joints=0.9 if half.mean() > 100 else 0.1)
        for half, box in zip(halves, (LEFT, RIGHT), strict=True)
    ]
    return np.concatenate(rows)


@pytest.fixture
def labelled(tmp_path: Path) -> list[Labelled]:
    """Stills with somebody bright on one side, and a clip in which somebody comes."""
    entries = []
    for number in range(6):
        pixels = np.zeros((120, 240, 3), np.uint8)
        box = (LEFT, RIGHT)[number % 2]
        pixels[:, int(box[0] * 240) : int(box[2] * 240)] = 255
        Image.fromarray(pixels).save(tmp_path / f"{number}.png")
        sample = Sample(tmp_path / f"{number}.png", "x", str(number))
        entries.append(Labelled(sample, (people((0.9, box)),)))
    frames = [np.zeros((48, 64, 3), np.uint8) for _ in range(40)]
    for frame in frames[30:]:
        frame[:, 44:] = 255
    write_video(tmp_path / "clip.mp4", frames, fps=10)
    clip = Sample(tmp_path / "clip.mp4", "x", "clip")
    return [*entries, Labelled(clip, (NOBODY, NOBODY, NOBODY))]


def test_it_learns_what_people_look_like(labelled: list[Labelled]) -> None:
    finds = collect(labelled, find_bright)
    # Of each still one of two, of parts of stills none, and of the clip whoever comes at its end.
    assert int(finds.right.sum()) == 7
    assert finds.empty.any()
    assert not finds.right[finds.empty].any()
    weights = set_threshold(fit_weights(finds), labelled[:6], find_bright)
    rows = people((0.9, LEFT), joints=0.1), people((0.3, LEFT), joints=0.9)
    again = rescore(np.concatenate(rows), 1.0, weights)
    assert again[0, 5 + 2] == np.float32(0.9)
    assert again[0, 0] >= 0.5 > again[1, 0]


def test_one_kind_of_finds_is_refused() -> None:
    right = finds_by_teacher(people((0.9, LEFT)), people((0.9, LEFT)), 1.0)
    with pytest.raises(DataError, match="there should be people and others"):
        fit_weights(Finds.join([right, right]))
    with pytest.raises(DataError, match="of the part 'train'"):
        collect([], find_bright)
