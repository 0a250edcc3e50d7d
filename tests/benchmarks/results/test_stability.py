"""What makes figures doubtful is seen and said with what to do."""

from __future__ import annotations

from typing import Any

import pytest

from har_benchmarks.results.stability import find_problems
from tests.support.made_up import CALM, made_case, made_table


def kinds(*cases: dict[str, Any], **machine: Any) -> list[str]:
    problems = find_problems(made_table(*cases, **machine))
    assert all(p["detail"] and p["advice"] for p in problems)
    return [p["kind"] for p in problems]


def with_state(**changes: Any) -> dict[str, Any]:
    case = made_case()
    for r in case["rounds"][5:]:
        r["machine"] = {**CALM, **changes}
    return case


def test_a_calm_machine_has_no_problem() -> None:
    assert kinds(made_case(), made_case("float32", [4.0] * 10)) == []
    assert kinds() == []


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        (
            {"throttling": {"now": ["under-voltage"], "since_start": [], "events": None}},
            "throttling",
        ),
        ({"temperature_c": 84.0}, "heat"),
        ({"other_cores": 0.6}, "other load"),
        ({"stolen_cores": 0.1}, "hypervisor"),
    ],
)
def test_the_state_of_the_machine_counts(changes: dict[str, Any], kind: str) -> None:
    assert kinds(with_state(**changes)) == [kind]


def test_throttling_counted_while_measuring_is_seen_and_an_old_one_is_not() -> None:
    case = made_case()
    for number, r in enumerate(case["rounds"]):
        r["machine"]["throttling"] = {"now": [], "since_start": ["throttled"], "events": 7}
        if number > 4:
            r["machine"]["throttling"] = {"now": [], "since_start": ["throttled"], "events": 9}
    assert kinds(case) == ["throttling"]
    for r in case["rounds"]:
        r["machine"]["throttling"]["events"] = 9
    assert kinds(case) == []


def test_a_governor_that_saves_power_is_named_with_the_command() -> None:
    (problem,) = find_problems(made_table(made_case(), governor="ondemand"))
    assert problem["kind"] == "governor"
    assert "scaling_governor" in problem["advice"]
    assert kinds(made_case(), governor=None) == []


def test_rounds_that_differ_are_seen() -> None:
    assert kinds(made_case(rounds_ms=[2.0, 2.4, 2.4, 2.0] * 3)) == ["spread"]


def test_a_machine_that_gets_slower_is_seen() -> None:
    slower = [2.0] * 4 + [2.05, 2.1] + [2.2] * 4
    assert "drift" in kinds(made_case(rounds_ms=slower))
    assert "drift" in kinds(made_case(rounds_ms=slower[::-1]))


def test_cases_that_drift_apart_are_not_called_comparable() -> None:
    slower = [2.0] * 4 + [3.0] * 2 + [3.6] * 4
    together = [made_case(rounds_ms=slower), made_case("float32", [2 * ms for ms in slower])]
    (found,) = (p for p in find_problems(made_table(*together)) if p["kind"] == "drift")
    assert "all cases drifted together" in found["advice"]
    apart = [made_case(rounds_ms=slower), made_case("float32", [4.0] * 10)]
    (found,) = (p for p in find_problems(made_table(*apart)) if p["kind"] == "drift")
    assert "are still valid" not in found["advice"]
    assert "run again" in found["advice"]
    risen, flat = found["detail"].split(", but ")
    assert apart[0]["key"] in risen
    assert "+80" in risen or "+79" in risen
    assert apart[1]["key"] in flat
    (alone,) = (p for p in find_problems(made_table(apart[0])) if p["kind"] == "drift")
    assert "comparisons" not in alone["advice"]


def test_one_case_of_many_that_drifts_is_seen() -> None:
    calm = [made_case(threads=n, rounds_ms=[4.0] * 10) for n in (1, 2, 4)]
    odd = made_case("float32", [2.0] * 5 + [3.0] * 5)
    (found,) = (p for p in find_problems(made_table(*calm, odd)) if p["kind"] == "drift")
    assert odd["key"] in found["detail"]


def test_a_long_tail_is_seen() -> None:
    assert kinds(made_case(p99_ms=9.0)) == ["tail"]
