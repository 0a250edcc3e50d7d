"""Names that TensorFlow and Keras do not promise: which of them the installed releases lack."""

from __future__ import annotations

import importlib

import pytest

from har_convert.tflite.compat import (
    PRIVATE_NAMES,
    input_of,
    layers_after,
    layers_before,
    origin_of,
)
from tests.support.private_names import missing_names

tf = pytest.importorskip("tensorflow")
keras = pytest.importorskip("keras")
pytestmark = pytest.mark.train


def test_the_installed_releases_have_the_names_we_use() -> None:
    source = keras.Input((4,))
    target = keras.layers.Dense(2)(source)
    function = tf.function(lambda x: x + 1, input_signature=[tf.TensorSpec((1,), tf.float32)])
    concrete = [function.get_concrete_function()]
    owners = {
        "tensorflow.lite.python.convert": importlib.import_module("tensorflow.lite.python.convert"),
        "TFLiteConverter": tf.lite.TFLiteConverter.from_concrete_functions(concrete, function),
        "Layer": keras.layers.Dense(2),
        "KerasTensor": target,
    }
    assert missing_names(PRIVATE_NAMES, owners) == {}


def test_the_graph_is_read_both_ways() -> None:
    source = keras.Input((4,), name="source")
    first, second = keras.layers.Dense(3, name="first"), keras.layers.Dense(2, name="second")
    network = keras.Model(source, second(first(source)), name="inner")
    assert [layer.name for layer in layers_before(second)] == ["first"]
    assert [layer.name for layer in layers_after(first)] == ["second"]
    outer = keras.Input((4,), name="outer")
    network(outer)
    assert input_of(network) is outer
    assert origin_of(outer).name == "outer"
