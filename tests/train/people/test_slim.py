"""The narrower top, and the heads that learn from cells."""

from __future__ import annotations

import numpy as np
import pytest

from har_train.people.cells import Cells
from har_train.people.heads import TRAINED, build_heads, train_heads
from har_train.people.network import TAPS, Top, build_above, build_network
from har_train.people.slim import copy_weights, fit_slim_top

keras = pytest.importorskip("keras")
pytestmark = pytest.mark.train

SIDE, ALPHA = 64, 0.35


def test_a_top_as_wide_as_the_published_one_gives_the_same() -> None:
    published = build_network(SIDE, SIDE, ALPHA, Top(0, 24))
    hidden = published.get_layer("block_16_expand").get_weights()[0].shape[-1]
    slim = build_network(SIDE, SIDE, ALPHA, Top(hidden, 24))
    copy_weights(published, slim)
    taps = keras.Model(
        published.input,
        [published.get_layer(n).output for n in (TAPS[-1], "lateral_top")],
    )
    pixels = np.random.default_rng(0).normal(0, 1, (60, SIDE, SIDE, 3)).astype(np.float32)
    coarse, target = (np.asarray(x) for x in taps.predict_on_batch(pixels))
    assert fit_slim_top(published, slim, coarse, target) > 0.9
    narrow = build_network(SIDE, SIDE, ALPHA, Top(16, 4))
    copy_weights(published, narrow)
    assert 0.05 < fit_slim_top(published, narrow, coarse, target) < 0.95


def test_what_stands_above_the_backbone_is_the_same_by_itself() -> None:
    top = Top(24, 8)
    network, above = build_network(SIDE, SIDE, ALPHA, top), build_above(SIDE, SIDE, ALPHA, top)
    copy_weights(network, above)
    taps = keras.Model(network.input, [network.get_layer(n).output for n in TAPS])
    pixels = np.random.default_rng(0).normal(0, 1, (2, SIDE, SIDE, 3)).astype(np.float32)
    found = above.predict_on_batch([np.asarray(t) for t in taps.predict_on_batch(pixels)])
    for ours, whole in zip(found, network.predict_on_batch(pixels), strict=True):
        np.testing.assert_allclose(ours, whole, atol=1e-5)


def test_heads_learn_where_people_are() -> None:
    """A bright cell is a middle."""
    keras.utils.set_random_seed(0)
    network = build_network(SIDE, SIDE, ALPHA, Top(24, 8))
    random = np.random.default_rng(0)
    count = 2048
    patches = random.uniform(0, 0.2, (count, 3, 3, 24)).astype(np.float16)
    bump = (np.arange(count) % 2).astype(np.float32)
    patches[bump == 1, 1, 1, 0] = 1
    wide = random.uniform(2, 8, count).astype(np.float32)
    patches[:, 1, 1, 1] = wide / 8
    box = np.stack([-wide / 2, -wide, wide / 2, wide], axis=1) * bump[:, None]
    keypoints = np.zeros((count, 17, 3), np.float32)
    cells = Cells(patches, bump, np.ones(count, np.float32), box.astype(np.float32), keypoints)
    losses = train_heads(network, cells, 40, learning_rate=0.01)
    assert losses[-1] < 0.9 * losses[0]
    heads = build_heads(24)
    copy_weights(network, heads)
    center, *_ = heads.predict_on_batch(patches.astype(np.float32))
    likely = np.asarray(center)[:, 0, 0, 0] > 0
    assert (likely == (bump == 1)).mean() > 0.95
    assert len(TRAINED) == 4
