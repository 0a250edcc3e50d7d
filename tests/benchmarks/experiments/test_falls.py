"""The alarm for falls, judged on made-up tracks."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from har_benchmarks.experiments import falls
from tests.benchmarks.experiments.conftest import Experiment

STANDING, LYING = [0.4, 0.2, 0.52, 0.8], [0.3, 0.68, 0.75, 0.84]


def line(name: str, *stays: tuple[list[float], int]) -> str:
    boxes = [box for box, looks in stays for _ in range(looks)]
    rows = [[i / 8, [[1, 1, *box]], []] for i, box in enumerate(boxes)]
    return json.dumps({"file": f"{name}__{name}-cam0.mp4", "shape": 4 / 3, "rows": rows})


def test_settings_are_judged_by_sequence(
    experiment: Experiment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(falls, "GRID", {"drop": (0.3, 5.0)})
    fallen = [line(f"fall-{i:02}", (STANDING, 16), (LYING, 16)) for i in range(5)]
    short = line("fall-05", (STANDING, 16), (LYING, 2))
    quiet = [line(f"adl-{i:02}", (STANDING, 32)) for i in range(5)]
    lies = line("adl-05", (STANDING, 16), (LYING, 16))
    Path("urfd.jsonl").write_text("\n".join([*fallen, short, *quiet, lies]) + "\n")
    Path("other.jsonl").write_text(line("walk", (STANDING, 80)) + "\n")
    rows = [f"fall-{i:02},{frame},0" for i in range(6) for frame in range(58, 66)]
    Path("frames.csv").write_text("\n".join(["sequence,frame,posture", *rows]) + "\n")
    options = ("--postures", "frames.csv", "--other", "walks=other.jsonl", "--low-s", "1")
    experiment("falls", "judge", "urfd.jsonl", *options, "--out", "out.json")
    facts = json.loads(Path("out.json").read_text())
    (chosen,) = facts["chosen_by_folds"]
    assert (chosen["falls_that_go_on_long_enough"], chosen["found"]) == (5, 5)
    assert chosen["found_of_all_30"] == 5
    assert chosen["chosen_on_all"] == {"drop": 0.3}
    assert chosen["daily_with_an_alarm"][0] == pytest.approx(1 / 6, abs=1e-3)
    assert chosen["daily_names"] == ["adl-05"]
    assert 1.0 <= chosen["delay_median_s"] <= 1.5
    (walks,) = facts["elsewhere"]
    assert (walks["alarms"], walks["recordings"]) == (0, 1)
    assert walks["hours"] == pytest.approx(79 / 8 / 3600, abs=1e-4)


def test_tracks_read_back_as_they_were(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(line("fall-01", (STANDING, 2)) + "\n")
    (recording,) = falls.read_tracks(path)
    assert (recording.name, recording.duration_s) == ("fall-01", 0.125)
    (at_s, (person,), gone) = recording.rows[1]
    assert (at_s, person.id, person.box, person.located, gone) == (
        0.125, 1, tuple(STANDING), True, [],
    )  # fmt: skip


def test_intervals_of_counts() -> None:
    # Exact ones: 0 to 3.69, and 1.62 to 11.67.
    assert falls.poisson_interval(0) == pytest.approx((0.0, 3.69), abs=0.3)
    assert falls.poisson_interval(5) == pytest.approx((1.62, 11.67), abs=0.05)
