"""MediaPipe's own reader finds what an app needs in a still-image model file, and runs one graph.

Needs nothing of har-edge, for MediaPipe's last release with this reader does not install beside
it: `pytest --noconftest tests/convert/tflite/test_mediapipe.py`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

metadata = pytest.importorskip(
    "mediapipe.tasks.python.metadata.metadata",
    reason="MediaPipe's metadata reader is not installed (mediapipe 0.10.21 was the last with it)",
    exc_type=ImportError,
)
ASSETS = Path(__file__).parents[2] / "assets"
STILL = ASSETS / "tiny-still-int8.tflite"
LABELS = ["left", "right", "still"]


@pytest.fixture
def displayer() -> Any:
    return metadata.MetadataDisplayer.with_model_file(str(STILL))


@pytest.fixture
def subgraphs(displayer: Any) -> dict[str, Any]:
    """Metadata of the two signatures by name."""
    document = json.loads(displayer.get_metadata_json())
    return {graph["name"]: graph for graph in document["subgraph_metadata"]}


def test_labels(displayer: Any, subgraphs: dict[str, Any]) -> None:
    (probabilities,) = subgraphs["classify"]["output_tensor_metadata"]
    (labels,) = probabilities["associated_files"]
    assert labels["type"] == "TENSOR_AXIS_LABELS"
    assert labels["name"] in displayer.get_packed_associated_file_list()
    content = displayer.get_associated_file_buffer(labels["name"]).decode("utf-8")
    assert content.splitlines() == LABELS


def test_image_properties(subgraphs: dict[str, Any]) -> None:
    (frame,) = subgraphs["encode"]["input_tensor_metadata"]
    assert frame["content"] == {
        "content_properties_type": "ImageProperties",
        "content_properties": {
            "color_space": "RGB",
            "default_size": {"width": 32, "height": 32},
        },
    }
    (unit,) = frame["process_units"]
    assert unit["options_type"] == "NormalizationOptions"
    assert unit["options"] == {"mean": [0.0], "std": [1.0]}


def test_the_network_itself_is_described(displayer: Any) -> None:
    document = json.loads(displayer.get_metadata_json())
    assert (document["name"], document["license"]) == ("tiny-still", "MIT")
    assert set(displayer.get_packed_associated_file_list()) == {"har.json", "labels.txt"}


@pytest.mark.parametrize("variant", ["float32", "int8"])
def test_the_image_classifier_runs_a_single_graph(variant: str) -> None:
    import mediapipe
    from mediapipe.tasks.python import BaseOptions, vision

    path = ASSETS / f"tiny-still-mediapipe-{variant}.tflite"
    options = vision.ImageClassifierOptions(BaseOptions(model_asset_path=str(path)))
    with vision.ImageClassifier.create_from_options(options) as classifier:
        frame = np.full((48, 64, 3), (220, 30, 30), np.uint8)
        image = mediapipe.Image(image_format=mediapipe.ImageFormat.SRGB, data=frame)
        (found,) = classifier.classify(image).classifications
    assert sorted(category.category_name for category in found.categories) == LABELS
    assert sum(category.score for category in found.categories) == pytest.approx(1, abs=0.01)
