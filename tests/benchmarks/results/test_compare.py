"""Regressions are found, noise is not taken for one."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest

from har_benchmarks.render.text import comparison_text
from har_benchmarks.results.compare import cautions, compare
from har_benchmarks.results.table import Table
from tests.support.made_up import made_case, made_report, made_table
from tests.support.tiny import bad_worker, measure, tiny_plan


def run(slow_down: float = 0.0, *, rounds: int = 10, seed: int = 0, cases: int = 1) -> Table:
    """The table of `report`."""
    return Table.of(report(slow_down, rounds=rounds, seed=seed, cases=cases))


def report(
    slow_down: float = 0.0, *, rounds: int = 10, seed: int = 0, cases: int = 1
) -> dict[str, Any]:
    """A run on a machine whose rounds wander by a percent and a half."""
    generator = np.random.default_rng(seed)
    made = []
    for number in range(cases):
        middle = 2.0 * (1 + slow_down) * generator.normal(1, 0.015, rounds)
        made.append(made_case(f"v{number}", middle.tolist(), seed=seed + number))
    return made_report(*made)


def test_ten_percent_are_caught_every_time() -> None:
    for seed in range(20):
        (row,) = compare(run(seed=seed), run(0.1, seed=100 + seed), threshold=0.05)
        assert row.regression, row
        assert row.verdict == "slower"


def test_the_same_thing_twice_raises_at_most_two_alarms_in_forty() -> None:
    rows = [compare(run(seed=seed), run(seed=1000 + seed))[0] for seed in range(40)]
    assert sum(row.regression for row in rows) <= 2
    # Nor does it differ more often than the level says, without the margin too.
    bare = [compare(run(seed=s), run(seed=1000 + s), margin=0.0)[0] for s in range(40)]
    assert sum(row.verdict != "same" for row in bare) <= 5


def test_many_cases_raise_no_more_alarms_than_one() -> None:
    false = 0
    for seed in range(20):
        rows = compare(run(seed=seed, cases=8), run(seed=500 + seed, cases=8), margin=0.0)
        false += any(row.verdict != "same" for row in rows)
    assert false <= 4


def test_a_disturbed_round_neither_hides_nor_makes_a_regression() -> None:
    disturbed = [2.0] * 9 + [5.0]
    slow = made_table(made_case(rounds_ms=[2.2] * 10))
    calm = made_table(made_case(rounds_ms=[2.0] * 10))
    assert compare(made_table(made_case(rounds_ms=disturbed)), slow)[0].regression
    assert not compare(calm, made_table(made_case(rounds_ms=disturbed)))[0].regression


def test_a_gain_is_no_regression() -> None:
    (row,) = compare(run(0.2), run())
    assert (row.verdict, row.regression) == ("faster", False)


def test_a_real_difference_below_the_threshold_is_said_but_no_regression() -> None:
    (row,) = compare(run(), run(0.1, seed=7), threshold=0.2)
    assert (row.verdict, row.regression) == ("slower", False)


def test_too_few_rounds_prove_nothing() -> None:
    base, new = run(rounds=4), run(0.5, rounds=4)
    (row,) = rows = compare(base, new)
    assert (row.verdict, row.regression) == ("too few rounds", False)
    assert row.ratio == pytest.approx(1.5, abs=0.05)
    record = json.loads(json.dumps(row.to_record(), allow_nan=False))
    assert (record["low"], record["high"]) == (None, None)
    assert any("need 6 rounds" in line for line in cautions(base, new, rows, 0.95))
    assert "inf" not in comparison_text(base, new, rows)


def test_rounds_pair_by_number() -> None:
    new = report()
    del new["cases"][0]["rounds"][3]  # one that failed
    (row,) = compare(run(), Table.of(new))
    assert row.rounds == 9
    assert row.ratio == 1.0


def test_what_differs_beside_the_time_is_named() -> None:
    base, other = run(cases=2), report(cases=1)
    other["machine"].update(kernel="6.6", packages={"numpy": "2.1.0"})
    other["cases"][0]["sha256"] = "other"
    new = Table.of(other)
    rows = compare(base, new)
    said = "\n".join(cautions(base, new, rows, 0.95))
    for words in ("kernel differs: 6.1 and 6.6", "numpy differs: 2.0.0 and 2.1.0",
                  "file differs in made-v0", "Only in one of the runs: made-v1"):  # fmt: skip
        assert words in said
    assert [row.key for row in rows] == ["made-v0/litert/1"]


def test_a_sleep_in_a_backend_is_caught_by_real_runs(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    plan = tiny_plan(variants=("int8",), rounds=8, num_runs=10)
    base, new = (
        Table.of(measure(tmp_path_factory.mktemp("run") / "out", plan, **options))
        for options in ({}, {"command": bad_worker("slow", "int8")})
    )
    (row,) = compare(base, new)
    assert row.regression
    assert math.isfinite(row.high)
    assert row.new_ms - row.base_ms > 2.0  # the sleep itself
