"""Published MoveNet weights as a start: TensorFlow.js graphs, read with numpy alone.

A graph is a JSON file with a manifest beside files of raw numbers. Of its nodes only the
constants matter here: convolutions with their batch norm folded in, and biases.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NotRequired, TypedDict

import numpy as np

from har_edge.arrays import FloatArray
from har_edge.errors import DataError
from har_edge.paths import display_path
from har_train.model.types import Array, KerasModel
from har_train.people.network import BATCH_NORM_EPSILON, HEADS, PYRAMID_FILTERS

# Head -> its name in the graphs; networks for a single person lack those of the box.
PUBLISHED_HEADS = {
    "center": "center_0",
    "size": "box_scale_0",
    "middle": "box_offset_0",
    "regress": "kpt_regress_0",
    "heat": "kpt_heatmap_0",
    "offset": "kpt_offset_0",
}
MAX_NUMBERS = 100_000_000  # of one array; far beyond any network for a small machine


def read_graph(path: str | os.PathLike[str]) -> dict[str, FloatArray]:
    """Read the float arrays of a TensorFlow.js graph, by the names of their nodes.

    Args:
        path: The JSON file; the files that its manifest names lie beside it.

    Raises:
        DataError: if it is none, or cut short.
    """
    path = Path(path)
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))["weightsManifest"]
        arrays: dict[str, FloatArray] = {}
        for group in manifest:
            # Names, not paths: a graph may not read elsewhere.
            parts = [path.with_name(Path(name).name).read_bytes() for name in group["paths"]]
            arrays |= _read_group(group["weights"], b"".join(parts))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"{display_path(path)} should be a TensorFlow.js graph model with its weights beside "
            f"it. Received something else, or a part of one ({error!r}). Give the JSON file, such "
            "as movenet-lightning.json."
        ) from error
    return arrays


class _Stored(TypedDict):
    dtype: str


class _Entry(TypedDict):
    """One array of a manifest, as the file says; wrong types raise where they are used."""

    name: str
    shape: list[int]
    dtype: str
    quantization: NotRequired[_Stored]


def _read_group(entries: Sequence[_Entry], content: bytes) -> dict[str, FloatArray]:
    arrays, offset = {}, 0
    for entry in entries:
        stored = entry.get("quantization", entry)["dtype"]
        dtype = np.dtype({"float16": "<f2", "float32": "<f4", "int32": "<i4"}[stored])
        count = math.prod(entry["shape"])
        if not 0 <= count <= MAX_NUMBERS:
            raise ValueError(f"{entry['name']} has {count} numbers")
        values = np.frombuffer(content, dtype, count, offset)
        offset += count * dtype.itemsize
        if entry["dtype"] == "float32":
            arrays[entry["name"]] = values.astype(np.float32).reshape(entry["shape"])
    return arrays


def published_alpha(graph: Mapping[str, FloatArray]) -> float:
    """How wide the backbone of a graph is, for `build_network`.

    Raises:
        DataError: if the graph is no MoveNet.
    """
    try:
        filters = _find(graph, "/block_16_expand/Conv2D_weights").shape[-1]
    except KeyError as error:
        raise DataError(
            f"Expected the weights of a MoveNet graph. Received a graph without {error}. Give "
            "movenet-lightning.json or movenet-multipose.json."
        ) from error
    return float(filters / 960)


def load_published(model: KerasModel, graph: Mapping[str, FloatArray]) -> list[str]:
    """Give a network the weights of a published graph.

    Args:
        model: As `build_network` made it, with the graph's `published_alpha` and its top.
        graph: As `read_graph` gives it.

    Returns:
        Heads that the graph has no weights for; they stay as they are.

    Raises:
        DataError: if the graph lacks a layer.
    """
    try:
        _load_backbone(model, graph)
        _load_pyramid(model, graph)
        missing = [name for name in HEADS if not _load_head(model, graph, name)]
    except KeyError as error:
        raise DataError(
            f"Expected the weights of a MoveNet graph. Received a graph without {error}. Give "
            "movenet-lightning.json or movenet-multipose.json."
        ) from error
    return missing


def _load_backbone(model: KerasModel, graph: Mapping[str, FloatArray]) -> None:
    for layer in model.layers:
        kind = type(layer).__name__
        if kind not in ("Conv2D", "DepthwiseConv2D") or _owner(layer.name) != "backbone":
            continue
        name = "Conv_1" if layer.name == "top_conv" else layer.name
        norm = {"Conv1": "bn_Conv1", "top_conv": "top_BN"}.get(layer.name, f"{layer.name}_BN")
        if kind == "Conv2D":
            kernel = _find(graph, f"/model/{name}/Conv2D_weights")
            bias = _find(graph, f"/model/{name}/Conv2D_bn_offset")
        else:
            kernel = _find(graph, f"/model/{name}/depthwise_weights")
            bias = _find(graph, f"/model/{name}/depthwise_bn_offset")
        layer.set_weights([kernel])
        set_folded(model, norm, bias)


def _owner(layer: str) -> str:
    ours = ("lateral", "smooth", *HEADS)
    return "pyramid" if layer.startswith(ours) else "backbone"


def _load_pyramid(model: KerasModel, graph: Mapping[str, FloatArray]) -> None:
    for level in range(len(PYRAMID_FILTERS)):
        number = f"_{level}" if level else ""
        name = f"lateral_{level - 1}" if level else "lateral_top"
        place = f"/model_1/conv2d{number}"
        kernel = _find(graph, f"{place}/Conv2D/ReadVariableOp")
        model.get_layer(name).set_weights([kernel, _find(graph, f"{place}/BiasAdd/ReadVariableOp")])
        if level == len(PYRAMID_FILTERS) - 1:
            break
        place, name = f"/model_1/separable_conv2d{number}/separable_conv2d", f"smooth_{level}"
        depthwise = _find(graph, f"{place}/ReadVariableOp")
        model.get_layer(f"{name}_depthwise").set_weights([depthwise])
        model.get_layer(f"{name}_conv").set_weights([_find(graph, f"{place}_weights")])
        set_folded(model, f"{name}_BN", _find(graph, f"{place}_bn_offset"))


def _load_head(model: KerasModel, graph: Mapping[str, FloatArray], name: str) -> bool:
    """Load one head; False if the graph has none of its kind."""
    place = f"/{PUBLISHED_HEADS[name]}/"
    found = {key.split(place)[1]: array for key, array in graph.items() if place in key}
    if not found:
        return False

    def pick(ending: str, kind: str) -> FloatArray:
        matches = [v for k, v in found.items() if k.startswith(kind) and k.endswith(ending)]
        if len(matches) != 1:
            raise KeyError(f"{name}: {kind}…{ending}")
        return matches[0]

    depthwise = pick("separable_conv2d/ReadVariableOp", "separable")
    model.get_layer(f"{name}_depthwise").set_weights([depthwise])
    hidden = pick("ReadVariableOp_1", "separable"), pick("BiasAdd/ReadVariableOp", "separable")
    model.get_layer(f"{name}_hidden").set_weights(list(hidden))
    out = pick("Conv2D/ReadVariableOp", "conv2d"), pick("BiasAdd/ReadVariableOp", "conv2d")
    model.get_layer(f"{name}_out").set_weights(list(out))
    return True


def set_folded(model: KerasModel, name: str, bias: FloatArray) -> None:
    """Make a batch norm add a bias and nothing else, for it is folded into the kernel."""
    one = np.ones_like(bias)
    folded: list[Array] = [one * math.sqrt(1 + BATCH_NORM_EPSILON), bias, 0 * one, one]
    model.get_layer(name).set_weights(folded)


def _find(graph: Mapping[str, FloatArray], ending: str) -> FloatArray:
    matches = [array for name, array in graph.items() if name.endswith(ending)]
    if len(matches) != 1:
        raise KeyError(ending.strip("/"))
    return matches[0]
