"""Which cells are learnt from, and what they should say."""

from __future__ import annotations

import numpy as np

from har_train.people.cells import HARD, RANDOM, Cells, choose_cells
from har_train.people.targets import NEAR
from har_train.people.teachers import ROW


def test_cells_of_one_view() -> None:
    rows, columns = 32, 48
    pyramid = np.arange(rows * columns, dtype=np.float32).reshape(rows, columns, 1)
    people = np.zeros((2, ROW), np.float32)
    people[0, :5] = 0.9, 0.25, 0.25, 0.5, 0.75  # cells 12 to 24 and 8 to 24
    people[0, 5:8] = 0.3, 0.4, 0.9
    people[1, :5] = 0.3, 0.7, 0.1, 1, 0.9  # not sure: neither taught nor called empty
    center = np.random.default_rng(0).normal(0, 1, (rows, columns)).astype(np.float32)
    cells = choose_cells(pyramid, center, people, np.random.default_rng(0))
    near = cells.bump >= NEAR
    assert near.any()
    assert (~near).sum() == HARD + RANDOM
    at = cells.patches[:, 1, 1, 0].astype(int)
    y, x = at // columns, at % columns
    assert (y[cells.bump == 1], x[cells.bump == 1]) == (16, 18)
    np.testing.assert_allclose(cells.box[near] + np.stack([x, y, x, y], 1)[near],
                               np.tile([12, 8, 24, 24], (near.sum(), 1)), atol=1e-4)  # fmt: skip
    nose = cells.keypoints[near, 0]
    np.testing.assert_allclose(nose[:, 0] + y[near], 0.4 * rows, atol=1e-4)
    np.testing.assert_allclose(nose[:, 1] + x[near], 0.3 * columns, atol=1e-4)
    assert not cells.keypoints[near, 1:, 2].any()  # of no score, so not learnt
    inner = (y > 9) & (y < 22) & (x > 38) & (x < 44)
    assert not inner.any()
    closed = int(np.round(cells.weight[~near].sum()))
    assert closed < rows * columns - near.sum()


def test_views_without_people_teach_emptiness() -> None:
    center = np.zeros((8, 8), np.float32)
    cells = choose_cells(
        np.zeros((8, 8, 2), np.float32), center, np.zeros((0, ROW), np.float32),
        np.random.default_rng(0),
    )  # fmt: skip
    assert len(cells) == 64
    assert not cells.bump.any()
    assert cells.weight.sum() == 64
    assert len(Cells.join([cells, cells])) == 128
