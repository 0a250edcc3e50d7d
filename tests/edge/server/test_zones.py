"""Zones of a live source: shown, drawn, checked and kept."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest

pytest.importorskip("fastapi", reason="needs the extra serve")
httpx = pytest.importorskip("httpx", reason="needs httpx")

from har_edge.errors import ConfigError  # noqa: E402
from har_edge.recognition.scene import Scene  # noqa: E402
from har_edge.recognition.zones_file import ZonesFile, read_zones_file  # noqa: E402
from har_edge.server.zones import ZonesKeeper  # noqa: E402
from tests.conftest import ASSETS  # noqa: E402
from tests.support.chaos.mjpeg_server import MjpegServer  # noqa: E402
from tests.support.people import SSD, teacher  # noqa: E402
from tests.support.serving import serving  # noqa: E402

BED = {"name": "bed", "polygon": [[0, 0], [0.5, 0], [0.5, 1]], "point": "hips", "source": None}


LABELS = ("falling", "sitting")


def keeper(
    path: Path | None,
    *,
    people: bool = True,
    labels: Callable[[], tuple[str, ...]] = lambda: LABELS,
) -> tuple[ZonesKeeper, Scene | None]:
    numbers = count(1)
    scene = Scene(ZonesFile(), lambda: next(numbers)) if people else None
    return ZonesKeeper(scene, path, "camera:0", labels), scene


def test_drawn_zones_hold_at_once_and_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "room.json"
    kept, scene = keeper(path)
    assert kept.facts() == {"zones": [], "writable": True, "detail": ""}
    facts = kept.replace([BED])
    assert facts["zones"] == [BED]
    assert scene is not None
    assert scene.zones.names == read_zones_file(path).zones.names == ("bed",)


@pytest.mark.parametrize(
    ("zone", "message"),
    [
        ({**BED, "polygon": [[0, 0], [1, 1], [1, 0], [0, 1]]}, "which do"),
        ({**BED, "polygon": [[0, 0], [1.5, 0], [1, 1]]}, "lie in the picture"),
        ({**BED, "name": "none"}, "should have a name"),
        ({**BED, "source": "camera:1"}, "Did you mean 'camera:0'"),
    ],
)
def test_what_is_no_zone_changes_nothing(
    tmp_path: Path, zone: dict[str, object], message: str
) -> None:
    kept, scene = keeper(tmp_path / "room.json")
    with pytest.raises(ConfigError, match=message):
        kept.replace([zone])
    assert scene is not None
    assert len(scene.zones) == 0
    assert not (tmp_path / "room.json").exists()


def test_a_zone_that_a_rule_names_stays(tmp_path: Path) -> None:
    path = tmp_path / "room.json"
    path.write_text(json.dumps({"rules": ["falling unless zone=bed"], "zones": []}))
    kept, _ = keeper(path)
    kept.replace([BED])
    with pytest.raises(ConfigError, match="rule 1: expected a zone"):
        kept.replace([])
    assert read_zones_file(path).zones.names == ("bed",)


def test_a_rule_may_name_what_was_taught_since_the_start(tmp_path: Path) -> None:
    path, known = tmp_path / "room.json", [LABELS]
    path.write_text(json.dumps({"rules": ["waving unless zone=bed"], "zones": []}))
    kept, _ = keeper(path, labels=lambda: known[0])
    with pytest.raises(ConfigError, match="waving"):
        kept.replace([BED])
    known[0] = (*LABELS, "waving")
    assert kept.replace([BED])["zones"] == [BED]


def test_why_zones_cannot_be_drawn_is_said(tmp_path: Path) -> None:
    assert "--zones FILE.json" in keeper(None)[0].detail
    assert "by hand" in keeper(tmp_path / "room.toml")[0].detail
    assert "nobody to be in a zone" in keeper(tmp_path / "room.json", people=False)[0].detail


@pytest.fixture(scope="module")
def camera() -> Iterator[MjpegServer]:
    found = MjpegServer()
    yield found
    found.stop()


def test_over_http_without_people(camera: MjpegServer) -> None:
    with serving(camera.url, "--model", ASSETS / "tiny-int8.tflite") as server:
        answer = httpx.get(f"{server.url}/zones")
        assert answer.status_code == 200
        assert not answer.json()["writable"]
        refused = httpx.put(f"{server.url}/zones", json={"zones": [BED]})
        assert refused.status_code == 409
        assert "--zones FILE.json" in refused.json()["detail"]


def test_over_http(camera: MjpegServer, tmp_path: Path) -> None:
    token, path = "a-token-for-tests", tmp_path / "room.json"
    options = ("--people", teacher(SSD), "--zones", path, "--model", ASSETS / "tiny-int8.tflite")
    with serving(camera.url, *options, token=token) as server:
        url = f"{server.url}/zones"
        assert httpx.put(url, json={"zones": []}).status_code == 401
        client = httpx.Client(headers={"Authorization": f"Bearer {token}"}, timeout=30)
        answer = client.put(url, json={"zones": [BED]})
        assert (answer.status_code, answer.json()["zones"]) == (200, [BED])
        assert client.get(url).json()["zones"] == [BED]
        twice = client.put(url, json={"zones": [BED, BED]})
        assert twice.status_code == 422
        assert "'bed' twice" in twice.json()["detail"]
        assert client.put(url, json={"zones": [{"name": "x"}]}).status_code == 422
        foreign = client.put(url, json={"zones": []}, headers={"Origin": "https://evil.example"})
        assert foreign.status_code == 403
        assert client.get(url).json()["zones"] == [BED]
        metrics = client.get(f"{server.url}/metrics").text
        assert "har_edge_live_people " in metrics
        assert 'har_edge_live_people_doing{action="' in metrics
