"""Encoding in many processes gives what one process gives, and outlives their deaths."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import MethodType
from typing import Any

import numpy as np
import pytest

from har_edge.errors import BackendError, DataError, MissingExtraError
from har_edge.model.spec import ClipSpec
from har_train.config import FitConfig
from har_train.dataset.samples import load_dataset
from har_train.features.cache import EncodedSample, Rendering, View, cache_dataset, encode_dataset
from har_train.features.ray import open_ray
from har_train.features.workers import Workers, open_processes
from har_train.model.network import build_encoder

pytest.importorskip("tensorflow")
pytestmark = pytest.mark.train

CLIP = ClipSpec(4, 5.0, 32, 32)
MakeClip = Callable[..., Path]


@pytest.fixture(scope="module")
def encoder(config: FitConfig) -> Any:
    return build_encoder(CLIP, config)


class Unwanted:
    """An encoder with another's weights that must not be called."""

    def __init__(self, encoder: Any) -> None:
        self.get_weights = encoder.get_weights

    def predict_on_batch(self, frames: Any) -> Any:
        raise AssertionError(f"asked to encode {len(frames)} frames")


def check_equal(found: list[EncodedSample], expected: list[EncodedSample]) -> None:
    assert [e.sample for e in found] == [e.sample for e in expected]
    assert [e.sha256 for e in found] == [e.sha256 for e in expected]
    for one, two in zip(found, expected, strict=True):
        assert one.features.shape == two.features.shape
        # Not to the bit: in a batch with other frames, sums are added in another order.
        assert np.allclose(one.features, two.features, rtol=1e-5, atol=1e-4)


@pytest.mark.slow
def test_workers_fill_the_cache_as_one_process_does(
    clips: Path, stills: Path, encoder: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (clips_copy := tmp_path / "clips").mkdir()
    shutil.copytree(clips, clips_copy, dirs_exist_ok=True)
    (clips_copy / "left" / "broken.mp4").write_bytes(b"no video")
    monkeypatch.chdir(tmp_path)
    samples = load_dataset("clips") + load_dataset(stills)  # relative paths, and absolute ones
    expected = encode_dataset(samples, encoder, Rendering(CLIP), cache=tmp_path / "one")
    lines: list[str] = []
    done: list[int] = []
    said: list[str] = []
    with open_processes(2, said.append) as fill:
        found = encode_dataset(
            samples, encoder, Rendering(CLIP), cache=Path("two"), progress=done.append,
            skipped=lines.append, fill=fill,
        )  # fmt: skip
        view = View(1, path_frames=4)
        seen = encode_dataset(samples, encoder, Rendering(CLIP, view), cache=Path("two"), fill=fill)
        kept = cache_dataset(samples, None, Rendering(CLIP), cache=Path("two"), fill=fill)
    check_equal(found, expected)
    assert sum(done) == len(samples)
    assert len(lines) == 1
    assert "broken.mp4" in lines[0]
    assert said == []
    unwanted = Unwanted(encoder)
    check_equal(encode_dataset(samples, unwanted, Rendering(CLIP), cache=tmp_path / "two"), found)
    check_equal(
        seen, encode_dataset(samples, encoder, Rendering(CLIP, view), cache=tmp_path / "one")
    )
    for one, two in zip(
        kept, cache_dataset(samples, None, Rendering(CLIP), cache=tmp_path / "one"), strict=True
    ):
        assert np.array_equal(one.load(), two.load())
    files = [p for p in (tmp_path / "two").rglob("*") if not p.is_dir()]
    assert {p.suffix for p in files} == {".npy"}


def test_killed_worker_loses_nothing(clips: Path, encoder: Any, tmp_path: Path) -> None:
    samples = load_dataset(clips)
    expected = encode_dataset(samples, encoder, Rendering(CLIP), cache=tmp_path / "one")
    said: list[str] = []
    killed: list[int] = []
    done = 0

    def kill(count: int) -> None:
        nonlocal done
        done += count
        for process in multiprocessing.active_children()[: not killed]:
            assert process.pid is not None
            os.kill(process.pid, signal.SIGKILL)
            killed.append(process.pid)

    with open_processes(2, said.append) as fill:
        for cache in (tmp_path / "two", tmp_path / "three"):
            found = encode_dataset(
                samples, encoder, Rendering(CLIP), cache=cache, progress=kill, fill=fill
            )
            check_equal(found, expected)
    assert killed
    assert done == 2 * len(samples)
    assert "A worker process was killed" in said[0]
    assert len(said) == 2
    assert not multiprocessing.active_children()


def test_interrupt_ends_the_workers(clips: Path, encoder: Any, tmp_path: Path) -> None:
    def interrupt(count: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), open_processes(2, lambda line: None) as fill:
        encode_dataset(
            load_dataset(clips),
            encoder,
            Rendering(CLIP),
            cache=tmp_path,
            progress=interrupt,
            fill=fill,
        )
    assert not multiprocessing.active_children()
    assert not list(tmp_path.rglob("workers-*"))


@pytest.fixture
def cluster() -> Iterator[str]:
    """The address of a Ray cluster of two nodes on this machine."""
    pytest.importorskip("ray")
    from ray.cluster_utils import Cluster

    small = {"num_cpus": 1, "object_store_memory": 80 * 2**20}
    found = Cluster(initialize_head=True, head_node_args={**small, "include_dashboard": False})
    found.add_node(**small)
    yield found.address
    found.shutdown()


@pytest.mark.slow
def test_two_ray_nodes_fill_the_cache_as_one_process_does(
    cluster: str, clips: Path, encoder: Any, tmp_path: Path
) -> None:
    samples = load_dataset(clips)
    expected = encode_dataset(samples, encoder, Rendering(CLIP), cache=tmp_path / "one")
    said: list[str] = []
    done: list[int] = []
    with open_ray(cluster, said.append) as fill:
        found = encode_dataset(
            samples,
            encoder,
            Rendering(CLIP),
            cache=tmp_path / "two",
            progress=done.append,
            fill=fill,
        )
        check_equal(found, expected)
        assert isinstance(fill, MethodType)
        assert isinstance(fill.__self__, Workers)
        assert len(fill.__self__.nodes) == 2
    assert sum(done) == len(samples)
    assert said == [f"Encoding with 2 CPUs on 2 nodes of the Ray cluster {cluster}"]
    check_equal(
        encode_dataset(samples, Unwanted(encoder), Rendering(CLIP), cache=tmp_path / "two"),
        expected,
    )


def test_ray_node_that_does_not_see_the_data(
    cluster: str, clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    samples = load_dataset(shutil.copytree(clips, tmp_path / "data"))
    (tmp_path / "data").rename(tmp_path / "gone")
    # Here they exist, and there they do not.
    monkeypatch.setattr(Path, "exists", lambda path: True)
    with (
        pytest.raises(DataError, match=r"should see .*mp4.*all nodes share"),
        open_ray(cluster, lambda line: None) as fill,
    ):
        cache_dataset(samples, None, Rendering(CLIP), cache=tmp_path / "cache", fill=fill)


@pytest.mark.parametrize("address", ["127.0.0.1:1", "ray://127.0.0.1:1", "auto", "nonsense"])
def test_ray_cluster_that_is_not_there(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("ray")
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    with (
        pytest.raises(BackendError, match=f"running Ray cluster. Received '{address}'"),
        open_ray(address, lambda line: None),
    ):
        raise AssertionError


def test_missing_ray_is_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with (
        pytest.raises(MissingExtraError, match=r'"har-edge\[ray\]"'),
        open_ray("auto", lambda line: None),
    ):
        raise AssertionError
