"""Rules: what they permit, how they are written, and what is wrong with those that are not."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

import pytest

from har_edge.errors import ConfigError
from har_edge.recognition.rules import Rule, Rules, parse_rule
from tests.support.records import prediction

AT_NIGHT = datetime(2026, 3, 1, 23, 30).timestamp()
AT_NOON = datetime(2026, 3, 1, 12, 0).timestamp()


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("falling unless zone=bed", Rule("falling", ("bed",))),
        ("falling unless zone=bed,sofa", Rule("falling", ("bed", "sofa"))),
        ("falling  only zone=none", Rule("falling", (), ("none",))),
        ("lying for 10 s", Rule("lying", min_duration_s=10)),
        ("lying for 2.5s", Rule("lying", min_duration_s=2.5)),
        ("lying during 22:00-06:00", Rule("lying", hours=(1320, 360))),
        (
            "sitting, at a desk only zone=a for 3 s during 08:00-09:30",
            Rule("sitting, at a desk", (), ("a",), 3, (480, 570)),
        ),
    ],
)
def test_lines_become_rules(text: str, rule: Rule) -> None:
    assert parse_rule(text) == rule


@pytest.mark.parametrize(
    ("text", "place", "message"),
    [
        ("", 1, "expected an action. Received nothing"),
        ("unless zone=bed", 1, "expected an action"),
        ("falling", 8, "after the action. Received the end"),
        ("falling unles zone=bed", 9, "Received 'unles'. Did you mean 'unless'"),
        ("falling unless", 15, "zone=NAME. Received nothing"),
        ("falling unless bed", 16, "zone=NAME. Received 'bed'"),
        ("falling unless zone=", 16, "zone=NAME"),
        ("falling unless zone=bed dring 22:00-06:00", 25, "Did you mean 'during'"),
        ("lying for ten s", 11, "a time such as 10 s"),
        ("lying for 10", 11, "a time such as 10 s"),
        ("lying for 10 min", 11, "a time such as 10 s"),
        ("lying for 0 s", 11, "a time such as 10 s"),
        ("lying during 25:00-06:00", 14, "hours such as 22:00-06:00"),
        ("lying during 06:00-06:00", 14, "hours that differ"),
    ],
)
def test_typos_are_found_where_they_are(text: str, place: int, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_rule(text, "room.toml, rule 2")
    assert str(caught.value).startswith(f"room.toml, rule 2, character {place}: ")
    assert message in str(caught.value)


def test_unknown_actions_and_zones_are_named_with_what_may_be_meant() -> None:
    rules = Rules([Rule("fallin", ("bed",))])
    with pytest.raises(ConfigError, match=r"rule 1: .*'fallin'. Did you mean 'falling'"):
        rules.check(["falling", "sitting"], ["bed"], "a.toml")
    rules = Rules([Rule("fall", ("none",)), Rule("falling", ("beds",))])
    with pytest.raises(ConfigError, match=r"rule 2: .*'beds'. Did you mean 'bed'"):
        rules.check(["falling", "sitting"], ["bed"], "a.toml")


def test_what_a_rule_forbids_is_unknown() -> None:
    rules = Rules([parse_rule("falling unless zone=bed")])
    fallen = prediction(1.0, "falling")
    in_bed = replace(fallen, person=1, zone="bed")
    assert rules.apply(in_bed).action == "unknown"
    assert rules.apply(in_bed).probabilities is in_bed.probabilities
    assert rules.apply(replace(in_bed, zone="door")).action == "falling"
    assert rules.apply(fallen) is fallen
    sitting = replace(prediction(1.0, "sitting"), zone="bed")
    assert rules.apply(sitting) is sitting


def test_a_rule_for_one_zone_forbids_all_others() -> None:
    rules = Rules([parse_rule("falling only zone=stairs,none")])
    assert rules.permits("falling", "stairs", None)
    assert rules.permits("falling", None, None)
    assert not rules.permits("falling", "bed", None)


def test_a_rule_for_falling_holds_for_the_alarm() -> None:
    rules = Rules([parse_rule("falling unless zone=bed")])
    assert not rules.permits("fall", "bed", None)
    assert Rules([parse_rule("fall unless zone=bed")]).permits("falling", "bed", None)


def test_hours_run_over_midnight_and_recordings_have_none() -> None:
    rules = Rules([parse_rule("lying during 22:00-06:00")])
    assert rules.permits("lying", None, AT_NIGHT)
    assert not rules.permits("lying", None, AT_NOON)
    assert rules.permits("lying", None, None)
    by_day = Rules([parse_rule("lying during 06:00-22:00")])
    assert (by_day.permits("lying", None, AT_NIGHT), by_day.permits("lying", None, AT_NOON)) == (
        False,
        True,
    )


def test_of_several_durations_the_longest_counts() -> None:
    rules = Rules([parse_rule("lying for 3 s"), parse_rule("lying for 5 s during 22:00-06:00")])
    assert rules.min_durations() == {"lying": 5.0}
    with pytest.raises(ConfigError, match="at most"):
        Rules([Rule("lying")] * 65)
