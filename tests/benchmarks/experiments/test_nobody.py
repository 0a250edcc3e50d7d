"""What models claim of pictures without people, on a few of them."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from har_benchmarks.experiments import nobody
from har_benchmarks.experiments.empty_pictures import cut_empty, draw_all
from har_edge.arrays import Pixels
from har_edge.errors import DataError
from har_edge.people.networks import SsdLocator
from har_edge.people.open import open_locator
from tests.benchmarks.experiments.conftest import Experiment
from tests.support.people import SSD, BrightLocator, teacher


def test_pictures_are_the_same_each_time() -> None:
    first, second = list(draw_all()), list(draw_all())
    assert Counter(kind for kind, _ in first) == dict(plain=40, noise=80, texture=120, room=140)
    for (_, one), (_, other) in zip(first, second, strict=True):
        assert one.dtype == np.uint8
        assert one.shape == (240, 320, 3)
        np.testing.assert_array_equal(one, other)
    assert not first[0][1].any()  # black is among them


def test_claims_are_counted_by_kind(
    experiment: Experiment, monkeypatch: pytest.MonkeyPatch
) -> None:
    pictures = list(draw_all())

    def few() -> Iterator[tuple[str, Pixels]]:
        yield pictures[0]
        yield pictures[-1]

    monkeypatch.setattr(nobody, "draw_all", few)
    said = experiment("nobody", "--model", "poses", "--model", "har15", "--out", "out.json")
    assert "room" in said
    rows = json.loads(Path("out.json").read_text())["rows"]
    assert [(r["model"], r["kind"], r["pictures"]) for r in rows] == [
        (model, *count)
        for model in ("poses", "har15")
        for count in (("plain", 1), ("room", 1), ("all", 2))
    ]
    for row in rows:
        assert 0 <= row["falling"] <= row["actions"] <= row["somebody"] <= row["pictures"]


def test_an_answer_to_somebody_is_a_claim(monkeypatch: pytest.MonkeyPatch) -> None:
    model = nobody.load("har15", people="people")
    assert model.people is not None
    bright = np.full((240, 320, 3), 20, np.uint8)
    bright[60:200, 100:180] = 240
    monkeypatch.setattr(model.people, "_open", BrightLocator)
    model.people.open()
    ((somebody, _),) = nobody.answers(model, bright, 0)
    assert somebody
    assert list(nobody.answers(model, np.zeros_like(bright), 0)) == [(False, None)]


def test_parts_of_stills_show_nobody(tmp_path: Path) -> None:
    locator = open_locator(teacher(SSD))
    assert isinstance(locator, SsdLocator)
    random = np.random.default_rng(0)
    for number in range(3):
        pixels = random.integers(0, 256, (6, 8, 3)).astype(np.uint8)
        Image.fromarray(pixels).resize((320, 240)).save(tmp_path / f"{number}.png")
    (tmp_path / "broken.png").write_bytes(b"no picture")
    paths = [tmp_path / "broken.png", *(tmp_path / f"{n}.png" for n in range(3))]
    parts = list(cut_empty(paths, locator, 2))
    assert len(parts) == 2
    assert all(60 <= part.shape[0] <= 144 for part in parts)


def test_stills_need_a_detector(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="--stills needs --detector"):
        nobody._parts(str(tmp_path), "", None)
