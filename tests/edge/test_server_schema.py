"""The server against its own OpenAPI document: hundreds of generated requests, no failure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

pytest.importorskip("fastapi", reason="needs the extra serve")
schemathesis = pytest.importorskip("schemathesis", reason="needs schemathesis")

from chaos.mjpeg_server import MjpegServer  # noqa: E402
from conftest import ASSETS  # noqa: E402
from hypothesis import HealthCheck, Phase, settings  # noqa: E402
from serving import serving  # noqa: E402

TOKEN = "a-token-for-tests"
MODEL = ("--model", ASSETS / "tiny-int8.tflite")
QUICK = settings(
    max_examples=40,
    deadline=None,
    database=None,
    derandomize=True,
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture(scope="module")
def without_camera() -> Iterator[Any]:
    with serving(*MODEL) as server:
        yield schemathesis.openapi.from_url(f"{server.url}/openapi.json")


@pytest.fixture(scope="module")
def with_camera() -> Iterator[Any]:
    camera = MjpegServer()
    with serving(camera.url, *MODEL, token=TOKEN) as server:
        schema = schemathesis.openapi.from_url(f"{server.url}/openapi.json")
        # These never end.
        yield schema.exclude(path=["/live.mjpg", "/events/stream"])
    camera.stop()


plain = schemathesis.pytest.from_fixture("without_camera")
full = schemathesis.pytest.from_fixture("with_camera")


@plain.parametrize()
@QUICK
def test_keeps_to_its_document(case: Any) -> None:
    case.call_and_validate()


@full.parametrize()
@QUICK
def test_keeps_to_its_document_with_a_camera_and_a_token(case: Any) -> None:
    case.call_and_validate(headers={"Authorization": f"Bearer {TOKEN}"})
