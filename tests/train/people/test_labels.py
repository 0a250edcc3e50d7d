"""Labels on the disk."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from har_edge.arrays import FloatArray, Pixels
from har_edge.datasets import Sample
from har_edge.errors import DataError
from har_train.people.labels import label_samples, read_labels
from har_train.people.teachers import ROW, cut_square


@pytest.fixture
def samples(tmp_path: Path) -> list[Sample]:
    paths = [tmp_path / f"{i}.png" for i in range(3)]
    for path in paths[:2]:
        Image.new("RGB", (20, 10)).save(path)
    paths[2].write_bytes(b"no picture")
    return [Sample(path, "x", path.name) for path in paths]


def test_labelling_goes_on_where_it_stopped(samples: list[Sample], tmp_path: Path) -> None:
    asked = []

    def teach(picture: Pixels) -> FloatArray:
        asked.append(picture.shape)
        return np.full((2, ROW), 0.123456, np.float32)

    path = tmp_path / "labels.jsonl"
    (first,) = label_samples(samples[:1], teach, path)
    with path.open("a") as file:
        file.write('{"path": "cut sho')
    first_again, second = label_samples(samples, teach, path)
    assert asked == [(10, 20, 3)] * 2
    assert first_again.sample == first.sample
    np.testing.assert_allclose(second.people[0], 0.1235, rtol=1e-6)
    assert len(read_labels(path)) == 3  # the broken one is not tried again


def test_another_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "labels.jsonl"
    path.write_text("something else\n")
    with pytest.raises(DataError, match="should hold labels of har-train people"):
        read_labels(path)


def test_a_square_is_cut_with_black_around() -> None:
    picture = np.full((40, 80, 3), 200, np.uint8)
    cut = cut_square(picture, 60, -10, 40, 20)  # half of it lies right of and above the picture
    assert cut.shape == (20, 20, 3)
    assert (cut[8:, :8] > 190).all()
    assert not cut[:3].any()
    assert not cut[:, 12:].any()
