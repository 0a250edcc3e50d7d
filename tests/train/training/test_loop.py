"""The loop: an epoch can be had again, a checkpoint is whole, a kill costs one epoch at most."""

from __future__ import annotations

import errno
import itertools
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from har_edge.errors import DataError, OutputError
from har_train.config import FitConfig, save_config
from har_train.run_folder import checkpoint_folder
from har_train.training import loop
from har_train.training.checkpoint import History, LoopSettings
from har_train.training.loop import Outcome, join_outcomes, run_epochs
from tests.conftest import ROOT
from tests.support.killed import read_result

pytest.importorskip("tensorflow")
pytestmark = pytest.mark.train

# Of the 30 epochs of the training that is killed, those it gets through before the last kill.
KILL_EPOCHS = 20
X = np.random.default_rng(0).normal(size=(40, 5)).astype(np.float32)
Y = np.eye(2, dtype=np.float32)[(X[:, 0] + X[:, 1] > 0).astype(int)]


class KilledError(Exception):
    """Stands for the end of the process."""


def small_model(*, ema: bool = False) -> Any:
    import keras

    keras.utils.set_random_seed(1)
    layers = [
        keras.Input((5,)),
        keras.layers.Dropout(0.4),
        keras.layers.Dense(6),
        keras.layers.BatchNormalization(),
        keras.layers.Dropout(0.2),
        keras.layers.Dense(2, activation="softmax"),
    ]
    model = keras.Sequential(layers)
    options = {"use_ema": True, "ema_momentum": 0.8} if ema else {}
    model.compile(keras.optimizers.AdamW(0.01, **options), "categorical_crossentropy",
                  weighted_metrics=["accuracy"])  # fmt: skip
    return model


def dataset(epoch: int | None) -> Any:
    import keras

    order = np.arange(40) if epoch is None else np.random.default_rng((0, epoch)).permutation(40)

    class Batches(keras.utils.PyDataset):  # type: ignore[misc]
        def __len__(self) -> int:
            return 5

        def __getitem__(self, index: int) -> tuple[Any, ...]:
            part = order[index * 8 : index * 8 + 8]
            return X[part], Y[part], np.ones(8, np.float32)

    return Batches()


def train(
    model: Any, checkpoint: Path | None, *, killed_after: int = -1, **changes: Any
) -> History:
    def report(epoch: int, logs: Mapping[str, float]) -> None:
        if epoch == killed_after:
            raise KilledError

    settings = replace(LoopSettings(6, 9, 0, checkpoint, "data", report=report), **changes)
    return run_epochs(model, dataset, dataset(None), settings).history


@pytest.mark.parametrize("ema", [False, True])
@pytest.mark.parametrize("killed_after", [0, 3])
def test_resumed_training_ends_as_an_undisturbed_one(
    ema: bool, killed_after: int, tmp_path: Path
) -> None:
    undisturbed = small_model(ema=ema)
    expected = train(undisturbed, None)
    with pytest.raises(KilledError):
        train(small_model(ema=ema), tmp_path / "c.npz", killed_after=killed_after)
    model = small_model(ema=ema)
    assert train(model, tmp_path / "c.npz") == expected
    for one, two in zip(model.get_weights(), undisturbed.get_weights(), strict=True):
        assert np.array_equal(one, two)
    # And a finished one does nothing more.
    assert train(small_model(ema=ema), tmp_path / "c.npz") == expected


def test_average_is_what_is_validated_and_kept() -> None:
    plain, averaged = small_model(), small_model(ema=True)
    one, two = train(plain, None, epochs=1), train(averaged, None, epochs=1)
    assert one["loss"] == two["loss"]
    assert one["val_loss"] != two["val_loss"]
    found = loop._judge(averaged, dataset(None))
    assert found["val_loss"] == pytest.approx(two["val_loss"][0], abs=1e-6)


def test_best_weights_are_kept_and_patience_ends_it() -> None:
    model = small_model()
    model.optimizer.learning_rate = 3.0  # far too high: some epochs get worse
    history = train(model, None, epochs=30, patience=2)
    losses = history["val_loss"]
    assert len(losses) == int(np.argmin(losses)) + 1 + 2
    found = loop._judge(model, dataset(None))["val_loss"]
    assert found == pytest.approx(min(losses), rel=1e-5)


def test_last_weights_are_kept_if_so_asked(tmp_path: Path) -> None:
    model, best = small_model(), small_model()
    for one in (model, best):
        one.optimizer.learning_rate = 3.0  # far too high: some epochs get worse
    train(best, None, epochs=12)
    history = train(model, tmp_path / "c.npz", epochs=12, patience=1, keep="last")
    losses = history["val_loss"]
    assert len(losses) == 12  # whatever the patience
    assert int(np.argmin(losses)) < 11
    assert loop._judge(model, dataset(None))["val_loss"] == pytest.approx(losses[-1], rel=1e-5)
    assert loop._judge(best, dataset(None))["val_loss"] == pytest.approx(min(losses), rel=1e-5)
    again = small_model()
    assert train(again, tmp_path / "c.npz", epochs=12, keep="last") == history
    for array, expected in zip(again.get_weights(), model.get_weights(), strict=True):
        assert np.array_equal(array, expected)


def test_weights_stay_if_no_epoch_is_better() -> None:
    model = small_model()
    train(model, None, epochs=60, patience=60)
    before = model.get_weights()
    model.optimizer.learning_rate = 5.0  # spoils them
    outcome = run_epochs(model, dataset, dataset(None), LoopSettings(3, 9, 0), trained=True)
    assert outcome.kept is None
    assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))


def test_kept_epoch_is_counted_over_all_trainings() -> None:
    """The losses of two trainings are no measure: they may be of other windows."""
    first, second = ({"val_loss": losses} for losses in ([0.5, 0.4, 0.45], [0.1, 0.2]))
    history, best_epoch = join_outcomes([Outcome(first, 1), Outcome(second, None)])
    assert (history, best_epoch) == ({"val_loss": [0.5, 0.4, 0.45, 0.1, 0.2]}, 2)
    assert join_outcomes([Outcome(first, 1), Outcome(second, 1)])[1] == 5
    assert join_outcomes([Outcome(first, None)])[1] == 0


def test_epochs_are_judged_whatever_their_confidence() -> None:
    """Of two models with the same order of answers, the unsure one is as good."""
    model = small_model()
    train(model, None)
    sure = loop._judge(model, dataset(None))
    kernel, bias = model.layers[-1].get_weights()
    model.layers[-1].set_weights([kernel / 3, bias / 3])
    unsure = loop._judge(model, dataset(None))
    assert unsure["val_loss"] == pytest.approx(sure["val_loss"], rel=1e-3)
    assert unsure["val_accuracy"] == sure["val_accuracy"]
    assert sure["val_accuracy"] < 1  # else the loss is 0 at both


def test_checkpoint_of_other_data_is_refused(tmp_path: Path) -> None:
    train(small_model(), tmp_path / "c.npz", epochs=1)
    with pytest.raises(DataError, match=r"match the data and settings.*They differ"):
        train(small_model(), tmp_path / "c.npz", fingerprint="other")


@pytest.mark.parametrize("kept_bytes", [0, 100, -30])
def test_damaged_checkpoint_is_named(kept_bytes: int, tmp_path: Path) -> None:
    path = tmp_path / "c.npz"
    train(small_model(), path, epochs=1)
    path.write_bytes(path.read_bytes()[:kept_bytes])
    with pytest.raises(DataError, match=r"c\.npz cannot be read.*Remove it"):
        train(small_model(), path)


def test_full_disk_keeps_the_last_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "c.npz"
    train(small_model(), path, epochs=1)
    before = path.read_bytes()

    def savez(file: Any, **arrays: Any) -> None:
        file.write(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(loop.np, "savez", savez)
    with pytest.raises(OutputError, match=r"No space left on device.*--resume"):
        train(small_model(), path)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["c.npz"]


def run_killed(folder: Path, cache: Path, kills: int, seed: int) -> int:
    """Start a training again and again, kill -9 it at random moments, let the last one end.

    Each process gets through a random number of epochs, and then for a random time on: through a
    part of the next one, or of writing its checkpoint.

    Returns:
        How many processes were really killed before they ended.
    """
    random = np.random.default_rng(seed)
    script = ROOT / "tests" / "support" / "killed.py"
    killed = 0
    for attempt in range(kills + 1):
        process = subprocess.Popen(
            [sys.executable, script, folder, cache],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        lines = iter(process.stdout.readline, "")
        if attempt < kills:
            next(lines)  # the table: its data are read, nothing is encoded or trained
            epochs = (line for line in lines if line.startswith("epoch"))
            for _ in itertools.islice(epochs, int(random.integers(0, KILL_EPOCHS // kills + 1))):
                pass
            time.sleep(random.uniform(0.0, 0.3))
            killed += process.poll() is None
            process.send_signal(signal.SIGKILL)
        process.communicate(timeout=240)
    assert process.returncode == 0
    return killed


def check_kills(config: FitConfig, cache: Path, tmp_path: Path, kills: int, seed: int) -> None:
    config = config.with_(
        alpha=0.35, weights="none", epochs=10, patience=10, views=1, fine_tune_blocks=1,
        fine_tune_epochs=10, ema=0.9, name="killed",
    )  # fmt: skip
    for name in ("disturbed", "undisturbed"):
        checkpoints = checkpoint_folder(tmp_path / name)
        checkpoints.mkdir(parents=True)
        save_config(config, checkpoints / "config.toml")
    assert run_killed(tmp_path / "undisturbed", cache, 0, seed) == 0
    assert run_killed(tmp_path / "disturbed", cache, kills, seed) == kills
    found, expected = (read_result(tmp_path / n) for n in ("disturbed", "undisturbed"))
    assert found.keys() == expected.keys()
    for key, values in expected.items():
        assert np.allclose(found[key], values, atol=1e-6, rtol=0), key
    assert not list(tmp_path.glob("*.partial"))


@pytest.mark.slow
def test_two_kills_change_nothing(config: FitConfig, cache: Path, tmp_path: Path) -> None:
    check_kills(config, cache, tmp_path, kills=2, seed=0)


@pytest.mark.slow
def test_ten_kills_change_nothing(config: FitConfig, cache: Path, tmp_path: Path) -> None:
    check_kills(config, cache, tmp_path, kills=10, seed=1)
