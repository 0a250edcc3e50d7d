"""What Home Assistant needs in order to discover a source.

Source: Home Assistant, MQTT integration, sections on discovery and on sensors.
"""

from __future__ import annotations

import hashlib

from har_edge import __version__
from har_edge.recognition.prediction import UNKNOWN


def sensor_config(
    node: str, camera: str, source: str, labels: tuple[str, ...], prefix: str
) -> tuple[str, dict[str, object]]:
    """Describe a source as a device with one sensor, its action.

    Args:
        node: Identifier of this machine.
        camera: The part of topics that stands for the source.
        source: Its printable name.
        labels: What may be said.
        prefix: Prefix of all topics.

    Returns:
        Topic below the discovery prefix, and the configuration to publish there.
    """
    topic = f"{prefix}/{camera}/action"
    config: dict[str, object] = {
        "name": "Action",
        "unique_id": f"{node}-{_ascii(camera)}-action",
        "icon": "mdi:human",
        "device_class": "enum",
        "options": [*labels, UNKNOWN],
        "state_topic": topic,
        "value_template": "{{ value_json.action }}",
        "json_attributes_topic": topic,
        **_device(node, camera, source, prefix),
    }
    return f"sensor/{node}/{_ascii(camera)}/config", config


def people_config(
    node: str, camera: str, source: str, prefix: str
) -> tuple[str, dict[str, object]]:
    """Describe a second sensor of the same device: how many people are in view.

    Args, Returns: As above.
    """
    topic = f"{prefix}/{camera}/people"
    config: dict[str, object] = {
        "name": "People",
        "unique_id": f"{node}-{_ascii(camera)}-people",
        "icon": "mdi:account-group",
        "state_class": "measurement",
        "state_topic": topic,
        "value_template": "{{ value_json.people }}",
        "json_attributes_topic": topic,
        **_device(node, camera, source, prefix),
    }
    return f"sensor/{node}/{_ascii(camera)}-people/config", config


def _device(node: str, camera: str, source: str, prefix: str) -> dict[str, object]:
    """What the sensors of one source have in common."""
    live = "{{ iif(value_json.status == 'live', 'online', 'offline') }}"
    return {
        "availability_mode": "all",
        "availability": [
            {"topic": f"{prefix}/available"},
            {"topic": f"{prefix}/{camera}/status", "value_template": live},
        ],
        "device": {
            "identifiers": [f"{node}-{_ascii(camera)}"],
            "name": source,
            "manufacturer": "har-edge",
            "model": "Human action recognition",
            "sw_version": __version__,
        },
        "origin": {"name": "har-edge", "sw_version": __version__},
    }


def _ascii(name: str) -> str:
    """Home Assistant's identifiers have ASCII letters, digits, `_` and `-` alone."""
    if name.isascii():
        return name
    return hashlib.sha256(name.encode()).hexdigest()[:12]
