"""MediaPipe's own reader finds what an app needs in a still-image model file.

Needs nothing of har-edge, for MediaPipe's last release with this reader does not install beside
it: `pytest --noconftest tests/convert/test_mediapipe.py`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

metadata = pytest.importorskip(
    "mediapipe.tasks.python.metadata.metadata",
    reason="MediaPipe's metadata reader is not installed (mediapipe 0.10.21 was the last with it)",
    exc_type=ImportError,
)
STILL = Path(__file__).parents[1] / "assets" / "tiny-still-int8.tflite"


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
    assert content.splitlines() == ["left", "right", "still"]


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
