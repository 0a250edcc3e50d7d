"""Fine-tuning of the whole network, at toy size on drawn figures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from har_edge.datasets import Sample
from har_edge.errors import DataError
from har_edge.run_folder import MODEL_NAME
from har_train.model.types import KerasModel
from har_train.people import fine_tune as module
from har_train.people.decode import decode_people, join_decoder
from har_train.people.draws import Batch, draw_view
from har_train.people.fine_tune import FineTuning, fine_tune
from har_train.people.labels import Labelled
from har_train.people.network import STRIDE, Top, build_network
from har_train.people.targets import NEAR, draw_heat, draw_targets
from har_train.people.teachers import ROW
from har_train.people.train import load_maps

keras = pytest.importorskip("keras")
pytestmark = pytest.mark.train

SIDE = 64
SHORT = FineTuning(4, batch=2, save_seconds=0)


@pytest.fixture(scope="module")
def figures(tmp_path_factory: pytest.TempPathFactory) -> list[Labelled]:
    """Pictures of one white figure on grey each, with its box and its nose."""
    made, folder = [], tmp_path_factory.mktemp("figures")
    for number, left in enumerate((8, 20, 32, 44)):
        pixels = np.full((SIDE, SIDE, 3), 70, np.uint8)
        pixels[14:54, left : left + 14] = 230
        path = folder / f"{number}.png"
        Image.fromarray(pixels).save(path)
        row = np.zeros((1, ROW), np.float32)
        row[0, :8] = 0.9, left / 64, 14 / 64, (left + 14) / 64, 54 / 64, (left + 7) / 64, 0.3, 0.9
        made.append(Labelled(Sample(path, "x", "1", split="train"), (row,)))
    return made


def _network() -> KerasModel:
    keras.utils.set_random_seed(3)
    return build_network(SIDE, SIDE, 0.35, Top(24, 16))


@pytest.fixture(scope="module")
def tuned(
    figures: list[Labelled], tmp_path_factory: pytest.TempPathFactory
) -> tuple[KerasModel, Path]:
    """A network after eight steps, and their state."""
    network, state = _network(), tmp_path_factory.mktemp("tuned") / "state.npz"
    fine_tune(network, figures, SHORT, state)
    return network, state


@pytest.mark.slow
def test_a_killed_training_goes_on_to_the_same_weights(
    figures: list[Labelled], tuned: tuple[KerasModel, Path], tmp_path: Path
) -> None:
    class KilledError(Exception):
        """As if the process ended here."""

    def end(done: int) -> None:
        seen.append(done)
        if len(seen) == 4:  # 0 of a state, then three steps, of which two are saved
            raise KilledError

    seen: list[int] = []
    state = tmp_path / "state.npz"
    with pytest.raises(KilledError):
        fine_tune(_network(), figures, SHORT, state, tick=end)
    resumed, ticks = _network(), list[int]()
    fine_tune(resumed, figures, SHORT, state, tick=ticks.append)
    assert ticks[0] == 2
    assert sum(ticks) == 8
    for ours, theirs in zip(resumed.variables, tuned[0].variables, strict=True):
        np.testing.assert_allclose(np.asarray(ours), np.asarray(theirs), atol=1e-5)


def test_frozen_blocks_and_statistics_stay(tuned: tuple[KerasModel, Path]) -> None:
    network = tuned[0]
    before = {x.name: w for x in _network().layers if (w := x.get_weights())}
    moved = {
        x.name
        for x in network.layers
        if any((a != b).any() for a, b in zip(x.get_weights(), before.get(x.name, ()), strict=True))
    }
    assert {"block_6_expand", "lateral_2", "center_out", "heat_out", "block_15_project"} <= moved
    still = ("Conv1", "bn_Conv1", "expanded_conv", *(f"block_{i}_" for i in range(1, 6)))
    assert not [name for name in moved if name.startswith(still)]
    for layer in network.layers:
        if type(layer).__name__ == "BatchNormalization":
            for now, then in zip(layer.get_weights()[2:], before[layer.name][2:], strict=True):
                np.testing.assert_array_equal(now, then)


def test_a_state_of_other_settings_is_refused(
    figures: list[Labelled], tuned: tuple[KerasModel, Path], tmp_path: Path
) -> None:
    with pytest.raises(DataError, match="other settings"):
        fine_tune(_network(), figures, FineTuning(1, batch=2), tuned[1])
    broken = tmp_path / "state.npz"
    broken.write_bytes(b"no state")
    with pytest.raises(DataError, match="Give another --work folder"):
        fine_tune(_network(), figures, SHORT, broken)
    with pytest.raises(DataError, match="one of"):
        FineTuning(1, frozen=4)


def test_maps_as_they_should_be_lose_little_and_decode(figures: list[Labelled]) -> None:
    """What is taught is what the decoder reads."""
    import tensorflow as tf

    cells, people = SIDE // STRIDE, figures[1].people[0]
    targets, heat = draw_targets(people, cells, cells), draw_heat(people, cells, cells)
    box = targets.box
    logit = np.where(targets.bump == 1, 8, -8)[..., np.newaxis]
    maps = [
        logit,
        box[..., [3, 2]] - box[..., [1, 0]],
        (box[..., [3, 2]] + box[..., [1, 0]]) / 2,
        targets.keypoints[..., :2].reshape(cells, cells, -1),
        np.where(heat.bump == 1, 8, -8),
        heat.offset.reshape(cells, cells, -1),
    ]
    batch = Batch(np.zeros((1, SIDE, SIDE, 3), np.uint8), [targets], [heat])
    given = [tf.constant(m[np.newaxis].astype(np.float32)) for m in maps]
    constants = module._constants(tf, batch)
    assert float(np.asarray(module._loss(tf, given, *constants))) < 0.01
    for number in (0, 1, 2, 4, 5):  # each map counts; of keypoints only those that are seen
        wrong = [m + 9.0 if i == number else m for i, m in enumerate(given)]
        assert float(np.asarray(module._loss(tf, wrong, *constants))) > 0.01, number
    inputs = [keras.Input(m.shape, batch_size=1) for m in maps]
    decoder = keras.Model(inputs, decode_people(keras, inputs))
    found = np.asarray(decoder.predict_on_batch(given))[0, 0]
    np.testing.assert_allclose(found[1:8], [*people[0, 1:7], found[7]], atol=1e-4)
    assert found[0] > 0.9
    assert found[7] > 0.9


def test_every_file_is_shown_in_each_pass() -> None:
    shown = [module._file_of(place, 5, seed=1) for place in range(10)]
    assert sorted(shown[:5]) == sorted(shown[5:]) == list(range(5))
    assert shown[:5] != shown[5:]


def test_boxes_of_views_lie_on_the_figures(figures: list[Labelled]) -> None:
    """In single views and in collages, the bright pixels fill the boxes."""
    random, counts = np.random.default_rng(2), set()
    for number in range(40):
        frame, people = draw_view(figures, number % 4, random, SIDE)
        counts.add(len(people))
        bright = frame.astype(float).mean(axis=2)
        for left, top, right, bottom in people[:, 1:5] * SIDE:
            if min(right - left, bottom - top) < 4:
                continue
            middle = bright[int((top + bottom) / 2), int((left + right) / 2)]
            assert middle > bright.mean()
    assert max(counts) == 4


def test_heat_of_keypoints() -> None:
    people = np.zeros((2, ROW), np.float32)
    people[0, :5] = 0.9, 0.25, 0.25, 0.5, 0.75
    people[0, 5:8] = 0.3, 0.41, 0.9  # the nose: column 4.8, row 6.56 of 16
    people[1, :5] = 0.3, 0.7, 0.1, 1, 0.9  # may be somebody
    heat = draw_heat(people, 16, 16)
    assert np.unravel_index(heat.bump[..., 0].argmax(), (16, 16)) == (6, 4)
    np.testing.assert_allclose(heat.offset[6, 4, 0], [0.56, 0.8], atol=1e-5)
    assert not heat.bump[..., 1:].any()
    assert heat.weight[6, 4, 0] == 1
    assert heat.weight[6, 5, 1] == 0  # the teacher does not see this one: it may be there
    assert heat.weight[8, 13, 0] == 0
    assert not heat.offset[heat.bump < NEAR].any()


def test_the_network_of_a_run_folder_is_a_start(tmp_path: Path) -> None:
    network = _network()
    join_decoder(network).save(tmp_path / MODEL_NAME)
    for ours, theirs in zip(
        load_maps(str(tmp_path), SIDE).variables, network.variables, strict=True
    ):
        np.testing.assert_array_equal(np.asarray(ours), np.asarray(theirs))
    with pytest.raises(DataError, match="Give --side 64"):
        load_maps(str(tmp_path), 96)
    with pytest.raises(DataError, match="Give a run folder"):
        load_maps(str(tmp_path / "nowhere"), SIDE)
