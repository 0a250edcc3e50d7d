"""What large uploads cost a server: the pictures, and a server that gets them."""

from __future__ import annotations

import io
import os

import pytest
from PIL import Image

from har_benchmarks.experiments.result import family_mb, family_of, resident_mb
from har_benchmarks.experiments.serve_memory import large_picture
from tests.benchmarks.experiments.conftest import Experiment


def test_pictures_are_small_files_of_25_megapixels() -> None:
    content = large_picture("PNG of 16 bits")
    assert len(content) < 10**6
    with Image.open(io.BytesIO(content)) as image:
        assert (image.size, image.mode) == ((5000, 5000), "I;16")


def test_memory_of_a_family_counts_what_is_shared_once() -> None:
    assert family_of(os.getpid())[0] == os.getpid()
    assert 0 < family_mb(os.getpid()) <= sum(map(resident_mb, family_of(os.getpid()))) * 1.05


@pytest.mark.slow
def test_a_server_is_measured(experiment: Experiment) -> None:
    pytest.importorskip("fastapi")
    assert '"peak_mb"' in experiment("serve-memory", "--kind", "BMP")
