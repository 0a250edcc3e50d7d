"""Rules: where, when and for how long an action may be claimed.

A rule names an action and when it may be said; what it forbids becomes `unknown`, before events
are made of it. As a line, in any order after the action:

    falling unless zone=bed            not in these zones (zone=bed,sofa for several)
    falling only zone=floor            in these zones alone; zone=none is outside of all
    lying for 10 s                     its event begins only after so long
    lying during 22:00-06:00           at these hours alone; recorded files have none, and pass

Several rules of one action must all permit it. A rule for `falling` holds for the alarm `fall` as
well.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from difflib import get_close_matches

from har_edge.errors import ConfigError
from har_edge.people.zones import NOWHERE
from har_edge.recognition.prediction import UNKNOWN, Prediction

# What an alarm of `har_edge.recognition.falls` is called, and the action that it is made of.
FALL, FALLING = "fall", "falling"
MAX_RULES = 64
LONGEST_S = 3600.0
_WORDS = ("unless", "only", "for", "during")
_EXAMPLE = "Write, for example: falling unless zone=bed"

Hours = tuple[int, int]


@dataclass(frozen=True)
class Rule:
    """When one action may be claimed.

    Example:
        >>> Rule("falling", unless_zones=("bed",)).permits_zone("bed")
        False

    Attributes:
        action: The action.
        unless_zones: Zones in which it is not claimed.
        only_zones: Zones in which it is claimed, no others; () for anywhere.
        min_duration_s: How long it must last until its event begins.
        hours: Start and end in minutes of the local day, over midnight if the end comes first;
            None for any time.
    """

    action: str
    unless_zones: tuple[str, ...] = ()
    only_zones: tuple[str, ...] = ()
    min_duration_s: float = 0.0
    hours: Hours | None = None

    @property
    def zones(self) -> tuple[str, ...]:
        """All zones that it names."""
        return (*self.unless_zones, *self.only_zones)

    def holds_for(self, action: str) -> bool:
        """Whether it says something about an action."""
        return action == self.action or (action == FALL and self.action == FALLING)

    def permits_zone(self, zone: str | None) -> bool:
        """Whether the action may be claimed of somebody in this zone."""
        here = NOWHERE if zone is None else zone
        return here not in self.unless_zones and (not self.only_zones or here in self.only_zones)

    def permits_time(self, at_s: float | None) -> bool:
        """Whether it may be claimed at a Unix time; None, for recorded files, always."""
        if self.hours is None or at_s is None:
            return True
        local = datetime.fromtimestamp(at_s)
        start, end = self.hours
        minute = local.hour * 60 + local.minute
        return start <= minute < end if start < end else minute >= start or minute < end


class Rules:
    """The rules of a run.

    Args:
        rules: In any order.

    Raises:
        ConfigError: if there are too many.
    """

    def __init__(self, rules: Iterable[Rule] = ()) -> None:
        self.all = tuple(rules)
        if len(self.all) > MAX_RULES:
            raise ConfigError(
                f"Expected at most {MAX_RULES} rules. Received {len(self.all)}. Leave some out."
            )

    def permits(self, action: str, zone: str | None, at_s: float | None) -> bool:
        """Whether an action may be claimed in a zone at a Unix time."""
        return all(
            rule.permits_zone(zone) and rule.permits_time(at_s)
            for rule in self.all
            if rule.holds_for(action)
        )

    def apply(self, prediction: Prediction) -> Prediction:
        """Make what a rule forbids `unknown`; everything else stays as it is."""
        action, at_s = prediction.action, prediction.captured_at_s
        if action == UNKNOWN or self.permits(action, prediction.zone, at_s):
            return prediction
        return replace(prediction, rejected=True)

    def min_durations(self) -> dict[str, float]:
        """How long actions must last until their events begin, for those that have a rule."""
        longest: dict[str, float] = {}
        for rule in self.all:
            if rule.min_duration_s:
                longest[rule.action] = max(rule.min_duration_s, longest.get(rule.action, 0.0))
        return longest

    def check(self, labels: Sequence[str], zones: Sequence[str], where: str) -> None:
        """Check that all actions and zones are known.

        Args:
            labels: The actions of the model.
            zones: Names of all zones.
            where: The file, for messages.

        Raises:
            ConfigError: if one is not; the message says which rule, and what may be meant.
        """
        for number, rule in enumerate(self.all, 1):
            place = f"{where}, rule {number}"
            if rule.action not in (*labels, FALL):
                raise _unknown(place, "an action of the model", rule.action, (*labels, FALL))
            for zone in rule.zones:
                if zone not in (*zones, NOWHERE):
                    raise _unknown(place, "a zone of this file", zone, (*zones, NOWHERE))

    def __len__(self) -> int:
        return len(self.all)


def parse_rule(text: str, where: str = "Rule") -> Rule:
    """Read a rule from a line.

    Args:
        text: The line; see above.
        where: File and number, for messages.

    Raises:
        ConfigError: if it is none; the message says at which character.

    Example:
        >>> parse_rule("falling unless zone=bed").unless_zones
        ('bed',)
        >>> parse_rule("lying only zone=floor for 10 s during 22:00-06:00").hours
        (1320, 360)
    """
    words = [(found.start() + 1, found[0]) for found in re.finditer(r"\S+", text)]
    # An action may have spaces in its name: it goes up to the first word of a rule.
    end = next((i for i, (_, word) in enumerate(words) if word in _WORDS), len(words))
    if end == 0:
        raise _broken(where, 1, "an action", words[0][1] if words else "nothing")
    if end == len(words):
        _refuse_no_condition(words, where)
    start_at = words[end][0] - 1
    rule = Rule(text[:start_at].strip())
    rest = words[end:]
    while rest:
        (place, word), rest = rest[0], rest[1:]
        if word in ("unless", "only"):
            at, given = rest[0] if rest else (len(text) + 1, "nothing")
            zones = _parse_zones(given, at, where)
            rule = _add_zones(rule, word, zones)
            rest = rest[1:]
        elif word == "for":
            rule, rest = _parse_duration(rule, rest, len(text) + 1, where)
        elif word == "during":
            at, given = rest[0] if rest else (len(text) + 1, "nothing")
            rule = replace(rule, hours=parse_hours(given, f"{where}, character {at}"))
            rest = rest[1:]
        else:
            raise _broken(where, place, _listed(_WORDS), word, _WORDS)
    return rule


def parse_hours(text: str, where: str) -> Hours:
    """Read hours of the day, such as `22:00-06:00`.

    Raises:
        ConfigError: if they are none.
    """
    found = re.fullmatch(r"([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]):([0-5]\d)", text)
    if not found:
        raise ConfigError(
            f"{where}: expected hours such as 22:00-06:00. Received {text!r}. Write two times of "
            "24 hours with a minus between them."
        )
    start, end = int(found[1]) * 60 + int(found[2]), int(found[3]) * 60 + int(found[4])
    if start == end:
        raise ConfigError(
            f"{where}: expected hours that differ. Received {text!r}. Leave them out for all day."
        )
    return start, end


def suggestion(word: str, known: Iterable[str]) -> str:
    """What may have been meant, as a sentence; else what is known."""
    choices = list(known)
    if close := get_close_matches(word, choices, 1):
        return f"Did you mean {close[0]!r}?"
    return f"Choose from: {', '.join(choices)}."


def _add_zones(rule: Rule, word: str, zones: tuple[str, ...]) -> Rule:
    if word == "unless":
        return replace(rule, unless_zones=(*rule.unless_zones, *zones))
    return replace(rule, only_zones=(*rule.only_zones, *zones))


def _parse_zones(text: str, place: int, where: str) -> tuple[str, ...]:
    name, _, value = text.partition("=")
    zones = tuple(part for part in value.split(",") if part)
    if name != "zone" or not zones:
        raise _broken(where, place, "zone=NAME", text)
    return zones


def _parse_duration(
    rule: Rule, rest: list[tuple[int, str]], end: int, where: str
) -> tuple[Rule, list[tuple[int, str]]]:
    """Read `10 s` or `10s`; gives the words behind it."""
    place, word = rest[0] if rest else (end, "nothing")
    apart = len(rest) > 1 and rest[1][1] == "s"
    found = re.fullmatch(r"(\d+(?:\.\d+)?)(s?)", word)
    if not found or not (found[2] or apart) or not 0 < float(found[1]) <= LONGEST_S:
        raise _broken(where, place, f"a time such as 10 s, up to {LONGEST_S:g} s", word)
    return replace(rule, min_duration_s=float(found[1])), rest[1 if found[2] else 2 :]


def _refuse_no_condition(words: list[tuple[int, str]], where: str) -> None:
    """Say what is wrong with a line in which no word of a rule stands."""
    for place, word in words[1:]:
        if close := get_close_matches(word, _WORDS, 1):
            raise _broken(where, place, _listed(_WORDS), word, close)
    place, word = words[-1]
    raise _broken(where, place + len(word), f"{_listed(_WORDS)} after the action", "the end")


def _listed(words: Sequence[str]) -> str:
    return f"{', '.join(words[:-1])} or {words[-1]}"


def _broken(
    where: str, place: int, expected: str, received: str, known: Sequence[str] = ()
) -> ConfigError:
    advice = suggestion(received, known) if get_close_matches(received, known, 1) else _EXAMPLE
    shown = received if received in ("nothing", "the end") else repr(received)
    return ConfigError(
        f"{where}, character {place}: expected {expected}. Received {shown}. {advice}"
    )


def _unknown(place: str, expected: str, received: str, known: Sequence[str]) -> ConfigError:
    return ConfigError(
        f"{place}: expected {expected}. Received {received!r}. {suggestion(received, known)}"
    )
