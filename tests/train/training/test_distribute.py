"""Devices and machines that train together give what one gives."""

from __future__ import annotations

import csv
import json
import os
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from har_edge.errors import BackendError, DataError
from har_train.config import FitConfig, save_config
from har_train.training import distribute
from har_train.training.distribute import cut_share, open_strategy

pytest.importorskip("tensorflow")
pytestmark = pytest.mark.train

# Two logical devices stand for two GPUs: set before TensorFlow starts, so in a process of its own.
TWO_DEVICES = """
import sys, tensorflow as tf
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
from har_train.commands.main import main
main()
"""


def start(
    arguments: Sequence[str | Path],
    code: str = "from har_train.commands.main import main; main()",
    **environment: str,
) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", code, "fit", *arguments],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def finish(process: subprocess.Popen[str]) -> str:
    try:
        output, _ = process.communicate(timeout=300)
    finally:
        process.kill()
    assert process.returncode == 0, output
    return output


def read_history(run: Path) -> dict[str, list[float]]:
    with (run / "history.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return {key: [float(row[key]) for row in rows] for key in rows[0]}


def read_files(run: Path) -> dict[str, bytes]:
    return {name: (run / name).read_bytes() for name in ("split.csv", "config.toml")}


def free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports


@pytest.fixture(scope="module")
def settings(config: FitConfig, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Settings without dropout, whose draws would differ; batches are cut unevenly.

    Small steps: the gradient of a bias before batch norm is nothing but rounding, and AdamW makes
    whole steps of it.
    """
    path = tmp_path_factory.mktemp("settings") / "config.toml"
    changed = config.with_(
        name="same", feature_dropout=0.0, dropout=0.0,
        batch_size=5, learning_rate=5e-4, fine_tune_blocks=1, fine_tune_epochs=2, ema=0.9,
        balance="weights",
    )  # fmt: skip
    save_config(changed, path)
    return path


@pytest.fixture(scope="module")
def alone(settings: Path, cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run folder of one process."""
    run = tmp_path_factory.mktemp("alone") / "run"
    finish(start(["--config", settings, "--cache", cache, "--out", run]))
    return run


def check_same(run: Path, alone: Path) -> None:
    found, expected = read_history(run), read_history(alone)
    assert found.keys() == expected.keys()
    assert len(found["loss"]) == len(expected["loss"]) > 3
    for key in ("loss", "val_loss"):
        assert np.allclose(found[key], expected[key], rtol=0.01), key
    assert read_files(run) == read_files(alone)


@pytest.mark.slow
def test_two_devices_give_what_one_gives(
    alone: Path, settings: Path, cache: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    arguments = ["--config", settings, "--cache", cache, "--out", run, "--strategy", "mirrored"]
    finish(start(arguments, TWO_DEVICES))
    check_same(run, alone)


@pytest.mark.slow
def test_two_workers_give_what_one_gives(
    alone: Path, settings: Path, cache: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    workers = [f"127.0.0.1:{port}" for port in free_ports(2)]
    arguments = ["--config", settings, "--cache", cache, "--out", run, "--strategy", "multiworker"]
    chief, other = (
        start(
            arguments,
            TF_CONFIG=json.dumps(
                {"cluster": {"worker": workers}, "task": {"type": "worker", "index": i}}
            ),
        )
        for i in range(2)
    )
    try:
        output = finish(chief)
    finally:
        quiet = finish(other)
    check_same(run, alone)
    assert f"Wrote {run}" in output
    assert "epoch " not in quiet
    assert "Done: the chief writes the run." in quiet
    assert [p.name for p in tmp_path.iterdir()] == ["run"]


@pytest.mark.parametrize("size", [1, 2, 5, 8])
@pytest.mark.parametrize("replicas", [1, 2, 3])
def test_shares_make_up_the_batch(size: int, replicas: int) -> None:
    random = np.random.default_rng(size)
    batch = (random.normal(size=(size, 2)), random.normal(size=(size, 3)), random.random(size))
    shares = [cut_share(batch, i, replicas) for i in range(replicas)]
    assert all(len(share[0]) > 0 for share in shares)
    assert {float(share[3]) for share in shares} == {size}
    for i in (0, 1):
        found = sum(share[2] @ share[i] for share in shares)
        assert np.allclose(found, batch[2] @ batch[i])


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "{}",
        '{"cluster": {"worker": ["a:1"]}}',
        '{"cluster": {"worker": ["a:1"]}, "task": {"type": "worker", "index": 1}}',
        '{"cluster": {"worker": ["a:1"]}, "task": {"type": "worker", "index": -1}}',
        '{"cluster": {"worker": ["a"]}, "task": {"type": "worker", "index": 0}}',
        '{"cluster": {"worker": ["a:1"]}, "task": {"type": "ps", "index": 0}}',
        '{"cluster": {"worker": [1]}, "task": {"type": "worker", "index": 0}}',
    ],
)
def test_tf_config_that_does_not_fit(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TF_CONFIG", text)
    with pytest.raises(DataError, match="multiworker needs TF_CONFIG, such as"):
        open_strategy("multiworker")


@pytest.mark.parametrize(
    ("cluster", "task", "expected"),
    [
        ({"worker": ["a:1", "b:1"]}, {"type": "worker", "index": 0}, (True, 2)),
        ({"worker": ["a:1", "b:1"]}, {"type": "worker", "index": 1}, (False, 2)),
        ({"chief": ["c:1"], "worker": ["a:1"]}, {"type": "worker", "index": 0}, (False, 2)),
        ({"chief": ["c:1"], "worker": ["a:1"]}, {"type": "chief", "index": 0}, (True, 2)),
    ],
)
def test_one_worker_is_the_chief(
    cluster: dict[str, list[str]],
    task: dict[str, object],
    expected: tuple[bool, int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TF_CONFIG", json.dumps({"cluster": cluster, "task": task}))
    assert distribute._read_tf_config() == expected


def test_mirrored_takes_no_other_machines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TF_CONFIG", "{}")
    with pytest.raises(DataError, match=r"this machine alone\. Received TF_CONFIG"):
        open_strategy("mirrored")


def test_other_backend_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    import keras

    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    with pytest.raises(BackendError, match="Received the backend jax"):
        open_strategy("mirrored")
