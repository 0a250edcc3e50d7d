"""Time of each action a day: gaps, midnight, changes of the clocks."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from har_edge.sinks.totals import Totals, split_by_day
from har_edge.sources.base import SourceStatus
from tests.support import records

NOON_S = datetime(2026, 3, 1, 12).timestamp()
DAY = "2026-03-01"
prediction = partial(records.prediction, start_s=NOON_S)


@pytest.fixture
def time_zone(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    def use(name: str) -> None:
        monkeypatch.setenv("TZ", name)
        time.tzset()

    yield use
    monkeypatch.undo()
    time.tzset()


def test_time_belongs_to_the_answer_at_its_end() -> None:
    totals = Totals(None, pytest.fail)
    for at_s, action in [(0.0, "sitting"), (1.0, "sitting"), (1.5, "falling"), (3.5, "unknown")]:
        totals.take(prediction(at_s, action))
    totals.take(prediction(7.0, "falling", source="door"))
    totals.take(prediction(8.0, "falling", source="door"))
    assert totals.days() == {
        DAY: {
            "camera:0": {"sitting": 1.0, "falling": 0.5, "unknown": 2.0},
            "door": {"falling": 1.0},
        }
    }


def test_what_nobody_saw_belongs_to_no_action() -> None:
    totals = Totals(None, pytest.fail)
    totals.take(prediction(0.0))
    totals.take(prediction(1.0))
    totals.take(SourceStatus("camera:0", "lost", 0.0))
    totals.take(prediction(2.5))  # anew
    totals.take(prediction(3.0))
    totals.take(prediction(60.0))  # silence without a word
    totals.take(prediction(60.5))
    totals.take(prediction(1.0))  # the source started anew
    totals.take(prediction(1.25))
    assert totals.days()[DAY]["camera:0"]["sitting"] == pytest.approx(1 + 0.5 + 0.5 + 0.25)


def test_files_have_no_time_of_day() -> None:
    totals = Totals(None, pytest.fail)
    totals.take(prediction(0.0, start_s=None))
    totals.take(prediction(1.0, start_s=None))
    assert totals.days() == {}


def test_midnight_splits(tmp_path: Path) -> None:
    midnight = datetime(2026, 3, 2).timestamp()
    totals = Totals(tmp_path / "totals.json", pytest.fail)
    for at_s in np.arange(0, 10.25, 0.5):
        totals.take(prediction(float(at_s), start_s=midnight - 3.25))
    totals.close()
    assert totals.days()[DAY]["camera:0"]["sitting"] == pytest.approx(3.25)
    assert totals.days()["2026-03-02"]["camera:0"]["sitting"] == pytest.approx(6.75)


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "America/Sao_Paulo", "Pacific/Apia"])
def test_days_add_up_across_changes_of_the_clocks(
    zone: str, time_zone: Callable[[str], None]
) -> None:
    time_zone(zone)
    for year in (2011, 2017, 2018, 2026):
        start_s = datetime(year, 1, 1).timestamp()
        end_s = datetime(year + 1, 1, 1).timestamp()
        parts = split_by_day(start_s, end_s)
        days = [day for day, _ in parts]
        assert days == sorted(set(days))
        assert len(days) in (364, 365)  # Samoa left one day out
        assert sum(seconds for _, seconds in parts) == pytest.approx(end_s - start_s)
        assert {round(seconds / 3600) for _, seconds in parts} <= {23, 24, 25}


def test_a_run_without_totals_loads_no_database() -> None:
    code = (
        "import sys; from har_edge.sinks.totals import Totals; Totals(None, print); "
        "sys.exit('sqlite3' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_format_for_the_summary() -> None:
    totals = Totals(None, pytest.fail)
    totals._pending = {
        DAY: {"camera:0": {"falling": 4.52, "sitting": 3 * 3600 + 12 * 60 + 20.0}},
    }
    assert totals.format(DAY) == (
        "2026-03-01\n  sitting                  3 h 12 min\n  falling                       4.5 s\n"
    )
    assert totals.format("2026-03-02") == ""
    totals._pending[DAY]["door"] = {"sitting": 128.0}
    assert [line.split() for line in totals.format(DAY).splitlines()][3:] == [
        ["falling", "4.5", "s"],
        ["door"],
        ["sitting", "2", "min", "8", "s"],
    ]
    today = f"{datetime.now():%Y-%m-%d}"
    yesterday = f"{datetime.now() - timedelta(days=1):%Y-%m-%d}"
    totals._pending = {today: {"a": {"sitting": 1.0}}, yesterday: {"a": {"sitting": 2.0}}}
    assert totals.format().splitlines()[0] == today


def test_time_in_a_zone_is_added_up_beside_actions() -> None:
    totals = Totals(None, pytest.fail)
    start_s = datetime(2026, 3, 1, 12).timestamp()
    for at_s, zone in ((0.0, "bed"), (1.0, "bed"), (2.0, "bed"), (3.0, None)):
        said = records.prediction(at_s, "sitting", start_s=start_s)
        totals.take(replace(said, person=1, zone=zone))
    assert totals.days() == {"2026-03-01": {"camera:0": {"sitting": 3.0, "zone:bed": 2.0}}}
