"""Thousands of damaged uploads and odd requests: none ends, fills or confuses the server.

pytest tests/fuzz           some of each
pytest -m fuzz -s           all of them, some minutes; it prints what came
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("fastapi", reason="needs the extra serve")
pytest.importorskip("httpx", reason="needs httpx")

from tests.conftest import ASSETS
from tests.support.server_mutants import damaged_uploads, odd_requests
from tests.support.serving import Serving, serving
from tests.support.try_server import try_requests, try_uploads

FEW = [pytest.param(60, id="few")]
UPLOADS = [*FEW, pytest.param(5000, id="all", marks=pytest.mark.fuzz)]
REQUESTS = [pytest.param(200, id="few"), pytest.param(2000, id="all", marks=pytest.mark.fuzz)]


@pytest.fixture(scope="module")
def server() -> Iterator[Serving]:
    """A server whose output holds no traceback at its end; see `serving`."""
    with serving("--model", ASSETS / "tiny-int8.tflite", "--workers", "2") as running:
        yield running


@pytest.mark.parametrize("number", UPLOADS)
def test_damaged_uploads_do_no_harm(server: Serving, number: int, tmp_path: Path) -> None:
    found = try_uploads(server, damaged_uploads(1, number, tmp_path))
    sys.stdout.write(f"uploads: {dict(sorted(found.items()))}\n")
    assert found[200] and found[422]


@pytest.mark.parametrize("number", REQUESTS)
def test_odd_requests_do_no_harm(server: Serving, number: int) -> None:
    found = try_requests(server, odd_requests(2, number))
    sys.stdout.write(f"requests: {dict(sorted(found.items()))}\n")
    assert found[200] and found[400]
