"""The file of totals: restarts, several runs, kills, full disks, and files of others."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from har_edge.errors import OutputError
from har_edge.sinks import totals as module
from har_edge.sinks.totals import Totals
from har_edge.sinks.totals_file import Days, TotalsFile
from tests.conftest import ROOT
from tests.edge.sinks.test_totals import DAY, NOON_S, prediction
from tests.support.full_disk import fill_disk

OLD: Days = {
    "2026-02-28": {"camera:0": {"sitting": 12.5, "falling": 0.125}, "t\u00fcr": {"unknown": 3.0}},
    DAY: {"camera:0": {"sitting": 1.5}},
}


def in_file(path: Path) -> Days:
    """What a file holds, read as anybody may read it."""
    days: Days = {}
    with contextlib.closing(sqlite3.connect(path)) as database:
        for day, source, action, seconds in database.execute("SELECT * FROM seconds"):
            days.setdefault(day, {}).setdefault(source, {})[action] = seconds
    return days


def write_old(path: Path, days: Days) -> bytes:
    """Write a file as releases before SQLite did."""
    text = json.dumps({"format": "har-edge totals", "version": 1, "days": days}, indent=1)
    path.write_text(text.replace("{\n ", "{", 1) + "\n", encoding="utf-8")
    return path.read_bytes()


# Counts one second after another, each saved and then told.
COUNTING = """
import sys
from har_edge.sinks import totals
sys.path.insert(0, sys.argv[2])
from tests.edge.sinks.test_totals import prediction
totals.SAVE_INTERVAL_S = 0.0
counter = totals.Totals(sys.argv[1], print)
for second in range(1, 1 + int((sys.argv + ["1000000"])[3])):
    counter.take(prediction(float(second)))
    print(second, flush=True)
"""


# Takes a file over, and dies in the middle of it.
TAKING_OVER = """
import os, sys
from har_edge.sinks import totals, totals_file
step = sys.argv[2]
if step == "written":
    totals_file._add = lambda *_, **__: os._exit(9)
elif step == "kept":
    totals_file.write_whole = lambda *_, **__: os._exit(9)
else:
    replace = totals_file.Path.replace
    def die(old, new): os._exit(9) if old.suffix == ".new" else replace(old, new)
    totals_file.Path.replace = die
totals.Totals(sys.argv[1], print)
"""


def test_a_restart_goes_on_and_two_runs_share_a_file(tmp_path: Path) -> None:
    path = tmp_path / "totals.json"
    first, second = Totals(path, pytest.fail), Totals(path, pytest.fail)
    for at_s in range(4):
        first.take(prediction(at_s))
        second.take(prediction(at_s, source="door"))
        first.save()
        second.save()
    first.close()
    second.close()
    third = Totals(path, pytest.fail)
    third.take(prediction(0.0))
    third.take(prediction(1.5))
    third.close()
    third.close()  # adds nothing twice
    assert Totals(path, pytest.fail).days() == {
        DAY: {"camera:0": {"sitting": 4.5}, "door": {"sitting": 3.0}}
    }
    assert [p.name for p in tmp_path.iterdir()] == ["totals.json"]


def test_the_newest_days_are_kept(tmp_path: Path) -> None:
    totals = Totals(tmp_path / "totals.json", pytest.fail, keep_days=3)
    for day in range(6):
        start_s = NOON_S + day * 86400
        totals.take(prediction(day * 100.0, start_s=start_s))
        totals.take(prediction(day * 100.0 + 1, start_s=start_s))
    totals.close()
    assert sorted(totals.days()) == ["2026-03-04", "2026-03-05", "2026-03-06"]


def test_it_is_saved_now_and_then(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "totals.json"
    totals = Totals(path, pytest.fail)
    totals.take(prediction(0.0))
    totals.take(prediction(1.0))
    assert in_file(path) == {}
    monkeypatch.setattr(module, "SAVE_INTERVAL_S", 0.0)
    totals.take(prediction(2.0))
    assert in_file(path) == {DAY: {"camera:0": {"sitting": 2.0}}}


def test_damage_in_the_middle_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "totals.json"
    Totals(path, pytest.fail)
    content = bytearray(path.read_bytes())
    content[4096:4200] = b"\xff" * 104
    path.write_bytes(content)
    notes: list[str] = []
    totals = Totals(path, notes.append)
    assert totals.days() == {}
    assert "It was kept as totals.json.damaged-" in notes[0]
    totals.take(prediction(0.0))
    totals.take(prediction(1.0))
    totals.close()
    assert in_file(path) == {DAY: {"camera:0": {"sitting": 1.0}}}


@pytest.mark.parametrize("content", [b"", b"  \n"])
def test_an_empty_file_is_a_new_one(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "totals.json"
    path.write_bytes(content)
    Totals(path, pytest.fail)
    assert in_file(path) == {}


@pytest.mark.parametrize("old", [False, True])
def test_a_damaged_file_is_kept_aside(tmp_path: Path, old: bool) -> None:
    path = tmp_path / "totals.json"
    if old:
        write_old(path, OLD)
    else:
        totals = Totals(path, pytest.fail)
        totals.take(prediction(0.0))
        totals.take(prediction(1.0))
        totals.close()
    whole = path.read_bytes()
    notes: list[str] = []
    for cut in (40, len(whole) // 2, len(whole) - 3):
        path.write_bytes(whole[:cut])
        totals = Totals(path, notes.append)
        assert totals.days() == {}
    kept = sorted(tmp_path.glob("totals.json.damaged-*"))
    assert [p.read_bytes() for p in kept] == [
        whole[:cut] for cut in (40, len(whole) // 2, len(whole) - 3)
    ]
    assert "It was kept as totals.json.damaged-" in notes[0]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"my diary\n", "holds something else"),
        (b"\xff\xd8\xff\xe0\x00\x10JFIF", "holds something else"),
        (b'{"days": {}}', "holds something else"),
        (b"[1, 2]", "holds something else"),
        (b"SQLite format 3\0" + bytes(4080), "holds something else"),
        (b'{"format": "har-edge totals", "version": 2, "days": {}}', "version 1. Received 2"),
    ],
)
def test_files_of_others_are_left_alone(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "totals.json"
    path.write_bytes(content)
    with pytest.raises(OutputError, match=message):
        Totals(path, pytest.fail)
    assert path.read_bytes() == content
    assert [p.name for p in tmp_path.iterdir()] == ["totals.json"]


def test_a_database_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "photos.db"
    with contextlib.closing(sqlite3.connect(path)) as database:
        database.execute("CREATE TABLE seconds (a)")
    before = path.read_bytes()
    with pytest.raises(OutputError, match="holds something else"):
        Totals(path, pytest.fail)
    assert path.read_bytes() == before


def test_a_newer_release_is_left_its_file(tmp_path: Path) -> None:
    path = tmp_path / "totals.db"
    Totals(path, pytest.fail)
    with contextlib.closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA user_version = 3")
    before = path.read_bytes()
    with pytest.raises(OutputError, match=r"version 2\. Received 3"):
        Totals(path, pytest.fail)
    assert path.read_bytes() == before


def test_a_file_of_an_earlier_release_is_taken_over(tmp_path: Path) -> None:
    path = tmp_path / "totals.json"
    content = write_old(path, OLD)
    notes: list[str] = []
    totals = Totals(path, notes.append)
    assert totals.days() == OLD
    totals.take(prediction(0.0))
    totals.take(prediction(1.0))
    totals.close()
    assert Totals(path, pytest.fail).days()[DAY] == {"camera:0": {"sitting": 2.5}}
    (kept,) = tmp_path.glob("totals.json.v1-*.json")
    assert kept.read_bytes() == content
    assert notes == [f"{path} is a database from now on; what it was is kept as {kept.name}."]
    assert {p.name for p in tmp_path.iterdir()} == {"totals.json", kept.name}


def test_taking_over_on_a_full_disk_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "totals.json"
    content = write_old(path, OLD)
    fill_disk(monkeypatch)
    with pytest.raises(OutputError, match="No space left on device"):
        Totals(path, pytest.fail)
    assert path.read_bytes() == content
    assert [p.name for p in tmp_path.iterdir()] == ["totals.json"]


@pytest.mark.parametrize("step", ["written", "kept", "replaced"])
def test_a_kill_while_a_file_is_taken_over(tmp_path: Path, step: str) -> None:
    path = tmp_path / "totals.json"
    content = write_old(path, OLD)
    killed = subprocess.run([sys.executable, "-c", TAKING_OVER, str(path), step], check=False)
    assert killed.returncode == 9
    assert path.read_bytes() == content
    assert Totals(path, lambda line: None).days() == OLD
    assert not list(tmp_path.glob(".*"))


def test_two_processes_at_once_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / "totals.json"
    write_old(path, {DAY: {"camera:0": {"sitting": 100.0}}})
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", COUNTING, str(path), str(ROOT), "60"], stdout=subprocess.DEVNULL
        )
        for _ in range(3)
    ]
    assert [process.wait() for process in processes] == [0, 0, 0]
    assert Totals(path, pytest.fail).days() == {DAY: {"camera:0": {"sitting": 100.0 + 3 * 59}}}
    assert len(list(tmp_path.iterdir())) == 2


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="cannot be written"):
        Totals(tmp_path / "no" / "totals.json", pytest.fail)


def test_a_full_disk_loses_nothing(
    small_disk: Callable[[int], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SAVE_INTERVAL_S", 0.0)
    disk = small_disk(64)
    notes: list[str] = []
    totals = Totals(disk / "totals.json", notes.append)
    totals.take(prediction(0.0))
    totals.take(prediction(1.0))
    filler = disk / "filler"
    filler.write_bytes(b"x" * shutil.disk_usage(disk).free)
    for at_s in (2.0, 3.0):
        totals.take(prediction(at_s))
    assert len(notes) == 1 and "cannot be written" in notes[0]
    assert in_file(disk / "totals.json")[DAY]["camera:0"]["sitting"] == 1.0
    filler.unlink()
    totals.close()
    assert in_file(disk / "totals.json")[DAY]["camera:0"]["sitting"] == 3.0


def test_each_outage_of_a_disk_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SAVE_INTERVAL_S", 0.0)
    notes: list[str] = []
    folder = tmp_path / "disk"
    folder.mkdir()
    totals = Totals(folder / "totals.json", notes.append)
    for at_s in (0.0, 10.0):
        folder.rename(tmp_path / "unplugged")
        totals.take(prediction(at_s))
        totals.take(prediction(at_s + 1))
        (tmp_path / "unplugged").rename(folder)
        totals.take(prediction(at_s + 2))
    assert len(notes) == 2
    assert totals.days()[DAY]["camera:0"]["sitting"] == 4.0


def test_a_kill_at_any_moment_leaves_a_whole_file(tmp_path: Path) -> None:
    path = tmp_path / "totals.json"
    counted = 0.0
    for lines in (1, 7, 40, 3, 90):
        process = subprocess.Popen(
            [sys.executable, "-c", COUNTING, str(path), str(ROOT)],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        told = [int(process.stdout.readline()) for _ in range(lines)]
        process.send_signal(signal.SIGKILL)
        told += [int(line) for line in process.stdout.read().split()]
        process.stdout.close()
        process.wait()
        seconds = Totals(path, pytest.fail).days().get(DAY, {}).get("camera:0", {})
        before, counted = counted, sum(seconds.values())
        # The first prediction adds nothing; the last may be saved and not told yet.
        assert counted - before in (told[-1] - 1, told[-1])
    assert {p.name for p in tmp_path.iterdir()} <= {"totals.json", "totals.json-journal"}


def test_totals_are_for_the_user_alone(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        TotalsFile(tmp_path / "t.db", print, keep_days=2).add({"2026-03-01": {"a": {"b": 1.0}}})
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "t.db").stat().st_mode) == 0o600
    (tmp_path / "link.db").symlink_to(tmp_path / "victim")
    with pytest.raises(OutputError, match="link"):
        TotalsFile(tmp_path / "link.db", print, keep_days=2).add({})
    assert not (tmp_path / "victim").exists()
