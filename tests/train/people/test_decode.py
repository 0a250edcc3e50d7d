"""The decoder against plain NumPy."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from har_edge.arrays import FloatArray
from har_train.model.network import import_keras
from har_train.people.decode import MAX_PEOPLE, decode_people, join_decoder
from har_train.people.network import HEADS, build_network
from tests.support.people_maps import decode_maps

pytest.importorskip("tensorflow")
pytestmark = pytest.mark.train

ROWS, COLUMNS = 16, 24


def random_maps(seed: int) -> list[FloatArray]:
    random = np.random.default_rng(seed)
    scales = {"center": 4.0, "size": 6.0, "middle": 1.0, "regress": 5.0, "heat": 3.0, "offset": 1.0}
    shapes = {name: (1, ROWS, COLUMNS, n) for name, n in HEADS.items()}
    maps = [random.normal(0, scales[n], s).astype(np.float32) for n, s in shapes.items()]
    maps[1] = np.abs(maps[1])
    # Eight bits have few values: whole neighbourhoods are equal.
    maps[0] = np.round(maps[0])
    return maps


def decode(maps: list[FloatArray]) -> FloatArray:
    """Run the decoder of the network on given maps."""
    keras = import_keras()
    inputs = [keras.Input(m.shape[1:], batch_size=1) for m in maps]
    model = keras.Model(inputs, decode_people(keras, inputs))
    return np.asarray(model.predict_on_batch(maps))


@pytest.mark.parametrize("seed", range(6))
def test_it_gives_what_plain_loops_give(seed: int) -> None:
    maps = random_maps(seed)
    np.testing.assert_allclose(decode(maps)[0], decode_maps(maps), atol=2e-5)


def test_one_person_is_found_where_the_maps_say() -> None:
    maps = [np.zeros((1, ROWS, COLUMNS, n), np.float32) for n in HEADS.values()]
    center, size, middle, regress, heat, offset = maps
    center -= 9
    heat -= 9
    center[0, 5, 10] = 3
    size[0, 5, 10] = (4, 6)
    middle[0, 5, 10] = (0.5, 0.25)
    regress[0, 5, 10, 0:2] = (-1.4, 2.2)  # the nose, about (3.6, 12.2)
    heat[0, 3, 13, 0] = 2
    offset[0, 3, 13, 0:2] = (0.5, -0.25)
    first, *others = decode(maps)[0]
    assert first[0] == pytest.approx(1 / (1 + np.exp(-3)))
    expected = (7.25 / 24, 3.5 / 16, 13.25 / 24, 7.5 / 16)
    np.testing.assert_allclose(first[1:5], expected, rtol=1e-5)
    nose = (12.75 / 24, 3.5 / 16, 1 / (1 + np.exp(-2)))
    np.testing.assert_allclose(first[5:8], nose, rtol=1e-5)
    assert max(row[0] for row in others) < 0.001


def test_the_whole_network_is_saved_and_loaded(tmp_path: Path) -> None:
    keras = import_keras()
    model = join_decoder(build_network(64, 96, 0.35))
    model.save(tmp_path / "locate.keras")
    again = keras.models.load_model(tmp_path / "locate.keras", compile=False)
    frame = np.random.default_rng(0).integers(0, 256, (1, 64, 96, 3)).astype(np.float32)
    people = model.predict_on_batch(frame)
    assert people.shape == (1, MAX_PEOPLE, 56)
    assert (people >= 0).all()
    assert (people <= 1).all()
    np.testing.assert_array_equal(again.predict_on_batch(frame), people)
