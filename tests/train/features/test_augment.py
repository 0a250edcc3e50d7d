"""Augmented views: one draw for all frames of a clip, and the same draw again tomorrow."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from har_edge.errors import DataError
from har_edge.frames.preprocess import resize_frame
from har_edge.model.spec import ClipSpec
from har_train.features.augment import (
    Augmentation,
    Augmenter,
    augment_colour,
    path_draws,
    random_box,
)

pytest.importorskip("tensorflow")
pytestmark = pytest.mark.train

ALL = Augmentation(strength=1.0, flip=True, erase=1.0, seed=3)


def picture(seed: int = 0) -> NDArray[np.uint8]:
    random = np.random.default_rng(seed)
    coarse = random.integers(0, 256, (6, 8, 3), dtype=np.uint8)
    return coarse.repeat(6, axis=0).repeat(6, axis=1)  # (36, 48, 3)


@pytest.mark.parametrize("view", [1, 2, 3, 4])
def test_every_frame_of_a_clip_gets_the_same_draw(view: int) -> None:
    still = np.stack([picture()] * 5)
    frames = Augmenter(ALL)(still, "key", view)
    assert frames.shape == still.shape
    assert frames.dtype == np.uint8
    assert (frames == frames[0]).all()
    assert np.abs(frames[0].astype(int) - still[0]).mean() > 2


def test_order_of_frames_and_channels_is_kept() -> None:
    """Frames of one colour each stay in their places, and stay of one colour."""
    colours = np.array([[200, 40, 40], [40, 200, 40], [40, 40, 200], [120, 90, 60]], np.uint8)
    clip = np.broadcast_to(colours[:, None, None], (4, 36, 48, 3)).copy()
    frames = Augmenter(replace(ALL, erase=0.0))(clip, "key", 1)
    assert frames.reshape(4, -1, 3).std(axis=1).max() < 1
    assert (frames[:3, 0, 0].argmax(axis=1) == [0, 1, 2]).all()
    assert frames[3, 0, 0, 0] > frames[3, 0, 0, 1] > frames[3, 0, 0, 2]


def test_draw_depends_on_settings_key_and_view_alone() -> None:
    clip = np.stack([picture(0), picture(1)])
    augmenter = Augmenter(ALL)
    first = augmenter(clip, "a", 1)
    others = [augmenter(clip, "a", 2), augmenter(clip, "b", 1)]
    others.append(Augmenter(replace(ALL, seed=4))(clip, "a", 1))
    assert all(not np.array_equal(first, other) for other in others)
    assert np.array_equal(augmenter(clip, "a", 1), first)
    assert np.array_equal(Augmenter(ALL)(clip, "a", 1), first)


def test_flip_alone_is_a_plain_mirror() -> None:
    augmenter = Augmenter(Augmentation(strength=0, flip=True))
    clip = np.stack([picture(0), picture(1)])
    views = [augmenter(clip, "key", view) for view in range(1, 9)]
    mirrored = [np.array_equal(v, clip[:, :, ::-1]) for v in views]
    assert all(m or np.array_equal(v, clip) for m, v in zip(mirrored, views, strict=True))
    assert 0 < sum(mirrored) < 8


def test_nothing_to_do_changes_nothing() -> None:
    clip = np.stack([picture()])
    assert np.array_equal(Augmenter(Augmentation(strength=0, flip=False))(clip, "k", 1), clip)


def test_erasing_covers_the_same_place_of_all_frames() -> None:
    black = np.zeros((3, 36, 48, 3), np.uint8)
    frames = Augmenter(Augmentation(strength=0, flip=False, erase=1.0))(black, "key", 1)
    erased = frames == 128
    assert 0 < erased.mean() < 0.3
    assert (erased == erased[0]).all()


def test_keras_without_a_layer_is_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    import keras

    monkeypatch.delattr(keras.layers, "RandomErasing")
    with pytest.raises(DataError, match=r"RandomErasing.*Received Keras.*pip install"):
        Augmenter(ALL)


def test_crop_paths_differ_by_sample_and_view() -> None:
    draws = [path_draws(*a).random() for a in ((0, "a", 0), (0, "a", 1), (0, "b", 0), (1, "a", 0))]
    assert len(set(draws)) == 4
    assert path_draws(0, "a", 0).random() == draws[0]


SMALL = ClipSpec(1, 8.0, 24, 24)


def test_box_is_the_same_part_of_every_frame() -> None:
    clip = np.stack([picture(0), picture(1), picture(0)])
    for view in range(8):
        frames = random_box(clip, SMALL, ALL, "key", view)
        assert frames.shape == (3, 24, 24, 3)
        assert np.array_equal(frames[0], frames[2])
        assert not np.array_equal(frames[0], frames[1])
        assert np.array_equal(frames, random_box(clip, SMALL, ALL, "key", view))


def test_box_without_strength_is_the_frame_as_the_edge_sees_it() -> None:
    clip = np.stack([picture(0)])
    still = replace(ALL, strength=0.0, flip=False)
    expected = resize_frame(clip[0], SMALL)
    assert np.array_equal(random_box(clip, SMALL, still, "key", 1)[0], expected)
    mirrored = {
        random_box(clip, SMALL, replace(still, flip=True), "key", v).tobytes() for v in range(12)
    }
    assert mirrored == {expected.tobytes(), resize_frame(clip[0][:, ::-1].copy(), SMALL).tobytes()}


def test_boxes_keep_a_third_of_the_picture_and_reach_its_edges() -> None:
    """A picture whose pixels say where they are: corners of the boxes can be read off."""
    rows, columns = np.mgrid[0:250, 0:250].astype(np.uint8)
    clip = np.stack([np.dstack([rows, columns, rows])])
    plain = replace(ALL, flip=False)
    boxes = [random_box(clip, SMALL, plain, "key", v)[0].astype(int) for v in range(200)]
    top, left = (np.array([b[0, 0, i] for b in boxes]) for i in (0, 1))
    height, width = (np.array([b[-1, -1, i] for b in boxes]) - s for i, s in ((0, top), (1, left)))
    shares = (height + 10) * (width + 10) / 250**2
    assert 0.3 < shares.min() < 0.45
    assert shares.max() > 0.9
    assert min(top.min(), left.min()) < 10
    assert max((top + height).max(), (left + width).max()) > 235


@pytest.mark.parametrize("erase", [0.0, 0.9])
def test_colour_layers_draw_once_a_clip_and_only_in_training(erase: float) -> None:
    keras = pytest.importorskip("keras")
    keras.utils.set_random_seed(0)
    clips = keras.Input((3, 36, 48, 3))
    network = keras.Model(clips, augment_colour(clips, replace(ALL, erase=erase)))
    batch = np.stack([np.stack([picture(0)] * 3)] * 4).astype(np.float32)
    assert np.array_equal(network(batch, training=False), batch)
    drawn = np.asarray(network(batch, training=True))
    assert np.abs(drawn - drawn[:, :1]).max() < 1e-3
    assert np.abs(drawn - batch).mean(axis=(1, 2, 3, 4)).min() > 1
    assert len({clip.tobytes() for clip in drawn}) == 4
