"""Runs the convolutions of a TensorFlow.js graph node by node, a second implementation."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import numpy as np

from har_edge.arrays import FloatArray


def run_graph(
    path: Path, weights: dict[str, FloatArray], pixels: FloatArray
) -> dict[str, FloatArray]:
    """Compute every node that depends on pixels and weights alone.

    Args:
        path: The graph's JSON file.
        weights: Its float constants.
        pixels: (1, H, W, 3), what comes out of the graph's scaling.

    Returns:
        Outputs by the names of their nodes.
    """
    import tensorflow as tf

    nodes = json.loads(path.read_text(encoding="utf-8"))["modelTopology"]["node"]
    known: dict[str, object] = dict(weights)
    for node in nodes:
        name, op, inputs = node["name"], node["op"], node.get("input", [])
        if name.endswith("/sub_1"):
            known[name] = tf.constant(pixels)
            continue
        given = [known.get(source) for source in inputs]
        attr = node.get("attr", {})
        if op in ("_FusedConv2D", "FusedDepthwiseConv2dNative", "DepthwiseConv2dNative"):
            if given[0] is None:
                continue
            strides = [int(i) for i in attr["strides"]["list"]["i"]]
            padding = base64.b64decode(attr["padding"]["s"]).decode()
            convolve = tf.nn.conv2d if op == "_FusedConv2D" else tf.nn.depthwise_conv2d
            x = convolve(given[0], given[1], strides, padding)
            fused = attr.get("fused_ops", {}).get("list", {}).get("s", [])
            for step in (base64.b64decode(s).decode() for s in fused):
                if step == "BiasAdd":
                    x += given[2]
                else:
                    x = {"Relu": tf.nn.relu, "Relu6": tf.nn.relu6}[step](x)
            known[name] = x
        elif op == "AddV2" and all(x is not None for x in given):
            known[name] = given[0] + given[1]
        elif op == "ResizeBilinear" and given[0] is not None:
            size = [2 * int(n) for n in np.shape(given[0])[1:3]]
            known[name] = tf.image.resize(given[0], size)  # half-pixel centres, as the node says
    return {name: np.asarray(x) for name, x in known.items() if name not in weights}
