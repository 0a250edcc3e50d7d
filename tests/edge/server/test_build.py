"""A server from its settings, as a Python program makes one."""

from __future__ import annotations

import pytest

pytest.importorskip("fastapi")
pytest.importorskip("httpx")

from fastapi.testclient import TestClient

from har_edge.config import DecideConfig, RequestLimits, ServeConfig, SinkConfig, SourceConfig
from har_edge.errors import SourceError, SpecError
from har_edge.server.app import build_server_app
from har_edge.server.build import build_services
from tests.conftest import ASSETS
from tests.support.serving import PICTURE, encode_picture

TINY = ASSETS / "tiny-int8.tflite"
URL = "http://127.0.0.1"


def test_an_application_answers_without_a_command_line() -> None:
    app = build_server_app(ServeConfig(model=TINY, workers=1))
    with TestClient(app, base_url=URL) as client:
        assert client.get("/health").json()["live"] is False
        answer = client.post("/predict", files={"file": PICTURE.read_bytes()})
        assert answer.status_code == 200
        assert answer.json()["all_predictions"]
        assert client.get("/live").status_code == 404


def test_settings_arrive() -> None:
    config = ServeConfig(
        model=TINY,
        workers=1,
        token="open-sesame",
        limits=RequestLimits(max_upload_bytes=2**10),
        allow_origins=("https://home.example",),
    )
    with TestClient(build_server_app(config), base_url=URL) as client:
        assert client.get("/model").status_code == 401
        token = {"Authorization": "Bearer open-sesame"}
        found = client.get("/model", headers={**token, "Origin": "https://home.example"})
        assert found.json()["num_workers"] == 1
        assert found.headers["access-control-allow-origin"] == "https://home.example"
        files = {"file": encode_picture("BMP")}
        assert client.post("/predict", files=files, headers=token).status_code == 413


def test_a_server_waits_for_its_camera() -> None:
    notes: list[str] = []
    source = SourceConfig(camera="/dev/video99")
    services = build_services(ServeConfig(model=TINY, workers=1, source=source), notes.append)
    services.workers.close()
    assert services.live is not None
    assert services.live.source == "/dev/video99"
    services.live.stop()
    assert notes == []


def test_sinks_without_a_live_source_are_named() -> None:
    notes: list[str] = []
    sink = SinkConfig(totals="totals.db", webhook="http://127.0.0.1/x")
    services = build_services(ServeConfig(model=TINY, workers=1, sink=sink), notes.append)
    services.workers.close()
    assert services.live is None
    (note,) = notes
    assert note.startswith("--totals, --webhook: no effect")


@pytest.mark.parametrize(
    "source",
    [
        SourceConfig(names=(str(PICTURE),)),
        SourceConfig(names=("-",)),
        SourceConfig(names=("rtsp://127.0.0.1/a",), camera="0"),
    ],
)
def test_one_live_source_is_taken(source: SourceConfig) -> None:
    with pytest.raises(SourceError, match="one live source"):
        build_services(ServeConfig(model=TINY, source=source), pytest.fail)


def test_lists_are_refused_at_the_start() -> None:
    with pytest.raises(SpecError, match="flying"):
        build_server_app(ServeConfig(model=TINY, decide=DecideConfig(allow=("flying",))))
