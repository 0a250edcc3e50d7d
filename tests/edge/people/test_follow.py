"""Who is followed: from which score on, in stills and in videos."""

from __future__ import annotations

import numpy as np
import pytest

from har_edge.frames.frame import Frame, Person
from har_edge.people.choose import PeopleRule
from har_edge.people.follow import Follower
from tests.support.people import BrightLocator

LIKELY = Person(0.55, (0.25, 0.25, 0.5, 0.75))


@pytest.mark.parametrize("still", [True, False])
def test_a_still_shows_everybody_only_once(still: bool) -> None:
    locator = BrightLocator()
    locator.begin_score = 0.6
    follower = Follower(locator, PeopleRule(1, 5), still=still)
    frame = Frame(np.zeros((8, 8, 3), np.uint8), 0.0, 0, "x", 0.0, people=(LIKELY,))
    assert [person.box for person in follower.follow(frame).chosen] == [LIKELY.box] * still
