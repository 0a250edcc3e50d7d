"""The server against its own OpenAPI document: hundreds of generated requests, no failure."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

pytest.importorskip("fastapi", reason="needs the extra serve")
schemathesis = pytest.importorskip("schemathesis", reason="needs schemathesis")

from hypothesis import HealthCheck, Phase, given, settings  # noqa: E402
from hypothesis.errors import Unsatisfiable  # noqa: E402
from schemathesis import GenerationMode  # noqa: E402
from schemathesis.specs.openapi.checks import (  # noqa: E402
    negative_data_rejection,
    positive_data_acceptance,
)

from har_edge.config import ServeConfig, SourceConfig  # noqa: E402
from har_edge.server import guard  # noqa: E402
from har_edge.server.app import Server, build_app, listen  # noqa: E402
from har_edge.server.build import build_services  # noqa: E402
from tests.conftest import ASSETS  # noqa: E402
from tests.support.chaos.mjpeg_server import MjpegServer  # noqa: E402
from tests.support.serving import serving, wait_for  # noqa: E402

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
    """A server in this process, where wrong tokens wait for a millisecond instead of seconds."""
    camera = MjpegServer()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(guard, "FIRST_WAIT_S", 0.001)
        patch.setattr(guard, "LONGEST_WAIT_S", 0.001)
        source = SourceConfig(names=(camera.url,))
        config = ServeConfig(model=MODEL[1], token=TOKEN, workers=1, source=source)
        with serving_here(config) as url:
            schema = schemathesis.openapi.from_url(f"{url}/openapi.json")
            yield schema.exclude(path=["/live.mjpg", "/events/stream"])  # they never end
    camera.stop()


@contextmanager
def serving_here(config: ServeConfig) -> Iterator[str]:
    """Run a server in a thread until the block ends."""
    services = build_services(config, lambda line: None)
    with listen("127.0.0.1", 0) as listener:
        server = Server(build_app(services), services, None)
        thread = threading.Thread(target=lambda: server.run(sockets=[listener]))
        thread.start()
        try:
            wait_for(lambda: server.started)
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(30)


def check(schema: Any, **call: Any) -> int:
    """Send generated requests to each operation and count them."""
    return sum(check_operation(found.ok(), call) for found in schema.get_all_operations())


def check_operation(operation: Any, call: dict[str, Any]) -> int:
    """Send good requests and bad ones; schemathesis' pytest plugin leans on pytest's insides."""
    count = 0
    if operation.path == "/predict":
        # A schema cannot say which bytes are a picture: any are a file to it.
        excluded = [*call.get("excluded_checks", ()), positive_data_acceptance]
        call = {**call, "excluded_checks": excluded}

    def send(case: Any) -> None:
        nonlocal count
        count += 1
        case.call_and_validate(**call)

    for mode in GenerationMode.POSITIVE, GenerationMode.NEGATIVE:
        # What takes nothing cannot be called wrongly.
        with contextlib.suppress(Unsatisfiable):
            QUICK(given(case=operation.as_strategy(generation_mode=mode))(send))()
    return count


def test_keeps_to_its_document(without_camera: Any) -> None:
    assert check(without_camera) > 200


def test_keeps_to_its_document_with_a_camera_and_a_token(with_camera: Any) -> None:
    # The token is sent with the bad requests, too; without it and with others, each route refuses.
    headers = {"Authorization": f"Bearer {TOKEN}"}
    assert check(with_camera, headers=headers, excluded_checks=[negative_data_rejection]) > 200
