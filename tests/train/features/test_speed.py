"""What training costs beside the network."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from har_train.dataset.samples import Sample
from har_train.features.speed import _in_turns, _summary, main

pytestmark = pytest.mark.train


def test_every_start_of_the_list_has_its_share_of_each_class() -> None:
    samples = [Sample(Path(f"{label}{i}"), label, "", "train") for label in "ab" for i in range(5)]
    ordered = _in_turns(samples)
    assert sorted(s.path for s in ordered) == sorted(s.path for s in samples)
    for count in (2, 4, 6):
        assert [s.label for s in ordered[:count]].count("a") == count // 2


def test_ratios_are_of_medians() -> None:
    seconds = {"encoding": [2.0, 2.0, 9.0], "backbone": [1.0] * 3, "head": [0.1] * 3}
    found = _summary(seconds, 100, [500.0, 600.0])
    assert found["cache_ratio"] == pytest.approx(11.0)
    assert found["encoding_share"] == 0.5
    assert found["memory_ratio"] == 1.2
    assert len(found["lines"]) == 3


def test_help_names_the_options() -> None:
    result = CliRunner().invoke(main, ["--help"])
    assert result.exit_code == 0
    assert "--clips" in result.output
